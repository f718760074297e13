# SPDX-License-Identifier: Apache-2.0
"""A group's way through a topic, on a real broker."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from typing import Any

import pytest

from airflow_dataops.clients.metadata.kafka_log import KafkaLog, Rebalance
from airflow_dataops.clients.metadata.kafka_reading import UNREADABLE
from airflow_dataops.clients.metadata.kafka_settings import KafkaSettings
from airflow_dataops.clients.metadata.ports import Fenced, Fetched, GroupInUse
from airflow_dataops.core.errors import InputError, StorageDenied, TransientError
from airflow_dataops.core.metadata.dead_letter import Record
from airflow_dataops.core.metadata.drain import Offsets, PartitionId
from tests.services.kafka_server import Kafka
from tests.services.kafka_topics import create_topic
from tests.services.ports import free_port

pytestmark = pytest.mark.integration
QUICK = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 300}
NEWER = {"group.protocol": "consumer", "session.timeout.ms": None, "heartbeat.interval.ms": None}


@pytest.fixture
def logs(broker: Kafka, topic: str) -> Iterator[Callable[..., KafkaLog]]:
    """Makes readers of the topic, and closes them."""
    made: list[KafkaLog] = []

    def make(group: str = "g", properties: dict[str, Any] | None = None, **more: Any) -> KafkaLog:
        settings = KafkaSettings(
            broker.bootstrap(), {n: v for n, v in {**QUICK, **(properties or {})}.items() if v is not None}
        )
        made.append(KafkaLog(settings, topic, f"{topic}-{group}", **more))
        return made[-1]

    yield make
    for one in made:
        one.close()


def produce(
    broker: Kafka, topic: str, count: int, *, partition: int = 0, begin: int = 0, size: int = 1, **more: Any
) -> None:
    from confluent_kafka import Producer

    producer = Producer(broker.client(**more))
    for number in range(begin, begin + count):
        producer.produce(
            topic, b"v" * size, str(number).encode(), partition=partition, headers=[("n", b"1"), ("none", None)]
        )
    assert producer.flush(60) == 0


def until(
    log: KafkaLog, done: Callable[[list[Record], dict[PartitionId, int]], bool], **limits: Any
) -> tuple[list[Record], dict[PartitionId, int]]:
    """Poll until something is so; a fault that passes is no end."""
    found: list[Record] = []
    positions: dict[PartitionId, int] = {}
    end = time.monotonic() + 300
    while not done(found, positions):
        assert time.monotonic() < end, (len(found), positions)
        fetched = polled(log, **limits)
        found += [record for rows in fetched.records.values() for record in rows]
        positions = dict(fetched.positions)
    return found, positions


def polled(log: KafkaLog, **limits: Any) -> Fetched:
    try:
        return log.poll(**{"records": 1000, "size": 1 << 20, "seconds": 1.0, **limits})
    except TransientError:
        return Fetched({}, {})


def forever(log: KafkaLog) -> None:
    while True:
        log.poll(records=1, size=1, seconds=1.0)


def nobody(_partitions: Collection[PartitionId]) -> None:
    """Nothing is lost."""


def test_records_come_as_they_were_sent_and_what_is_committed_is_not_read_again(
    broker: Kafka, topic: str, logs: Callable[..., KafkaLog]
) -> None:
    produce(broker, topic, 10)
    log = logs()
    assert log.offsets() == {(topic, 0): Offsets(None, 0, 10), (topic, 1): Offsets(None, 0, 0)}
    log.assign({(topic, 0): 0})
    found, positions = until(log, lambda rows, _: len(rows) == 10)
    assert [record.offset for record in found] == list(range(10))
    assert (found[3].key, found[3].value, found[3].headers) == (b"3", b"v", (("n", b"1"), ("none", None)))
    assert found[0].timestamp > 1_700_000_000_000
    assert positions == {(topic, 0): 10}
    log.commit({(topic, 0): 7})
    assert log.offsets()[topic, 0] == Offsets(7, 0, 10)
    again = logs()
    again.assign({(topic, 0): 7})
    assert len(until(again, lambda rows, _: len(rows) == 3)[0]) == 3


def test_a_header_whose_name_is_no_text_stops_nobody(broker: Kafka, topic: str, logs: Callable[..., KafkaLog]) -> None:
    kafka = pytest.importorskip("kafka", reason="needs kafka-python, which sends any bytes")

    class Bytes(str):
        __slots__ = ()

        def encode(self, *_: Any) -> bytes:
            return b"\xff"

    producer = kafka.KafkaProducer(bootstrap_servers=broker.bootstrap())
    for headers in [
        [(Bytes(), b"1"), ("good", b"2")],
        [("good", b"3")],
    ] * 50:  # the interpreter changes its ways after some
        sent = producer.send(topic, b"v", partition=0, headers=headers)
    sent.get(60)
    producer.close()
    log = logs()
    log.assign({(topic, 0): 0})
    found, _ = until(log, lambda rows, _: len(rows) == 100)
    assert [one.headers for one in found] == [((UNREADABLE, None),), (("good", b"3"),)] * 50
    assert list(log.read((topic, 0), 0, 100)) == found


def test_a_poll_is_bounded_by_records_and_by_bytes(broker: Kafka, topic: str, logs: Callable[..., KafkaLog]) -> None:
    produce(broker, topic, 50, size=1000)
    log = logs()
    log.assign({(topic, 0): 0})
    sizes = []
    for limits in ({"records": 7}, {"size": 10_000}, {"size": 1}):
        fetched = Fetched({}, {})
        while not fetched.records:
            fetched = polled(log, **limits)
        sizes.append(len(fetched.records[topic, 0]))
        until(log, lambda rows, at: at.get((topic, 0)) == 50)
        log.seek({(topic, 0): 0})
    assert sizes[0] <= 7
    assert sizes[1] <= 10
    assert sizes[2] == 1


def test_after_a_seek_records_come_again(broker: Kafka, topic: str, logs: Callable[..., KafkaLog]) -> None:
    produce(broker, topic, 20)
    log = logs()
    log.assign({(topic, 0): 0, (topic, 1): 0})
    until(log, lambda rows, _: len(rows) == 20)
    log.seek({(topic, 0): 5, ("other", 9): 1})
    assert [record.offset for record in until(log, lambda rows, _: len(rows) == 15)[0]] == list(range(5, 20))


def test_partitions_that_are_over_are_read_no_more(broker: Kafka, topic: str, logs: Callable[..., KafkaLog]) -> None:
    produce(broker, topic, 5)
    produce(broker, topic, 5, partition=1)
    log = logs()
    log.assign({(topic, 0): 0, (topic, 1): 0})
    until(log, lambda rows, _: len(rows) == 10)
    log.assign({(topic, 1): 5})
    produce(broker, topic, 5)
    produce(broker, topic, 5, partition=1)
    found, _ = until(log, lambda rows, _: len(rows) == 5)
    assert {record.partition for record in found} == {1}


def test_an_open_transaction_is_behind_the_end_and_its_marker_before_the_position(
    broker: Kafka, topic: str, logs: Callable[..., KafkaLog]
) -> None:
    from confluent_kafka import Producer

    producer = Producer(broker.client(transactional_id=topic))
    producer.init_transactions(60)
    log = logs()
    for number, end in enumerate((producer.commit_transaction, producer.abort_transaction)):
        before = log.offsets()[topic, 0].end
        assert before == number * 4
        producer.begin_transaction()
        for key in range(3):
            producer.produce(topic, b"v", str(key).encode(), partition=0)
        producer.flush(60)
        assert log.offsets()[topic, 0].end == before
        end(60)
    stop = log.offsets()[topic, 0].end
    assert stop == 8
    log.assign({(topic, 0): 0})
    found, _ = until(log, lambda _, at: at.get((topic, 0)) == stop)
    assert [record.offset for record in found] == [0, 1, 2]  # 3 is a marker, 4 to 6 are aborted, 7 is a marker
    assert [record.offset for record in log.read((topic, 0), 1, stop)] == [1, 2]
    assert list(log.read((topic, 0), 5, 5)) == []


def test_a_drain_does_not_read_what_members_read(broker: Kafka, topic: str, logs: Callable[..., KafkaLog]) -> None:
    produce(broker, topic, 1)
    member, drain = logs(), logs()
    member.subscribe(nobody)
    until(member, lambda rows, _: len(rows) == 1)
    with pytest.raises(GroupInUse, match="1 members"):
        drain.assign({(topic, 0): 0})
    member.close()
    drain.assign({(topic, 0): 0})
    assert len(until(drain, lambda rows, _: len(rows) == 1)[0]) == 1


@pytest.mark.parametrize("rebalance", ["cooperative", "eager", "consumer"])
def test_members_share_partitions_and_give_them_up(
    broker: Kafka, topic: str, logs: Callable[..., KafkaLog], rebalance: Rebalance
) -> None:
    newer = rebalance == "consumer"  # there the broker assigns, and has the time-outs
    given: dict[str, Any] = {"properties": NEWER} if newer else {"rebalance": rebalance}
    produce(broker, topic, 10)
    produce(broker, topic, 10, partition=1)
    lost: set[PartitionId] = set()
    first, second = logs(**given), logs(**given)
    first.subscribe(lost.update)
    _, positions = until(first, lambda rows, _: len(rows) == 20)
    first.commit(positions)
    second.subscribe(nobody)
    mine: dict[PartitionId, int] = {}
    end = time.monotonic() + 300
    while len(mine) != 1 or not lost:  # one partition each
        assert time.monotonic() < end
        polled(first)
        mine = dict(polled(second).positions)
    (partition,) = mine
    assert partition in lost
    assert mine == {partition: 10}  # from what the first one has committed


def test_a_member_that_was_away_too_long_is_fenced(broker: Kafka, topic: str, logs: Callable[..., KafkaLog]) -> None:
    produce(broker, topic, 10)
    slow, other = logs(properties={"max.poll.interval.ms": 6000}), logs()
    slow.subscribe(nobody)
    _, positions = until(slow, lambda rows, _: len(rows) == 10)
    other.subscribe(nobody)
    until(other, lambda rows, _: len(rows) == 10)  # nothing was committed: they come to the other one
    with pytest.raises(Fenced):
        slow.commit(positions)
    other.commit({(topic, 0): 10})
    other.close()
    produce(broker, topic, 1)
    assert [record.offset for record in until(slow, lambda rows, _: len(rows) == 1)[0]] == [10]


def delete_before(broker: Kafka, topic: str, offset: int) -> None:
    from confluent_kafka import TopicPartition
    from confluent_kafka.admin import AdminClient

    admin = AdminClient(broker.client())
    admin.list_topics(timeout=30)
    for future in admin.delete_records([TopicPartition(topic, 0, offset)]).values():
        future.result(60)


@pytest.mark.parametrize("accept", [False, True])
def test_what_retention_has_taken_is_told_or_accepted(
    broker: Kafka, topic: str, logs: Callable[..., KafkaLog], accept: bool
) -> None:
    produce(broker, topic, 20)
    first = logs()
    first.assign({(topic, 0): 0})
    until(first, lambda rows, _: len(rows) == 20)
    first.commit({(topic, 0): 5})
    first.close()
    delete_before(broker, topic, 10)
    log = logs(accept_loss=accept)
    log.subscribe(nobody)
    if accept:
        found, _ = until(log, lambda rows, _: len(rows) == 10)
        assert [record.offset for record in found] == list(range(10, 20))
        return
    with pytest.raises(InputError) as lost:
        until(log, lambda rows, _: bool(rows))
    assert lost.value.code == "DATA_LOST"


@pytest.mark.parametrize(("at", "code"), [(5, "DATA_LOST"), (50, "TOPIC_REPLACED")])
def test_what_is_not_there_for_a_group_without_commits_is_told_as_what_it_is(
    broker: Kafka, topic: str, logs: Callable[..., KafkaLog], at: int, code: str
) -> None:
    produce(broker, topic, 20)
    delete_before(broker, topic, 10)
    log = logs()
    log.assign({(topic, 0): at})
    with pytest.raises(InputError) as told:
        until(log, lambda rows, _: bool(rows))
    assert told.value.code == code
    assert f"{at} comes next, and there is 10 to 20" in str(told.value)


def test_records_of_others_are_not_lost_where_a_partition_has_lost_its_place(
    broker: Kafka, topic: str, logs: Callable[..., KafkaLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    produce(broker, topic, 20)
    produce(broker, topic, 500, partition=1)
    delete_before(broker, topic, 10)
    log = logs()
    log.assign({(topic, 0): 20, (topic, 1): 0})
    found, _ = until(log, lambda rows, _: len(rows) == 1, records=1)  # the others are fetched with it
    asked = log.offsets
    answers = iter([away, asked])
    monkeypatch.setattr(log, "offsets", lambda: next(answers, asked)())  # noqa: PLW0108  # each call another one
    log.seek({(topic, 0): 5})
    with pytest.raises(InputError) as lost:
        read_into(found, log)
    assert lost.value.code == "DATA_LOST"
    assert [record.offset for record in found] == list(range(500))


def read_into(found: list[Record], log: KafkaLog) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found += [record for rows in polled(log).records.values() for record in rows]


def away() -> dict[PartitionId, Offsets]:
    raise TransientError("a broker is away")


def test_a_topic_that_is_not_there_and_a_broker_that_is_away_are_told(broker: Kafka) -> None:
    with pytest.raises(InputError) as missing:
        KafkaLog(KafkaSettings(broker.bootstrap()), "nothing", "g").offsets()
    assert missing.value.code == "KAFKA_NO_TOPIC"
    away = KafkaLog(KafkaSettings(f"127.0.0.1:{free_port()}", {"socket.timeout.ms": 1000}), "t", "g")
    away.subscribe(nobody)
    with pytest.raises(TransientError):
        forever(away)
    away.close()


def test_who_may_not_read_is_told_so(broker: Kafka) -> None:
    create_topic(broker, "denied")
    log = KafkaLog(
        KafkaSettings(
            broker.bootstrap(),
            {
                "security.protocol": "SASL_PLAINTEXT",
                "sasl.mechanisms": "PLAIN",
                "sasl.username": "a",
                "sasl.password": "b",
            },
        ),
        "denied",
        "g",
    )
    log.subscribe(nobody)
    with pytest.raises((StorageDenied, TransientError)):
        forever(log)
    log.close()
