# SPDX-License-Identifier: Apache-2.0
"""The probe at brokers that die, hang and come back: it says that it does not know, never that nothing waits; by both ways."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

pytest.importorskip("confluent_kafka", reason="needs confluent-kafka: pip install 'airflow-dataops[kafka]'")

from airflow_dataops.clients.kafka_health.probe import KafkaAccess, probe
from airflow_dataops.core.kafka_health.answers import code_of
from airflow_dataops.core.kafka_health.asking import GroupAsk
from airflow_dataops.core.kafka_health.codes import Code
from airflow_dataops.core.kafka_health.snapshot import GroupSnapshot
from tests.services import kafka_server
from tests.services.kafka_hand import LONG, Hand
from tests.services.kafka_server import Kafka

GROUP = "the-group"
Look = Callable[..., Coroutine[Any, Any, GroupSnapshot]]
# Of what is away: long enough for the process to start on a busy machine, and to answer by itself.
SHORT = 40.0
AWAY = {Code.UNREACHABLE, Code.NOT_READY, Code.OFFSETS_UNKNOWN}


@pytest.fixture
def look(way: Callable[[KafkaAccess], KafkaAccess]) -> Look:
    """What asks about the group."""

    async def looked(kafka: Kafka, seconds: float = LONG, client_id: str = "probe") -> GroupSnapshot:
        access = way(KafkaAccess(kafka.client(client_id=client_id)))
        return (await probe(access, [GroupAsk(GROUP, peek=9)], seconds=seconds))[0]

    return looked


def lags(found: GroupSnapshot, topic: str) -> dict[int, int | None]:
    """Return partition -> its lag, None where it is not known; an answer without the topic is none."""
    return {
        view.partition: None
        if view.error or view.last_stable is None or view.committed is None
        else view.last_stable - view.committed
        for view in found.partitions
        if view.topic == topic
    }


@pytest.fixture
def single(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    skip_without_kafka()
    with kafka_server.kafka(tmp_path_factory.mktemp("kafka"), props=kafka_server.FAILOVER) as found:
        yield found


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    skip_without_kafka()
    options = {"brokers": 3, "controllers": 3, "memory": "192m", "log_requests": True}
    with kafka_server.kafka(tmp_path_factory.mktemp("kafka"), props=kafka_server.FAILOVER, **options) as found:
        yield found


def skip_without_kafka() -> None:
    reason = kafka_server.missing()
    if reason:
        pytest.skip(reason)


def test_a_broker_that_hangs_goes_on_dies_and_comes_back(look: Look, single: Kafka) -> None:
    hand = Hand(single)
    topic = hand.topic()
    hand.produce(topic, 5)
    hand.commit(GROUP, topic, {0: 2})
    assert lags(asyncio.run(look(single)), topic) == {0: 3}
    single.pause(1)
    hung = asyncio.run(look(single, SHORT))
    single.resume(1)
    assert (code_of(hung.error), hung.partitions) == (Code.UNREACHABLE, ())
    hand.until(lambda: lags(asyncio.run(look(single)), topic) == {0: 3})
    single.stop(1)
    gone = asyncio.run(look(single, SHORT))
    assert (code_of(gone.error), gone.partitions) == (Code.UNREACHABLE, ())
    single.start(1)
    single.wait()
    hand.until(lambda: lags(asyncio.run(look(single)), topic) == {0: 3})


def test_of_three_brokers_each_is_asked_once_for_each_kind_and_one_may_die(look: Look, three: Kafka) -> None:
    hand = Hand(three)
    moved, alone = hand.topic(3, replicas=3), hand.topic(3)
    for topic in (moved, alone):
        for number in range(3):
            hand.produce(topic, 4, partition=number)
        hand.commit(GROUP, topic, {0: 1, 1: 2, 2: 3})
    counted, interrupted = (f"{name}-{uuid.uuid4().hex[:8]}" for name in ("counted", "interrupted"))
    found = asyncio.run(look(three, client_id=counted))
    all_known = {0: 3, 1: 2, 2: 1}
    assert (lags(found, moved), lags(found, alone)) == (all_known, all_known)
    asked = Counter(number for number, name in three.requests(counted) if name == "LIST_OFFSETS")
    assert asked == {1: 3, 2: 3, 3: 3}
    victim = hand.leader(alone, 0)

    async def die_meanwhile() -> GroupSnapshot:
        # It hangs, so that what is asked of it is not answered before it dies.
        three.pause(victim)
        looking = asyncio.ensure_future(look(three, client_id=interrupted))
        await until(lambda: bool(three.requests(interrupted)) or looking.done())
        three.stop(victim)
        return await looking

    right_or_unknown(asyncio.run(die_meanwhile()), moved, alone)

    def settled() -> bool:
        now = asyncio.run(look(three))
        right_or_unknown(now, moved, alone)
        # One that has no copy is not known; and that is all that is not.
        return lags(now, moved) == all_known and lags(now, alone) == {0: None, 1: 2, 2: 1}

    hand.until(settled)
    three.start(victim)
    three.wait()
    hand.until(lambda: lags(asyncio.run(look(three)), alone) == all_known)


def right_or_unknown(found: GroupSnapshot, *topics: str) -> None:
    """Whatever is told is right; what is not, says why."""
    if found.error is not None:
        assert code_of(found.error) in AWAY
        return
    for topic in topics:
        for number, lag in lags(found, topic).items():
            assert lag in (3 - number, None)
    assert {code_of(view.error) for view in found.partitions if view.error} <= AWAY


async def until(seen: Callable[[], bool]) -> None:
    end = time.monotonic() + LONG
    while not seen():
        assert time.monotonic() < end
        await asyncio.sleep(0.05)
