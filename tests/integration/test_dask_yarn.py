# SPDX-License-Identifier: Apache-2.0
"""The driver on real YARN: what it does when all is well, and what it says of each fault."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import pytest

from airflow_dataops.core.dataproc_dask.document import JobDocument, digest, encode
from tests.services import yarn_server
from tests.services.yarn_server import Yarn

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        find_spec("dask_yarn") is None, reason="needs dask-yarn and skein: pip install 'airflow-dataops[yarn]'"
    ),
    pytest.mark.skipif(yarn_server.missing() is not None, reason=str(yarn_server.missing())),
]

IN_SOAK = pytest.mark.soak  # ten minutes: `make soak AREA=yarn`

FUNCTIONS = '''
import os, time

def count(client):
    return len(client.scheduler_info(n_workers=-1)["workers"])

def total(client, *, n):
    return sum(client.gather(client.map(lambda x: 2 * x, range(n))))

def boom(client):
    return client.submit(lambda: 1 / 0).result()

def wait(client, *, seconds=600):
    print("waiting", flush=True)
    client.gather(client.map(time.sleep, [seconds, seconds + 1], pure=False))

def adapt(client):
    """Give work until there are three, then none until there is one."""
    futures = client.map(lambda n: time.sleep(0.5), range(2000))
    most = until(lambda: count(client), 3)
    client.cancel(futures)
    del futures
    return [most, until(lambda: count(client), 1)]

def survive(client):
    """Say that a worker may be killed, and wait for the one that takes its place."""
    before = set(client.scheduler_info(n_workers=-1)["workers"])
    print("waiting", flush=True)
    until(lambda: len(set(client.scheduler_info(n_workers=-1)["workers"]) - before), 1)
    return total(client, n=4)

def lose_worker(client):
    before = set(client.scheduler_info(n_workers=-1)["workers"])
    for pid in client.run(os.getpid).values():
        os.kill(pid, 9)
    until(lambda: len(set(client.scheduler_info(n_workers=-1)["workers"]) - before), 1)
    return total(client, n=4)

def go_on(client, *, path):
    """Work once a file is there."""
    print("waiting", flush=True)
    until(lambda: os.path.exists(path), True)
    return total(client, n=4)

def until(look, wanted, seconds=300):
    end = time.time() + seconds
    while (found := look()) != wanted and time.time() < end:
        time.sleep(0.3)
    return found
'''


@pytest.fixture(scope="module")
def yarn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yarn]:
    yarn_server.jars()
    server = Yarn(tmp_path_factory.mktemp("yarn"))
    with yarn_server.loopback_only():
        server.start()
        (server.root / "functions.py").write_text(FUNCTIONS)
        yield server
        for process in Driver.started:
            process.kill()
        server.stop()


class Driver:
    """A driver in its own process; a failed test may leave it, and the server takes it along."""

    started: ClassVar[list[subprocess.Popen[bytes]]] = []

    def __init__(self, yarn: Yarn, name: str, **document: Any) -> None:
        usual = {"runtime": "yarn", "workers": 1, "worker_threads": 1, "worker_memory": 512 * 2**20}
        times = {"wait_for_workers": 400, "no_workers_timeout": 60, "heartbeat": 2, "close": 60}
        data = encode(JobDocument.model_validate({**usual, **times, "code": [str(yarn.root)], **document}))
        spec = yarn.root / f"{name}.json"
        spec.write_bytes(data)
        self.folder, self.log = yarn.root / name, yarn.root / f"{name}.log"
        arguments = ["--spec", str(spec), "--sha256", digest(data), "--job-id", name]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "airflow_dataops.jobs.dask_driver", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **yarn.env()},
            )
        self.started.append(self.process)

    def works(self) -> None:
        wait_until(lambda: "waiting" in self.log.read_text() or self.process.poll() is not None)
        assert self.process.poll() is None, self.log.read_text()

    def end(self, seconds: float = 600) -> dict[str, Any]:
        try:
            self.process.wait(seconds)
        finally:
            self.process.kill()
        path = self.folder / "result.json"
        assert path.exists(), self.log.read_text()
        found: dict[str, Any] = json.loads(path.read_bytes())
        return found


def wait_until(true: Callable[[], object], seconds: float = 400) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.2)


def kill(pids: Iterator[int]) -> list[int]:
    """Kill processes and return them."""
    found = list(pids)
    for pid in found:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return found


def ended(yarn: Yarn) -> str:
    """Return how YARN says that the newest application ended."""
    wait_until(lambda: yarn.applications()[-1]["state"] in ("FINISHED", "FAILED", "KILLED"))
    return str(yarn.applications()[-1]["finalStatus"])


def test_a_fixed_number_of_workers_does_the_work(yarn: Yarn) -> None:
    driver = Driver(yarn, "fixed", function="functions:total", args={"n": 10}, workers=2, at_least=2)
    found = driver.end()
    assert (found["ok"], found["result"], found["workers"]["start"]) == (True, 90, 2)
    assert driver.process.returncode == 0
    assert ended(yarn) == "SUCCEEDED"
    assert (driver.folder / "report.html").stat().st_size > 1000
    assert "Warning" not in driver.log.read_text().replace("UserWarning: Skein global security", "")


@IN_SOAK
def test_it_adapts_up_to_its_maximum_and_down_again(yarn: Yarn) -> None:
    found = Driver(yarn, "adapt", function="functions:adapt", workers={"minimum": 1, "maximum": 3}).end()
    assert (found["result"], found["workers"]["most"]) == ([3, 1], 3)


def test_a_job_that_raises_fails_although_yarn_says_succeeded(yarn: Yarn) -> None:
    driver = Driver(yarn, "boom", function="functions:boom")
    found = driver.end()
    assert (found["ok"], found["code"], driver.process.returncode) == (False, "FUNCTION_RAISED", 1)
    assert ended(yarn) == "SUCCEEDED"


@IN_SOAK
def test_a_container_that_dies_is_replaced(yarn: Yarn) -> None:
    driver = Driver(yarn, "survive", function="functions:survive")
    driver.works()
    assert kill(yarn.containers("dask_spec"))
    assert driver.end()["result"] == 12


@IN_SOAK
def test_a_worker_that_dies_is_replaced_by_its_nanny(yarn: Yarn) -> None:
    assert Driver(yarn, "nanny", function="functions:lose_worker").end()["result"] == 12


@IN_SOAK
def test_the_end_of_skeins_own_process_does_not_end_the_job(yarn: Yarn) -> None:
    path = yarn.root / "go-on"
    driver = Driver(yarn, "jvm", function="functions:go_on", args={"path": str(path)})
    driver.works()
    children = Path(f"/proc/{driver.process.pid}/task/{driver.process.pid}/children").read_text().split()
    java = [int(pid) for pid in children if Path(f"/proc/{pid}/comm").read_text().strip() == "java"]
    assert kill(iter(java))
    path.touch()
    found = driver.end()
    assert (found["ok"], found["result"], driver.process.returncode) == (True, 12, 0)
    ended(yarn)


@IN_SOAK
def test_a_master_of_the_application_that_dies_ends_the_job(yarn: Yarn) -> None:
    driver = Driver(yarn, "master", function="functions:wait")
    driver.works()
    assert kill(yarn.containers("ApplicationMaster"))
    assert (driver.end()["code"], driver.process.returncode) == ("NO_WORKERS", 1)
    assert ended(yarn) == "FAILED"


@IN_SOAK
def test_an_application_that_is_killed_ends_the_job(yarn: Yarn) -> None:
    driver = Driver(yarn, "killed", function="functions:wait")
    driver.works()
    yarn.kill(yarn.applications()[-1]["id"])
    found = driver.end()
    assert (found["code"], driver.process.returncode) == ("NO_WORKERS", 1)
    assert "KILLED" in found["message"]


@IN_SOAK
def test_a_cancelled_driver_takes_its_application_along(yarn: Yarn) -> None:
    driver = Driver(yarn, "cancelled", function="functions:wait")
    driver.works()
    driver.process.terminate()
    assert (driver.end()["code"], driver.process.returncode) == ("CANCELLED", 143)
    ended(yarn)
    wait_until(lambda: not list(yarn.containers()))


def test_a_driver_that_is_killed_leaves_no_container(yarn: Yarn) -> None:
    driver = Driver(yarn, "dead", function="functions:wait")
    driver.works()
    driver.process.kill()
    driver.process.wait()
    ended(yarn)
    wait_until(lambda: not list(yarn.containers()))
    assert not (driver.folder / "result.json").exists()


@IN_SOAK
def test_a_worker_that_fits_nowhere_is_refused_before_anything_starts(yarn: Yarn) -> None:
    before = len(yarn.applications())
    found = Driver(yarn, "large", function="functions:wait", worker_memory=64 * 2**30).end()
    assert (found["code"], len(yarn.applications())) == ("RUNTIME_FAILED", before)
    assert "fits on no node" in found["message"]


@IN_SOAK
def test_fewer_workers_than_needed_is_said_with_the_numbers(yarn: Yarn) -> None:
    driver = Driver(yarn, "few", function="functions:wait", workers=40, at_least=40, wait_for_workers=60)
    found = driver.end()
    assert found["code"] == "NO_WORKERS"
    assert "of 40 Dask workers came within 60 s" in found["message"]
    ended(yarn)


@IN_SOAK
def test_no_room_for_the_application_is_not_waited_for_for_ever(yarn: Yarn) -> None:
    holder = Driver(yarn, "holder", function="functions:wait", worker_memory=3500 * 2**20)
    holder.works()
    found = Driver(yarn, "no-room", function="functions:wait", wait_for_workers=60).end()
    holder.process.terminate()
    holder.end()
    assert (found["code"], "no room" in found["message"]) == ("NO_WORKERS", True)
