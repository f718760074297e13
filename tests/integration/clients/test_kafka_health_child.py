# SPDX-License-Identifier: Apache-2.0
"""The real process of the probe at a real broker, ended or stopped in the middle: the caller lives, and knows what it does not know."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("confluent_kafka", reason="needs confluent-kafka: pip install 'airflow-dataops[kafka]'")

from airflow_dataops.clients.kafka_health.probe import KafkaAccess, Probes
from airflow_dataops.core.kafka_health.asking import GroupAsk
from airflow_dataops.core.kafka_health.check import HealthCheck
from airflow_dataops.core.kafka_health.codes import Severity
from airflow_dataops.core.kafka_health.snapshot import GroupSnapshot
from airflow_dataops.core.kafka_health.verdict import judge
from tests.services import kafka_server
from tests.services.kafka_hand import LONG, Hand

pytestmark = pytest.mark.integration
TOPIC = "clicks"


@pytest.fixture(scope="module")
def access(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaAccess]:
    reason = kafka_server.missing()
    if reason:
        pytest.skip(reason)
    with kafka_server.kafka(tmp_path_factory.mktemp("kafka")) as broker:
        hand = Hand(broker)
        hand.topic(2, name=TOPIC)
        for group in ("a", "b"):
            hand.commit(group, TOPIC, {0: 0, 1: 0})
        yield KafkaAccess(broker.client())


def children() -> set[int]:
    """Return the processes of probes that this one has started."""
    found = set[int]()
    for tasks in Path("/proc/self/task").iterdir():
        for pid in (tasks / "children").read_text().split():
            try:
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                continue
            if b"kafka_health.child" in command:
                found.add(int(pid))
    return found


async def struck(access: KafkaAccess, groups: list[str], how: signal.Signals, seconds: float) -> list[GroupSnapshot]:
    """Ask about groups, and send their first process a signal as soon as it is there."""
    asks = [GroupAsk(group, topics=(TOPIC,)) for group in groups]
    asking = asyncio.create_task(Probes().probe(access, asks, seconds=seconds))
    end = time.monotonic() + LONG
    while not (there := children()):
        assert time.monotonic() < end
        await asyncio.sleep(0.001)
    os.kill(there.pop(), how)
    found = await asking
    assert children() == set()
    return found


@pytest.mark.parametrize(
    ("how", "seconds", "code"),
    [
        (signal.SIGSEGV, LONG, "PROBE_CRASHED"),
        (signal.SIGKILL, LONG, "PROBE_CRASHED"),
        (signal.SIGSTOP, 3.0, "PROBE_TIMEOUT"),
    ],
)
def test_a_process_that_is_ended_or_stopped_is_an_answer_that_nothing_is_known(
    access: KafkaAccess, how: signal.Signals, seconds: float, code: str
) -> None:
    (found,) = asyncio.run(struck(access, ["a"], how, seconds))
    assert found.error is not None
    assert found.error.code == code
    verdict, _ = judge(HealthCheck(group="a", topics=(TOPIC,)), found)
    assert verdict.severity is Severity.UNKNOWN
    assert verdict.total_lag is None


def test_groups_that_shared_a_process_that_crashed_are_asked_about_alone(access: KafkaAccess) -> None:
    found = asyncio.run(struck(access, ["a", "b"], signal.SIGSEGV, LONG))
    assert [(one.group, one.error, len(one.partitions)) for one in found] == [("a", None, 2), ("b", None, 2)]
