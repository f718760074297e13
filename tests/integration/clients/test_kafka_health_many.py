# SPDX-License-Identifier: Apache-2.0
"""The probe of a group with 5,000 partitions: a handful of requests, whatever their number."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("confluent_kafka", reason="needs confluent-kafka: pip install 'airflow-dataops[kafka]'")

from airflow_dataops.clients.kafka_health.probe import KafkaAccess, probe
from airflow_dataops.core.kafka_health.asking import GroupAsk
from tests.services import kafka_server
from tests.services.kafka_hand import LONG, Hand

PARTITIONS = 5000
GROUP, TOPIC = "the-group", "the-topic"


def test_five_thousand_partitions_are_a_handful_of_requests(tmp_path: Path) -> None:
    reason = kafka_server.missing()
    if reason:
        pytest.skip(reason)
    with kafka_server.kafka(tmp_path, log_requests=True) as broker:
        hand = Hand(broker)
        hand.topic(PARTITIONS, name=TOPIC)
        hand.produce(TOPIC, 3, partition=4321)
        hand.commit(GROUP, TOPIC, dict.fromkeys(range(PARTITIONS), 0))
        access = KafkaAccess(broker.client(client_id="counted"))
        (found,) = asyncio.run(probe(access, [GroupAsk(GROUP, ages_ms=(60_000,), peek=5)], seconds=LONG))
        sent = Counter(name for _, name in broker.requests("counted"))
    assert found.error is None
    assert [one.partition for one in found.partitions] == list(range(PARTITIONS))
    assert {one.error for one in found.partitions} == {None}
    assert {one.partition: one.high_watermark for one in found.partitions if one.high_watermark} == {4321: 3}
    assert found.partitions[4321].next_offset == 0
    # Start, end for each kind of reader, and an age.
    assert (sent["LIST_OFFSETS"], sent["OFFSET_FETCH"]) == (4, 1)
