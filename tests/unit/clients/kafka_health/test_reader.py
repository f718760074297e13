# SPDX-License-Identifier: Apache-2.0
"""What the process that asks makes of errors that pass, and of those that do not; at librdkafka's own mock of a cluster.

The mock knows nothing of groups' states, so that single steps are tested here, and all of them together at a real broker.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airflow_dataops.clients.kafka_health.budget import Budget
from airflow_dataops.clients.kafka_health.cluster import Commit, End, Kind, Record, Unread
from airflow_dataops.clients.kafka_health.confluent import ConfluentCluster
from airflow_dataops.clients.kafka_health.consumers import peek, read_commits
from airflow_dataops.core.kafka_health.asking import Key
from airflow_dataops.core.kafka_health.causes import Told
from airflow_dataops.core.kafka_health.settings import of_commits, of_peek
from tests.services import kafka_mock
from tests.services.kafka_mock import KafkaMock

if kafka_mock.library() is None:
    pytest.skip("needs the wheel of confluent-kafka: pip install 'airflow-dataops[kafka]'", allow_module_level=True)

from confluent_kafka import Consumer, Producer, TopicPartition

TOPIC, GROUP = "t", "g"
KEYS: list[Key] = [(TOPIC, number) for number in range(3)]
LONG = 120.0
LATEST = Kind(end="latest")


@pytest.fixture
def mock() -> Iterator[KafkaMock]:
    """Three brokers, each with a partition of five records, of which the group has read two."""
    with kafka_mock.kafka_mock() as found:
        found.topic(TOPIC, 3)
        producer = Producer(found.client)
        for number in range(15):
            producer.produce(TOPIC, "x", partition=number % 3)
        assert producer.flush(LONG) == 0
        consumer = Consumer({**found.client, "group.id": GROUP})
        consumer.commit(offsets=[TopicPartition(*key, 2) for key in KEYS], asynchronous=False)
        consumer.close()
        yield found


def commits(mock: KafkaMock, seconds: float = LONG) -> dict[Key, Commit | Told]:
    return read_commits(of_commits(mock.client, seconds, GROUP), KEYS, Budget(seconds))


def ends(mock: KafkaMock) -> dict[Key, End | Told]:
    cluster = ConfluentCluster(mock.client, Budget(LONG))
    return cluster.offsets({LATEST: KEYS}, cluster.shown(), 0)[LATEST]


@pytest.mark.parametrize(
    "error", [(), ("COORDINATOR_LOAD_IN_PROGRESS",) * 2, ("COORDINATOR_NOT_AVAILABLE", "NOT_COORDINATOR")]
)
def test_a_coordinator_that_takes_over_is_asked_again(mock: KafkaMock, error: tuple[str, ...]) -> None:
    mock.refuse(kafka_mock.OFFSET_FETCH, *(getattr(kafka_mock, name) for name in error))
    assert {key: one.offset for key, one in commits(mock).items() if isinstance(one, Commit)} == dict.fromkeys(KEYS, 2)


def test_a_coordinator_that_never_takes_over_is_the_reason(mock: KafkaMock) -> None:
    mock.refuse(kafka_mock.OFFSET_FETCH, *[kafka_mock.COORDINATOR_LOAD_IN_PROGRESS] * 1000)
    with pytest.raises(Unread) as raised:
        commits(mock, 3.0)
    assert raised.value.why.code in ("COORDINATOR_LOAD_IN_PROGRESS", "_TIMED_OUT")


def test_a_leader_that_takes_over_is_asked_again(mock: KafkaMock) -> None:
    mock.refuse(kafka_mock.LIST_OFFSETS, kafka_mock.NOT_LEADER_FOR_PARTITION, kafka_mock.LEADER_NOT_AVAILABLE)
    found = ends(mock)
    assert {key: one.offset for key, one in found.items() if isinstance(one, End)} == dict.fromkeys(KEYS, 5)


def test_a_record_is_read_where_the_group_would_go_on_and_none_at_the_end(mock: KafkaMock) -> None:
    starts = {KEYS[0]: 2, KEYS[1]: 4, KEYS[2]: 5}
    found = peek(of_peek(mock.client, LONG, GROUP, "read_committed"), starts, Budget(LONG))
    assert {key: one.offset for key, one in found.items()} == {KEYS[0]: 2, KEYS[1]: 4, KEYS[2]: -1}
    assert found[KEYS[2]] == Record(-1)
