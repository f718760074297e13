# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.clients.drive import run_blocking
from airflow_dataops.clients.kafka_health.probe import KafkaAccess, Probes, Token
from airflow_dataops.core.kafka_health.asking import GroupAsk
from airflow_dataops.core.kafka_health.snapshot import GroupSnapshot, GroupState

FAKE = Path(__file__).with_name("fake_child.py")
PASSWORD = "hunter2-hunter2"
ACCESS = KafkaAccess({"bootstrap.servers": "nowhere:1", "sasl.password": PASSWORD})
LONG = 120.0
PARENT = """
import asyncio, sys
from airflow_dataops.clients.kafka_health.probe import KafkaAccess, probe
from airflow_dataops.core.kafka_health.asking import GroupAsk

access = KafkaAccess({"bootstrap.servers": f"127.0.0.1:{sys.argv[1]}"})
asyncio.run(probe(access, [GroupAsk("g")], seconds=3600))
"""


def fake(folder: Path, **options: Any) -> Probes:
    return Probes((sys.executable, "-I", "-S", str(FAKE), str(folder)), **options)


@pytest.fixture
def probes(tmp_path: Path) -> Probes:
    return fake(tmp_path)


def ask(probes: Probes, *groups: str) -> list[GroupSnapshot]:
    found = asyncio.run(probes.probe(ACCESS, [GroupAsk(group) for group in groups], seconds=LONG))
    assert [one.group for one in found] == list(groups)
    return found


def codes(found: list[GroupSnapshot]) -> list[str | None]:
    """Return what is wrong with each; where something is, nothing else is said."""
    assert all(not one.partitions and one.state is GroupState.UNKNOWN for one in found if one.error)
    return [one.error.code if one.error else None for one in found]


def asked(folder: Path) -> list[list[str]]:
    """Return the groups that each process was asked about, in the order of the processes' start."""
    files = sorted(folder.glob("asked-*.json"), key=lambda path: path.stat().st_mtime_ns)
    return [json.loads(path.read_text())["groups"] for path in files]


async def until(seen: Callable[[], Any]) -> None:
    end = time.monotonic() + LONG
    while not seen():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


def pids(folder: Path) -> list[int]:
    return [int(path.name.split("-")[1]) for path in folder.glob("running-*")]


def stands_still(pid: int) -> bool:
    """Tell whether a process is stopped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except OSError:
        return False


def is_gone(pid: int) -> bool:
    """Tell whether a process has ended and was reaped."""
    return not Path(f"/proc/{pid}").exists()


def test_groups_of_one_cluster_share_a_process(probes: Probes, tmp_path: Path) -> None:
    found = ask(probes, "a", "b", "a")
    assert codes(found) == [None, None, None]
    assert found[0].state is GroupState.STABLE
    assert asked(tmp_path) == [["a", "b", "a"]]


@pytest.mark.parametrize(
    ("group", "code", "said"),
    [
        ("segv", "PROBE_CRASHED", "SIGSEGV"),
        ("exit", "PROBE_CRASHED", "exit code 3; it said: it broke, with the password ***"),
        ("silent", "PROBE_GARBAGE", "without an answer"),
        ("garbage", "PROBE_GARBAGE", "no answer, 10 bytes"),
        ("wrong", "PROBE_GARBAGE", "'another'"),
        ("half", "PROBE_GARBAGE", "no answer, 20 bytes"),
    ],
)
def test_a_group_without_an_answer_is_asked_about_alone_and_then_says_why(
    probes: Probes, tmp_path: Path, group: str, code: str, said: str
) -> None:
    found = ask(probes, "before", group, "after")
    assert codes(found) == [None, code, None]
    assert found[1].error
    assert said in found[1].error.message
    assert PASSWORD not in found[1].model_dump_json()
    after = [] if group in ("silent", "garbage", "wrong") else [["after"]]
    first, *alone = asked(tmp_path)
    assert first == ["before", group, "after"]
    assert sorted(alone) == sorted([[group], *after])


# The second is heard more slowly than it speaks, so that its pipe is full when it is killed.
@pytest.mark.parametrize("group", ["endless", "chatty"])
def test_one_that_never_ends_its_answer_is_killed(tmp_path: Path, group: str) -> None:
    assert codes(ask(fake(tmp_path, most_bytes=100_000), group)) == ["PROBE_GARBAGE"]
    assert asked(tmp_path) == [[group]]  # it was alone already
    assert all(is_gone(pid) for pid in pids(tmp_path))


def test_one_that_hangs_is_killed_and_what_it_answered_before_counts(tmp_path: Path) -> None:
    limits: list[asyncio.Timeout] = []

    def limit(seconds: float) -> asyncio.Timeout:
        limits.append(asyncio.timeout(seconds))
        return limits[-1]

    async def main() -> list[GroupSnapshot]:
        asks = [GroupAsk("quick"), GroupAsk("stop")]
        looking = asyncio.create_task(fake(tmp_path, limit=limit, places=1).probe(ACCESS, asks, seconds=LONG))
        for number in range(2):
            await until(lambda: any(stands_still(pid) for pid in pids(tmp_path)))
            limits[number].reschedule(asyncio.get_running_loop().time())
            await until(lambda: not any(stands_still(pid) for pid in pids(tmp_path)))
        return await looking

    assert codes(asyncio.run(main())) == [None, "PROBE_TIMEOUT"]
    assert asked(tmp_path) == [["quick", "stop"], ["stop"]]
    assert all(is_gone(pid) for pid in pids(tmp_path))


def test_a_process_that_does_not_listen_or_cannot_be_started(tmp_path: Path) -> None:
    # More than a pipe holds.
    huge = GroupAsk("a", seen=tuple((f"topic-{number}", 0) for number in range(50_000)))
    deaf = Probes((sys.executable, "-c", "import os; os.close(0)"))
    assert codes(asyncio.run(deaf.probe(ACCESS, [huge], seconds=LONG))) == ["PROBE_GARBAGE"]
    assert codes(ask(Probes((str(tmp_path / "nothing"),)), "a")) == ["PROBE_CRASHED"]


def test_no_secret_is_an_argument(probes: Probes, tmp_path: Path) -> None:
    ask(probes, "a")
    told = json.loads(next(tmp_path.glob("asked-*.json")).read_text())
    assert PASSWORD not in str(told["argv"])
    assert PASSWORD not in repr(ACCESS)
    assert "abc" not in repr(KafkaAccess({}, Token("abc", 1.0))) + repr(Token("abc", 1.0))


def test_eight_run_at_a_time_whatever_loop_they_belong_to(probes: Probes, tmp_path: Path) -> None:
    accesses = [KafkaAccess({"bootstrap.servers": f"cluster-{number}:1"}) for number in range(20)]

    async def several(some: list[KafkaAccess]) -> list[GroupSnapshot]:
        found = await asyncio.gather(*(probes.probe(one, [GroupAsk("wait")], seconds=LONG) for one in some))
        return [one for several in found for one in several]

    async def both() -> list[list[GroupSnapshot]]:
        other = asyncio.create_task(asyncio.to_thread(run_blocking, several(accesses[10:])))
        mine = asyncio.create_task(several(accesses[:10]))
        await until(lambda: len(pids(tmp_path)) == 8)
        (tmp_path / "go").touch()
        return [await mine, await other]

    found = asyncio.run(both())
    assert [codes(one) for one in found] == [[None] * 10] * 2
    told = [json.loads(path.read_text()) for path in tmp_path.glob("asked-*.json")]
    assert len(told) == 20
    assert max(one["beside"] for one in told) == 8


def test_who_waits_for_a_place_shares_a_process_with_others_of_the_cluster(tmp_path: Path) -> None:
    probes = fake(tmp_path, places=1, groups=4)

    async def main() -> list[list[GroupSnapshot]]:
        first = asyncio.create_task(probes.probe(ACCESS, [GroupAsk("wait")], seconds=LONG))
        await until(lambda: pids(tmp_path))
        rest = [asyncio.create_task(probes.probe(ACCESS, [GroupAsk(f"g-{n}")], seconds=LONG)) for n in range(6)]
        await asyncio.sleep(0)
        (tmp_path / "go").touch()
        return await asyncio.gather(first, *rest)

    assert [codes(one) for one in asyncio.run(main())] == [[None]] * 7
    assert asked(tmp_path) == [["wait"], [f"g-{n}" for n in range(4)], ["g-4", "g-5"]]


def test_one_who_gives_up_leaves_the_others_their_answer_and_the_last_one_ends_the_process(
    probes: Probes, tmp_path: Path
) -> None:
    async def main() -> list[GroupSnapshot]:
        tasks = [asyncio.create_task(probes.probe(ACCESS, [GroupAsk("wait")], seconds=LONG)) for _ in range(2)]
        await until(lambda: pids(tmp_path))
        tasks[0].cancel()
        await asyncio.wait([tasks[0]])
        (tmp_path / "go").touch()
        found = await tasks[1]
        (tmp_path / "go").unlink()
        last = asyncio.create_task(probes.probe(ACCESS, [GroupAsk("wait")], seconds=LONG))
        await until(lambda: pids(tmp_path))
        last.cancel()
        await asyncio.wait([last])
        assert last.cancelled()
        assert all(is_gone(pid) for pid in pids(tmp_path))
        return found

    assert codes(asyncio.run(main())) == [None]
    assert asked(tmp_path) == [["wait", "wait"], ["wait"]]


def test_a_place_is_free_again_after_a_crash(tmp_path: Path) -> None:
    probes = fake(tmp_path, places=1)
    assert codes(ask(probes, "segv", "exit")) == ["PROBE_CRASHED"] * 2
    assert codes(ask(probes, "a")) == [None]


def test_the_process_ends_with_the_one_that_started_it() -> None:
    pytest.importorskip("confluent_kafka", reason="needs confluent-kafka: pip install 'airflow-dataops[kafka]'")
    with socket.create_server(("127.0.0.1", 0)) as never_answers:
        never_answers.settimeout(LONG)
        parent = subprocess.Popen([sys.executable, "-c", PARENT, str(never_answers.getsockname()[1])])
        connection, _ = never_answers.accept()
        parent.kill()
        parent.wait()
        connection.settimeout(LONG)
        with connection, suppress(ConnectionResetError):
            while connection.recv(4096):
                continue  # the end of the process closes the connection
