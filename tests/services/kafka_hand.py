# SPDX-License-Identifier: Apache-2.0
"""What tests do at a Kafka: topics, records, commits and members; each call returns when it is done and can be seen."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tests.services.kafka_server import Kafka

LONG = 180.0


class Hand:
    """A client with all rights.

    Args:
        kafka: The cluster.
        more: Settings of what writes records, with underscores for dots.
    """

    def __init__(self, kafka: Kafka, **more: Any) -> None:
        from confluent_kafka import Producer
        from confluent_kafka.admin import AdminClient

        self._kafka = kafka
        self.admin = AdminClient(kafka.client())
        self._producer = Producer(kafka.client(linger_ms=0, **more))

    def topic(self, partitions: int = 1, replicas: int = 1, name: str = "", **config: str) -> str:
        """Make a topic, wait until it has leaders, and return its name; settings with underscores for dots."""
        from confluent_kafka.admin import NewTopic

        name = name or f"t-{uuid.uuid4().hex[:8]}"
        settings = {key.replace("_", "."): value for key, value in config.items()}
        new = NewTopic(name, partitions, replicas, config=settings)
        self.admin.create_topics([new])[name].result(LONG)
        self.until(lambda: len(self.ends(name)) == partitions)
        return name

    def delete_topic(self, name: str) -> None:
        """Delete a topic, and wait until nobody knows it."""
        self.admin.delete_topics([name])[name].result(LONG)
        self.until(lambda: name not in self.admin.list_topics(timeout=10).topics)

    def ends(self, name: str) -> dict[int, int]:
        """Return partition -> high watermark, of those that have a leader."""
        from confluent_kafka import KafkaException, TopicPartition
        from confluent_kafka.admin import OffsetSpec

        shown = self.admin.list_topics(timeout=10).topics.get(name)
        asked = {
            TopicPartition(name, number): OffsetSpec.latest()
            for number, one in (shown.partitions if shown else {}).items()
            if one.leader >= 0
        }
        found = {}
        for one, future in self.admin.list_offsets(asked, request_timeout=10).items() if asked else ():
            try:
                found[one.partition] = future.result(20).offset
            except KafkaException:
                continue
        return {number: offset for number, offset in found.items() if offset >= 0}

    def leader(self, name: str, partition: int) -> int:
        """Return the broker that leads a partition."""
        return int(self.admin.list_topics(timeout=30).topics[name].partitions[partition].leader)

    def produce(
        self, topic: str, count: int, partition: int = 0, *, at_ms: int | None = None, key: str | None = None
    ) -> None:
        """Write records, and wait until they are there."""
        failed: list[Any] = []
        for number in range(count):
            more = {} if at_ms is None else {"timestamp": at_ms}
            self._producer.produce(
                topic,
                f"{number}",
                key=key,
                partition=partition,
                on_delivery=lambda error, _: failed.append(error) if error else None,
                **more,
            )
        assert self._producer.flush(LONG) == 0
        assert not failed, failed

    def commit(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:
        """Set a group's commits, as its reset tool does; the group has no members."""
        from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition

        wanted = [TopicPartition(topic, number, offset) for number, offset in offsets.items()]

        def done() -> bool:
            # Like any group request it may end a client whose broker was away: one for each.
            admin = self.fresh()
            asked = admin.alter_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(group, wanted)], request_timeout=20
            )
            return all(one.error is None for one in asked[group].result(60).topic_partitions)

        self.until(done)

    def delete_before(self, topic: str, offset: int, partition: int = 0) -> None:
        """Delete records, as retention would."""
        from confluent_kafka import TopicPartition

        for future in self.admin.delete_records([TopicPartition(topic, partition, offset)]).values():
            future.result(LONG)

    def allow(self, rights: Mapping[str, Sequence[tuple[str, str, str]]]) -> None:
        """Give users rights: name -> (``GROUP`` or ``TOPIC``, its name, operation)."""
        from confluent_kafka.admin import (
            AclBinding,
            AclOperation,
            AclPermissionType,
            ResourcePatternType,
            ResourceType,
        )

        literal, allow = ResourcePatternType.LITERAL, AclPermissionType.ALLOW
        bindings = [
            AclBinding(ResourceType[kind], name, literal, f"User:{user}", "*", AclOperation[operation], allow)
            for user, several in rights.items()
            for kind, name, operation in several
        ]
        for future in self.admin.create_acls(bindings).values():
            future.result(LONG)

    def describe(self, group: str) -> Any:
        """Return the description of a group."""
        admin = self.fresh()  # held until the answer is there
        return admin.describe_consumer_groups([group], request_timeout=20)[group].result(60)

    def fresh(self, **more: Any) -> Any:
        """Return an admin client that knows nothing of before."""
        from confluent_kafka.admin import AdminClient

        return AdminClient(self._kafka.client(**more))

    @contextmanager
    def member(self, group: str, topics: Sequence[str], **more: Any) -> Iterator[Any]:
        """Have a consumer in the group that reads the topics; yields it when it has got partitions. It reads on only when polled."""
        from confluent_kafka import Consumer

        settings = {
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            **{name.replace("_", "."): value for name, value in more.items()},
        }
        consumer = Consumer({**self._kafka.client(), **settings})
        got: list[Any] = []
        consumer.subscribe(list(topics), on_assign=lambda _, partitions: got.extend(partitions))
        try:

            def assigned() -> bool:
                consumer.poll(0.1)
                return bool(got)

            self.until(assigned)
            yield consumer
        finally:
            consumer.close()

    @contextmanager
    def joining(self, group: str, topic: str) -> Iterator[None]:
        """Have a consumer that wants to join the group, all the time."""
        from confluent_kafka import Consumer

        consumer = Consumer({**self._kafka.client(), "group.id": group})
        consumer.subscribe([topic])
        ended = threading.Event()

        def poll() -> None:
            while not ended.is_set():
                consumer.poll(0.1)

        thread = threading.Thread(target=poll)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            consumer.close()

    @staticmethod
    def until(seen: Callable[[], bool], seconds: float = LONG) -> None:
        """Return when something can be seen; what a busy or young broker refuses is asked for again."""
        from confluent_kafka import KafkaException

        end = time.monotonic() + seconds
        error: Exception | None = None
        while time.monotonic() < end:
            try:
                if seen():
                    return
            except KafkaException as refused:
                error = refused
            time.sleep(0.1)
        raise AssertionError(f"it did not come about within {seconds:g} s; the last error: {error}")
