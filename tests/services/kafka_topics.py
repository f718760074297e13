# SPDX-License-Identifier: Apache-2.0
"""Topics of a Kafka of the tests: made, and read from their beginning."""

from __future__ import annotations

from typing import Any

from tests.services.kafka_server import Kafka


def create_topic(cluster: Kafka, name: str, *, partitions: int = 1, **config: Any) -> None:
    """Make a topic and return when it has its leaders; settings have underscores for dots."""
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient(cluster.client())
    given = {key.replace("_", "."): str(value) for key, value in config.items()}
    future = admin.create_topics([NewTopic(name, num_partitions=partitions, replication_factor=1, config=given)])[name]
    future.result(60)
    while any(one.leader < 0 for one in admin.list_topics(name, timeout=10).topics[name].partitions.values()):
        pass


def records(cluster: Kafka, topic: str) -> list[Any]:
    """Return all records of a topic, by partition and offset."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer(cluster.client(group_id="reader", enable_auto_commit=False, auto_offset_reset="earliest"))
    try:
        ends = {
            number: consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=30)[1]
            for number in consumer.list_topics(topic, timeout=30).topics[topic].partitions
        }
        consumer.assign([TopicPartition(topic, number, 0) for number in ends])
        found: list[Any] = []
        while len(found) < sum(ends.values()):
            for message in consumer.consume(1000, timeout=1):
                assert message.error() is None, message.error()
                found.append(message)
        return sorted(found, key=lambda one: (one.partition(), one.offset()))
    finally:
        consumer.close()
