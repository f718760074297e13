# SPDX-License-Identifier: Apache-2.0
"""The probe at a real broker: what it tells is what is there, to the record, and it leaves nothing behind.

All of it by both ways: from here, and through a bastion, where another client asks.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("confluent_kafka", reason="needs confluent-kafka: pip install 'airflow-dataops[kafka]'")

from airflow_dataops.clients.kafka_health.probe import KafkaAccess, probe
from airflow_dataops.core.kafka_health.asking import GroupAsk
from airflow_dataops.core.kafka_health.snapshot import GroupSnapshot, GroupState, PartitionView
from tests.services import kafka_server
from tests.services.kafka_hand import LONG, Hand
from tests.services.kafka_server import Kafka

Look = Callable[..., list[GroupSnapshot]]
# All that a probe may send. None of it changes anything.
HARMLESS = {
    *("API_VERSIONS", "CONSUMER_GROUP_DESCRIBE", "DESCRIBE_GROUPS", "FETCH", "FIND_COORDINATOR", "LIST_OFFSETS"),
    *("METADATA", "OFFSET_FETCH", "OFFSET_FOR_LEADER_EPOCH"),
}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A broker that makes topics for whoever asks for them, and logs what it is asked."""
    reason = kafka_server.missing()
    if reason:
        pytest.skip(reason)
    props = {**kafka_server.CLEANING, "auto.create.topics.enable": "true"}
    with kafka_server.kafka(tmp_path_factory.mktemp("kafka"), props=props, log_requests=True) as found:
        yield found


@pytest.fixture(scope="module")
def hand(broker: Kafka) -> Hand:
    return Hand(broker)


@pytest.fixture
def look(way: Callable[[KafkaAccess], KafkaAccess]) -> Look:
    """What asks, and returns the answers, all of which have been read."""

    def looked(broker: Kafka, *asks: GroupAsk, **settings: Any) -> list[GroupSnapshot]:
        found = asyncio.run(probe(way(KafkaAccess(broker.client(**settings))), asks, seconds=LONG))
        assert [one.group for one in found] == [ask.group for ask in asks]
        assert [one.error for one in found] == [None] * len(asks)
        return found

    return looked


@pytest.fixture
def group() -> str:
    return f"g-{uuid.uuid4().hex[:8]}"


def offsets(view: PartitionView) -> tuple[int | None, ...]:
    """Return start, commit, last stable and last offset of a partition without an error."""
    assert view.error is None
    return view.log_start, view.committed, view.last_stable, view.high_watermark


def test_offsets_ages_and_first_records_are_exact(look: Look, broker: Kafka, hand: Hand, group: str) -> None:
    topic = hand.topic(3)
    now = int(time.time() * 1000)
    hand.produce(topic, 4, at_ms=now - 3_600_000)
    hand.produce(topic, 3, at_ms=now - 1_000)
    hand.produce(topic, 2, partition=1)
    hand.commit(group, topic, {0: 3, 1: 2})
    found = look(broker, GroupAsk(group, ages_ms=(600_000, 7_200_000), peek=5))[0]
    assert (found.state, found.members) == (GroupState.EMPTY, ())
    assert [(one.name, one.error) for one in found.topics] == [(topic, None)]
    assert found.topics[0].topic_id
    first, second, third = found.partitions
    assert [offsets(one) for one in found.partitions] == [(0, 3, 7, 7), (0, 2, 2, 2), (0, -1, 0, 0)]
    assert first.younger == {600_000: 4, 7_200_000: 0}
    assert (first.next_offset, first.next_at_ms) == (3, now - 3_600_000)
    assert (second.next_offset, second.younger[600_000]) == (None, 0)
    assert (third.next_offset, third.younger) == (None, {600_000: -1, 7_200_000: -1})
    assert first.leader_epoch == 0


def test_a_probe_asks_each_leader_once_for_each_kind_and_changes_nothing(
    look: Look, broker: Kafka, hand: Hand, group: str
) -> None:
    topics = [hand.topic(20) for _ in range(2)]
    groups = [f"{group}-{number}" for number in range(12)]
    for number, name in enumerate(groups):
        hand.produce(topics[number % 2], 1, partition=number)
        hand.commit(name, topics[number % 2], {number: 0})
    before = {name: hand.describe(name).state for name in groups}
    asks = [GroupAsk(name, ages_ms=(60_000, 300_000), peek=3) for name in groups]
    found = look(broker, *asks, client_id=f"probe-of-{group}")
    assert [one.partitions[number].next_offset for number, one in enumerate(found)] == [0] * 12
    sent = Counter(name for _, name in broker.requests(f"probe-of-{group}"))
    # Start, end for each kind of reader, and two ages; of all groups' partitions together.
    assert sent["LIST_OFFSETS"] == 5
    assert sent["OFFSET_FETCH"] == len(groups)
    assert set(sent) <= HARMLESS
    assert {name: hand.describe(name).state for name in groups} == before
    again = look(broker, *asks)
    assert [one.partitions for one in again] == [one.partitions for one in found]


def test_what_is_named_and_not_there_is_missing_and_is_not_made(
    look: Look, broker: Kafka, hand: Hand, group: str
) -> None:
    there = hand.topic()
    found = look(broker, GroupAsk(group, topics=(there, f"no-{there}"), peek=1))[0]
    assert {one.name: one.missing for one in found.topics} == {there: False, f"no-{there}": True}
    assert [(one.topic, one.committed) for one in found.partitions] == [(there, -1)]
    assert (found.state, found.members) == (GroupState.DEAD, ())
    assert f"no-{there}" not in hand.admin.list_topics(timeout=30).topics


def test_patterns_choose_topics(look: Look, broker: Kafka, hand: Hand, group: str) -> None:
    names = [hand.topic(name=f"{group}-{end}") for end in ("a", "b", "b-old")]
    hand.commit(group, names[0], {0: 0})
    asked = [
        GroupAsk(group, topics=(f"{group}-*",), exclude_topics=("*-old",)),
        GroupAsk(group),
        GroupAsk(group, exclude_topics=(names[0],)),
    ]
    found = [[view.topic for view in one.partitions] for one in look(broker, *asked)]
    assert found == [names[:2], names[:1], []]


def test_records_that_are_deleted_before_the_group_reads_them(
    look: Look, broker: Kafka, hand: Hand, group: str
) -> None:
    topic = hand.topic()
    hand.produce(topic, 10)
    hand.commit(group, topic, {0: 2})
    hand.delete_before(topic, 6)
    view = look(broker, GroupAsk(group, peek=1))[0].partitions[0]
    assert offsets(view) == (6, 2, 10, 10)
    assert view.next_offset == 6


def test_what_compaction_takes_is_no_record(look: Look, broker: Kafka, hand: Hand, group: str) -> None:
    config = {"min_cleanable_dirty_ratio": "0.001", "max_compaction_lag_ms": "100", "delete_retention_ms": "100"}
    topic = hand.topic(cleanup_policy="compact", segment_ms="100", **config)
    hand.commit(group, topic, {0: 2})
    written = 0

    def compacted() -> bool:
        nonlocal written
        hand.produce(topic, 5, key="the same")  # the newest segment is never compacted: another one has to follow
        written += 5
        view = look(broker, GroupAsk(group, peek=1))[0].partitions[0]
        assert offsets(view) == (0, 2, written, written)
        assert view.next_offset is not None
        return view.next_offset > 2

    hand.until(compacted)


@pytest.fixture
def transaction(broker: Kafka) -> Iterator[Any]:
    """A producer in a transaction."""
    from confluent_kafka import Producer

    producer = Producer(broker.client(transactional_id=uuid.uuid4().hex))
    producer.init_transactions(LONG)
    producer.begin_transaction()
    return producer


def test_markers_and_aborted_records_are_a_lag_of_nothing(
    look: Look, broker: Kafka, hand: Hand, group: str, transaction: Any
) -> None:
    topic = hand.topic(2)
    transaction.produce(topic, "good", partition=0)
    transaction.commit_transaction(LONG)
    transaction.begin_transaction()
    transaction.produce(topic, "bad", partition=1)
    transaction.flush(LONG)
    transaction.abort_transaction(LONG)
    hand.commit(group, topic, {0: 1, 1: 0})
    asks = [GroupAsk(group, peek=2, isolation=isolation) for isolation in ("read_committed", "read_uncommitted")]
    committed, uncommitted = look(broker, *asks)
    assert [offsets(one) for one in committed.partitions] == [(0, 1, 2, 2), (0, 0, 2, 2)]
    assert [one.next_offset for one in committed.partitions] == [-1, -1]
    assert [one.next_offset for one in uncommitted.partitions] == [-1, 0]


def test_an_open_transaction_holds_back_the_end_and_not_the_probe(
    look: Look, broker: Kafka, hand: Hand, group: str, transaction: Any
) -> None:
    from confluent_kafka import TopicPartition

    topic = hand.topic()
    hand.produce(topic, 3)
    hand.commit(group, topic, {0: 1})
    transaction.produce(topic, "open", partition=0)
    transaction.flush(LONG)
    with hand.member(f"{group}-2", [topic]) as member:
        metadata = member.consumer_group_metadata()
        transaction.send_offsets_to_transaction([TopicPartition(topic, 0, 3)], metadata, LONG)
        first, second = look(broker, GroupAsk(group, peek=1), GroupAsk(f"{group}-2"))
    transaction.abort_transaction(LONG)
    assert offsets(first.partitions[0]) == (0, 1, 3, 4)
    assert first.partitions[0].next_offset == 1
    assert offsets(second.partitions[0]) == (0, -1, 3, 4)


def test_members_and_states(look: Look, broker: Kafka, hand: Hand, group: str) -> None:
    topic = hand.topic(2)
    with hand.member(group, [topic], client_id="first"):
        found = look(broker, GroupAsk(group))[0]
        assert found.state is GroupState.STABLE
        assert [(one.client_id, one.assigned) for one in found.members or ()] == [("first", {topic: (0, 1)})]
        assert [one.committed for one in found.partitions] == [-1, -1]  # its members' topics count, too
        # The first one is not polled, and so does not give way to the second.
        with hand.joining(group, topic):
            hand.until(lambda: look(broker, GroupAsk(group))[0].at is GroupState.REBALANCING)


def test_members_of_the_newer_protocol(look: Look, broker: Kafka, hand: Hand, group: str) -> None:
    topic = hand.topic()
    with hand.member(group, [topic], group_protocol="consumer"):
        found = look(broker, GroupAsk(group))[0]
    assert found.at in (GroupState.STABLE, GroupState.REBALANCING)
    assert [one.assigned for one in found.members or ()] == [{topic: (0,)}]


def test_a_group_and_a_topic_that_are_deleted(look: Look, broker: Kafka, hand: Hand, group: str) -> None:
    kept, gone = hand.topic(), hand.topic()
    hand.commit(group, kept, {0: 0})
    hand.commit(group, gone, {0: 0})
    hand.delete_topic(gone)
    found = look(broker, GroupAsk(group))[0]
    assert [one.topic for one in found.partitions] == [kept]
    hand.admin.delete_consumer_groups([group])[group].result(LONG)
    found = look(broker, GroupAsk(group))[0]
    assert (found.state, found.partitions) == (GroupState.DEAD, ())
