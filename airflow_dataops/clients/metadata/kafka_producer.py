# SPDX-License-Identifier: Apache-2.0
"""Records to Kafka, acknowledged by all replicas, with a bound on what waits."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Literal

from airflow_dataops.clients.metadata.kafka_errors import BufferFull, KafkaAway, error_of, tells_why
from airflow_dataops.clients.metadata.kafka_settings import KafkaSettings, confluent
from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.metadata.dead_letter import Outgoing

# What 202 means rests on these; a file of properties may not weaken them.
_KEPT = {"acks": ("all", "-1"), "enable.idempotence": ("true",)}
_LARGEST = 32 << 20  # bytes of a dead letter that the client takes; its topic decides
_OVERHEAD = 256  # bytes that a waiting record takes beside its own


@dataclass(frozen=True)
class Bounds:
    """How much may wait for brokers, and for how long.

    Attributes:
        size: Bytes of records, keys and headers.
        seconds: That a record is tried for, until it counts as failed.
    """

    size: int = 64 << 20
    seconds: float = 30.0


class KafkaProducer:
    """Sends records; a thread of its own takes the brokers' answers.

    Args:
        settings: The cluster.
        bounds: Of what waits.

    Raises:
        SpecError: The properties weaken what an acknowledgement means, or are no properties of librdkafka (``KAFKA_SETTINGS``).
        MissingDependency: confluent-kafka is not installed.
    """

    def __init__(self, settings: KafkaSettings, bounds: Bounds = Bounds()) -> None:
        self._settings, self._bounds = settings, bounds
        self._lock = threading.Lock()
        self._waiting, self._shut = 0, False
        self._cause: Any = None  # the last error by which a broker refused us: what waits then only times out
        self._closed = threading.Event()
        self._kafka = confluent()
        self._producer = self._made()
        self._thread = threading.Thread(target=self._poll, name="kafka-producer", daemon=True)
        self._thread.start()

    @property
    def in_flight(self) -> int:
        """Bytes that wait for their acknowledgement."""
        return self._waiting

    def send(self, record: Outgoing) -> Future[None]:
        """Take a record, at once.

        Returns:
            Done when all replicas in sync have it; its exception is a :class:`DataOpsError` that says why not. One that timed out
            (``KAFKA_UNREACHABLE``) may be there all the same.

        Raises:
            BufferFull: Too much waits; nothing was taken.
            DataOpsError: It is closed, or the record can never be sent (``KAFKA_RECORD_TOO_LARGE``).
        """
        size = _size(record)
        self._take(size, record.topic)
        future: Future[None] = Future()

        def answered(error: Any, _message: Any) -> None:
            self._answered(size, record.topic, error, future)

        try:
            self._produce(record, answered)
        except BaseException:
            self._give_back(size)
            raise
        return future

    def flush(self, seconds: float) -> int:
        """Wait at most so long until nothing waits; returns how many bytes still do."""
        end = time.monotonic() + seconds
        while self._waiting and (left := end - time.monotonic()) > 0:
            self._serve("flush", min(left, 0.5))
        return self._waiting

    def partitions(self, topic: str, seconds: float = 3.0) -> int:
        """Ask the brokers how many partitions a topic has.

        Raises:
            DataOpsError: They do not answer, there is no such topic (``KAFKA_NO_TOPIC``), or this producer is closed.
        """
        if self._shut or not self._thread.is_alive():
            raise KafkaAway(f"topic {topic}: the producer is closed")
        try:
            found = self._producer.list_topics(topic, timeout=seconds).topics[topic]
        except self._kafka.KafkaException as bad:
            raise error_of(bad.args[0], f"topic {topic}", self._cause) from None
        if found.error is not None:
            raise error_of(found.error, f"topic {topic}")
        self._cause = None
        return len(found.partitions)

    def close(self, seconds: float = 10.0) -> None:
        """Flush for at most so long, and end; what still waits fails with ``KAFKA_UNREACHABLE``."""
        with self._lock:
            if self._shut:
                return
            self._shut = True
        if self.flush(seconds):
            self._producer.purge()
            self.flush(1.0)
        self._closed.set()
        self._thread.join()

    def _made(self) -> Any:
        given = self._settings.client()
        for name, valid in _KEPT.items():
            if str(given.get(name, valid[0])).lower() not in valid:
                hint = f"leave {name} out: an event counts as taken only when all replicas have it, once"
                raise SpecError(f"{name}={given[name]} is not allowed here", hint=hint, code="KAFKA_SETTINGS")
        own = {
            "compression.type": "lz4", "linger.ms": 5, **given, "acks": "all", "enable.idempotence": True,
            "delivery.timeout.ms": max(int(self._bounds.seconds * 1000), 1000),
            "queue.buffering.max.kbytes": max(self._bounds.size // 1024 * 2, 1024),  # ours is the bound
            "queue.buffering.max.messages": 10_000_000, "error_cb": self._heard,
        }  # fmt: skip
        try:
            return self._kafka.Producer(own)
        except self._kafka.KafkaException as bad:
            raise error_of(bad.args[0], "settings") from None

    def _take(self, size: int, topic: str) -> None:
        with self._lock:
            if self._shut:
                raise KafkaAway(f"topic {topic}: the producer is closed")
            if self._waiting and self._waiting + size > self._bounds.size:
                message = f"{self._waiting} bytes wait for the brokers; {self._bounds.size} may"
                raise BufferFull(message, hint="wait until some are acknowledged")
            self._waiting += size

    def _give_back(self, size: int) -> None:
        with self._lock:
            self._waiting -= size

    def _produce(self, record: Outgoing, answered: Any) -> None:
        headers = list(record.headers) or None
        try:
            self._producer.produce(record.topic, record.value, record.key, headers=headers, on_delivery=answered)
        except BufferError:
            raise BufferFull("the client's own queue is full", hint="wait until some are acknowledged") from None
        except self._kafka.KafkaException as bad:
            raise error_of(bad.args[0], f"topic {record.topic}", self._cause) from None

    def _answered(self, size: int, topic: str, error: Any, future: Future[None]) -> None:
        self._give_back(size)
        if error is None:
            self._cause = None
            future.set_result(None)
            return
        future.set_exception(error_of(error, f"topic {topic}", self._cause))

    def _heard(self, error: Any) -> None:
        if tells_why(error):
            self._cause = error

    def _poll(self) -> None:
        while not self._closed.is_set():
            self._serve("poll", 0.1)

    def _serve(self, call: Literal["poll", "flush"], seconds: float) -> None:
        producer = self._producer
        try:
            getattr(producer, call)(seconds)
        except self._kafka.KafkaException as bad:  # how a fatal error is told: once
            self._heard(bad.args[0])
            self._renew(producer)

    def _renew(self, broken: Any) -> None:
        """Take a new producer: an idempotent one that has lost its place in the sequence takes nothing any more."""
        with self._lock:
            if self._producer is broken:
                self._producer = self._made()
        broken.purge()
        broken.flush(1.0)  # what waited fails, with what was heard
        self._closed.wait(0.5)  # it may be refused again


def letter_producer(settings: KafkaSettings) -> KafkaProducer:
    """Return a producer that also takes the largest records, as dead letters may be.

    Args:
        settings: The cluster.

    Raises:
        SpecError: As :class:`KafkaProducer`.
    """
    properties = {"message.max.bytes": _LARGEST, **settings.properties}
    return KafkaProducer(KafkaSettings(settings.bootstrap, properties), Bounds(size=2 * _LARGEST, seconds=60.0))


def _size(record: Outgoing) -> int:
    headers = sum(len(name) + len(value or b"") for name, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers + _OVERHEAD


__all__ = ["Bounds", "BufferFull", "KafkaAway", "KafkaProducer", "letter_producer"]
