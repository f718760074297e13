# SPDX-License-Identifier: Apache-2.0
"""Verdicts at three real brokers while records expire, and while leaders move and no broker stops."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("confluent_kafka", reason="needs confluent-kafka: pip install 'airflow-dataops[kafka]'")

from airflow_dataops.clients.kafka_health.probe import KafkaAccess
from airflow_dataops.clients.kafka_health.watch import Watch
from airflow_dataops.core.kafka_health.check import HealthCheck
from airflow_dataops.core.kafka_health.codes import Code, Severity
from airflow_dataops.core.kafka_health.verdict import GroupVerdict
from airflow_dataops.core.kafka_health.window import Window
from tests.services import kafka_server
from tests.services.kafka_hand import Hand
from tests.services.kafka_leaders import moving
from tests.services.kafka_server import Kafka

HOUR_MS = 3_600_000
# What may be said for as long as a leader is not known everywhere. All of it is "not known".
AWAY = {Code.NOT_READY, Code.OFFSETS_UNKNOWN, Code.UNREACHABLE, Code.STATE_UNKNOWN}
TURN, MET = 30, 6


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    reason = kafka_server.missing()
    if reason:
        pytest.skip(reason)
    # A broker that the machine lets wait is not taken for dead: here none dies.
    options = {"brokers": 3, "memory": "192m", "props": kafka_server.CLEANING}
    with kafka_server.kafka(tmp_path_factory.mktemp("kafka"), **options) as found:
        yield found


@pytest.fixture(scope="module")
def hand(three: Kafka) -> Hand:
    return Hand(three, enable_idempotence=True)  # whose leader moves meanwhile is not written to twice


@pytest.fixture
def group() -> str:
    return f"g-{uuid.uuid4().hex[:8]}"


class Looks:
    """Looks at a group, one after the other."""

    def __init__(self, kafka: Kafka, group: str, **check: Any) -> None:
        async def access() -> KafkaAccess:
            return KafkaAccess(kafka.client())

        asked = {"group": group, "timeout": "2m", "min_distance": "0s", "delay": {}, **check}
        self._watch, self._window = Watch(HealthCheck(**asked), access), Window()

    def look(self) -> GroupVerdict:
        """Look once more."""
        verdict, self._window = asyncio.run(self._watch.look(self._window))
        return verdict


def expire(hand: Hand, topic: str, ms: int) -> None:
    """Let records of a topic that are older expire, and wait until they have."""
    from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

    entry = ConfigEntry("retention.ms", str(ms), incremental_operation=AlterConfigOpType.SET)
    named = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    hand.admin.incremental_alter_configs([named])[named].result(60)
    hand.until(lambda: start(hand, topic) == hand.ends(topic)[0])


def start(hand: Hand, topic: str) -> int:
    """Return where the log of a topic's first partition starts."""
    from confluent_kafka import TopicPartition
    from confluent_kafka.admin import OffsetSpec

    [asked] = hand.admin.list_offsets({TopicPartition(topic, 0): OffsetSpec.earliest()}, request_timeout=10).values()
    return int(asked.result(20).offset)


def test_records_that_expire_before_they_are_read_are_told_as_lost(three: Kafka, hand: Hand, group: str) -> None:
    topic = hand.topic(retention_ms="-1")
    hand.produce(topic, 5, at_ms=int(time.time() * 1000) - HOUR_MS)
    hand.commit(group, topic, {0: 2})
    looks = Looks(three, group, require_members=False)
    verdict = looks.look()
    assert (verdict.severity, verdict.total_lag) == (Severity.OK, 3)
    expire(hand, topic, HOUR_MS // 2)
    hand.produce(topic, 2)
    verdict = looks.look()
    [part] = verdict.partitions
    assert (part.facts.committed, part.facts.start, part.facts.end, part.facts.lost) == (2, 5, 7, 3)
    assert (verdict.severity, verdict.counts[Code.DATA_LOST]) == (Severity.CRITICAL, 1)
    hand.commit(group, topic, {0: 7})
    verdict = looks.look()
    assert (verdict.severity, verdict.total_lag, verdict.counts) == (Severity.OK, 0, {})


def test_what_expires_after_it_was_read_is_not_lost(three: Kafka, hand: Hand, group: str) -> None:
    topic = hand.topic(retention_ms="-1")
    hand.produce(topic, 5, at_ms=int(time.time() * 1000) - HOUR_MS)
    hand.commit(group, topic, {0: 5})
    expire(hand, topic, HOUR_MS // 2)
    verdict = Looks(three, group).look()
    assert (verdict.severity, verdict.total_lag, verdict.partitions[0].facts.start) == (Severity.OK, 0, 5)


@pytest.mark.parametrize("coordinator", [False, True], ids=["of_the_topic", "and_the_coordinator"])
def test_leaders_that_move_change_no_verdict(three: Kafka, hand: Hand, group: str, coordinator: bool) -> None:
    topic = hand.topic(3, replicas=3)
    moved = [(topic, 0), (topic, 1), (topic, 2), *([("__consumer_offsets", 0)] if coordinator else [])]
    looks, met, sure = Looks(three, group, topics=[topic]), 0, 0
    with hand.member(group, [topic]) as consumer:
        # A record less waits at each look, and what was committed was written since the look before: in a new epoch of its leader.
        member = Member(hand, consumer, topic)
        lag = member.turn(2 * TURN, TURN)
        with moving(three, moved) as moves:
            while met < MET and lag > 1:
                before = len(moves)
                verdict = looks.look()
                met += len(moves) > before
                sure += right_or_unknown(verdict, lag)
                lag = member.turn(TURN, TURN + 1)
        assert (met, sure > 0) == (MET, True)
        hand.until(lambda: right_or_unknown(looks.look(), lag))
    assert len({leader for name, _, leader in moves if name == topic}) > 1


class Member:
    """A consumer of the group, and what it has read."""

    def __init__(self, hand: Hand, consumer: Any, topic: str) -> None:
        self._hand, self._consumer, self._topic = hand, consumer, topic
        self._epochs: dict[tuple[int, int], int] = {}
        self.written = self.committed = 0

    def turn(self, write: int, commit: int) -> int:
        """Write and commit so many records of each of three partitions; returns how many are left in each."""
        from confluent_kafka import TopicPartition

        for number in range(3):
            self._hand.produce(self._topic, write, partition=number)
        self.written, self.committed = self.written + write, self.committed + commit
        last = [(number, self.committed - 1) for number in range(3)]
        self._hand.until(lambda: self._read() or self._epochs.keys() >= set(last))
        wanted = [
            TopicPartition(self._topic, number, offset + 1, leader_epoch=self._epochs[number, offset])
            for number, offset in last
        ]

        def done() -> bool:
            return all(one.error is None for one in self._consumer.commit(offsets=wanted, asynchronous=False))

        self._hand.until(done)
        return self.written - self.committed

    def _read(self) -> None:
        for message in self._consumer.consume(1000, timeout=0.1):
            if not message.error():
                self._epochs[message.partition(), message.offset()] = message.leader_epoch()


def right_or_unknown(verdict: GroupVerdict, lag: int) -> bool:
    """Whatever is told is right; what is not, is not known. Returns whether all is known."""
    assert {one.facts.lag for one in verdict.partitions} <= {lag, None}, verdict.partitions
    assert set(verdict.counts) <= AWAY, verdict.all_findings
    return verdict.severity is Severity.OK and verdict.total_lag == 3 * lag
