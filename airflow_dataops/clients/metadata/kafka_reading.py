# SPDX-License-Identifier: Apache-2.0
"""What a reader of a topic asks Kafka, each by a client of its own that joins nothing, with a time-out everywhere.

Clients are not kept: one that lived through an outage may stay fenced, time out for ever, or end the process by an assertion.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from operator import methodcaller
from typing import Any, TypeVar

from airflow_dataops.clients.metadata.kafka_errors import KafkaAway, error_of, tells_why
from airflow_dataops.clients.metadata.kafka_settings import KafkaSettings, confluent
from airflow_dataops.clients.metadata.ports import GroupInUse
from airflow_dataops.core.errors import TransientError
from airflow_dataops.core.metadata.dead_letter import Headers, Record
from airflow_dataops.core.metadata.drain import Offsets, PartitionId

T = TypeVar("T")
SECONDS = 10.0  # of one request
_TRIES = 3
_PATIENCE = 60.0  # without any record, of a reading that has an end
_NO_TIME = 0  # TIMESTAMP_NOT_AVAILABLE
UNREADABLE = "dataops-headers-unreadable"  # stands for the headers of a record of which one has a name that is no UTF-8

_HEADERS = methodcaller("headers")


def record_of(message: Any) -> Record:
    """Return a message of the client as a record."""
    kind, timestamp = message.timestamp()
    return Record(
        message.topic(),
        message.partition(),
        message.offset(),
        -1 if kind == _NO_TIME else timestamp,
        message.key(),
        message.value(),
        _headers(message),
    )


def _headers(message: Any) -> Headers:
    # Where a name is no UTF-8 the client leaves an error behind, and answers all the same. `map` looks for one after each call; a plain
    # call of the method does not, once it is warm, and the error would come up at any later place. There is no other way to these headers.
    try:
        return tuple(next(map(_HEADERS, (message,))) or ())
    except (SystemError, UnicodeDecodeError):
        return ((UNREADABLE, None),)


def size_of(record: Record) -> int:
    """Return how many bytes of memory a record counts for."""
    return len(record.key or b"") + len(record.value or b"") + 200


class Hearing:
    """Keeps what a client tells beside its answers: why a broker refuses it, and that none is left."""

    def __init__(self) -> None:
        self._kafka = confluent()
        self.cause: Any = None
        self.away: Any = None

    def __call__(self, error: Any) -> None:
        """Hear an error; the client calls it."""
        if tells_why(error):
            self.cause = error
        elif error.name() == "_ALL_BROKERS_DOWN":
            self.away = error


@contextmanager
def reader(settings: KafkaSettings, group: str, **more: Any) -> Iterator[Any]:
    """Give a consumer that joins nothing, and close it.

    Raises:
        DataOpsError: What it was asked failed, with the cause that a broker told.
    """
    kafka, heard = confluent(), Hearing()
    own = {
        "group_id": group,
        "enable_auto_commit": False,
        "isolation_level": "read_committed",
        **more,
    }
    try:
        consumer = kafka.Consumer({**settings.client(**own), "error_cb": heard})
    except kafka.KafkaException as bad:
        raise error_of(bad.args[0], "settings") from None
    try:
        yield consumer
    except kafka.KafkaException as bad:
        raise error_of(bad.args[0], f"group {group}", heard.cause) from None
    finally:
        consumer.close()


def tried(ask: Callable[[], T]) -> T:
    """Ask again a few times where the answer may change: a coordinator that has just moved refuses the first request."""
    for _ in range(_TRIES - 1):
        with suppress(TransientError):
            return ask()
        time.sleep(0.3)
    return ask()


def offsets_of(settings: KafkaSettings, topic: str, group: str) -> dict[PartitionId, Offsets]:
    """Return committed offset, log start and last stable offset of each partition, in this order of asking.

    Raises:
        TransientError: One is not known (``OFFSETS_UNKNOWN``, ``KAFKA_UNREACHABLE``).
        InputError: There is no such topic (``KAFKA_NO_TOPIC``).
        StorageDenied: This user may not.
    """
    kafka = confluent()
    with reader(settings, group) as consumer:
        about = consumer.list_topics(topic, timeout=SECONDS).topics[topic]
        if about.error is not None:
            raise error_of(about.error, f"topic {topic}")
        asked = [kafka.TopicPartition(topic, number) for number in sorted(about.partitions)]
        found: dict[PartitionId, Offsets] = {}
        for one in consumer.committed(asked, timeout=SECONDS):
            if one.error is not None:
                raise error_of(one.error, f"offsets of group {group} in {topic}/{one.partition}")
            start, end = consumer.get_watermark_offsets(kafka.TopicPartition(topic, one.partition), timeout=SECONDS)
            if start < 0 or end < 0:
                message = f"the offsets of {topic}/{one.partition} are not known: {start}, {end}"
                raise TransientError(message, hint="a broker may be down; try again", code="OFFSETS_UNKNOWN")
            found[topic, one.partition] = Offsets(one.offset if one.offset >= 0 else None, start, end)
        return found


def refuse_members(settings: KafkaSettings, group: str) -> None:
    """Raise where a group has members.

    Raises:
        GroupInUse: It has.
        TransientError: Nobody knows.
    """
    kafka = confluent()
    from confluent_kafka.admin import AdminClient

    heard = Hearing()
    admin = AdminClient(_heard_by(settings, heard))
    try:
        admin.list_topics(timeout=SECONDS)  # a client whose first request is another one times out now and then
        asked = admin.describe_consumer_groups([group], request_timeout=SECONDS)[group]
        members = asked.result(SECONDS * 2).members
    except kafka.KafkaException as bad:
        raise error_of(bad.args[0], f"group {group}", heard.cause) from None
    except TimeoutError:
        raise KafkaAway(f"group {group}: no answer") from None
    if members:
        hosts = ", ".join(sorted({f"{one.client_id} at {one.host}" for one in members}))
        message = f"group {group} has {len(members)} members: {hosts}"
        raise GroupInUse(message, hint="stop them (`dataops run-worker`), or give the drain a group of its own")


def records_between(
    settings: KafkaSettings, group: str, partition: PartitionId, begin: int, stop: int
) -> Iterator[Record]:
    """Yield the records of a partition from ``begin`` up to, but not including, ``stop``.

    Raises:
        TransientError: No record came for a minute.
    """
    kafka = confluent()
    if begin >= stop:
        return
    more = {"enable_partition_eof": True, "auto_offset_reset": "error", "queued_max_messages_kbytes": 16 << 10}
    with reader(settings, group, **more) as consumer:
        consumer.assign([kafka.TopicPartition(*partition, begin)])
        position, moved = begin, time.monotonic()
        while position < stop:
            for message in consumer.consume(500, timeout=1.0):
                moved = time.monotonic()
                error = message.error()
                if error is not None and error.code() != kafka.KafkaError._PARTITION_EOF:
                    raise error_of(error, f"{partition[0]}/{partition[1]}")
                if error is None and message.offset() < stop:
                    yield record_of(message)
                position = message.offset() + (error is None)
            if time.monotonic() - moved > _PATIENCE:
                raise KafkaAway(f"{partition[0]}/{partition[1]}: no record came at {position}, before {stop}")


def _heard_by(settings: KafkaSettings, heard: Hearing) -> dict[str, Any]:
    return {**settings.client(), "error_cb": heard}


__all__ = [
    "UNREADABLE",
    "Hearing",
    "offsets_of",
    "reader",
    "record_of",
    "records_between",
    "refuse_members",
    "size_of",
    "tried",
]
