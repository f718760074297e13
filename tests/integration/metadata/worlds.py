# SPDX-License-Identifier: Apache-2.0
"""A broker, a store and an S3 that workers meet: what is sent, who is killed, and whether all of it came to the model."""

from __future__ import annotations

import hashlib
import random
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from airflow_dataops.clients.metadata.archive import ParquetArchive
from airflow_dataops.clients.metadata.kafka_log import KafkaLog
from airflow_dataops.clients.metadata.kafka_settings import KafkaSettings
from airflow_dataops.clients.metadata.mongo_store import MongoSettings, MongoStore
from airflow_dataops.clients.s3 import S3Client
from airflow_dataops.clients.storage_s3 import S3Storage
from airflow_dataops.core.errors import TransientError
from airflow_dataops.core.metadata.archive import Row
from airflow_dataops.core.metadata.dead_letter import from_wire
from airflow_dataops.core.metadata.drain import PartitionId
from airflow_dataops.core.metadata.upsert import Stored
from airflow_dataops.jobs.metadata.taking import Taker
from tests.services.kafka_server import Kafka
from tests.services.kafka_topics import create_topic
from tests.services.mongo_server import MongoServer
from tests.services.processes import Keeper, Process
from tests.services.s3_servers import S3Server
from tests.unit.core.metadata.events import bytes_of, event

AT = 1_780_000_000_000  # of the first record
SPAN = 2 * 3_600_000  # between the first and the last
POISON = (b"{", b"\xff", b"[]", b'{"schema_version":"v99"}', None)


def deliveries(count: int, seed: int) -> Iterator[tuple[bytes, bytes | None]]:
    """Yield key and value of so many records: half as many keys, each at several times, out of order, a tenth of them sent before."""
    draw = random.Random(seed)
    recent: list[tuple[bytes, bytes | None]] = []
    for number in range(count):
        if draw.random() < 0.002:
            yield f"poison-{number}".encode(), draw.choice(POISON)
        elif recent and draw.random() < 0.1:
            yield draw.choice(recent)
        else:
            key = f"k{draw.randrange(max(count // 2, 1)):07d}"
            at = f"2026-01-31T{draw.randrange(24):02d}:{draw.randrange(60):02d}:00Z"
            sent = (
                key.encode(),
                bytes_of(event(idempotency_key=key, extracted_at=at, extracted__attributes={"n": number})),
            )
            recent = [*recent[-99:], sent]
            yield sent


@dataclass
class World:
    """What outlives workers.

    Attributes:
        kafka: Broker.
        mongo: Store.
        s3: Archive.
        folder: For logs.
        keeper: Starts workers.
        partitions: Of the topic.
        properties: Of the workers' clients.
    """

    kafka: Kafka
    mongo: MongoServer
    s3: S3Server
    folder: Path
    keeper: Keeper
    partitions: int = 4
    properties: Mapping[str, Any] = field(
        default_factory=lambda: {"session.timeout.ms": 3000, "heartbeat.interval.ms": 300}
    )

    def __post_init__(self) -> None:
        name = uuid.uuid4().hex[:10]
        self.topic, self.group, self.collection = f"events-{name}", f"worker-{name}", f"c{name}"
        self.dead = f"{self.topic}.dead"
        self.archive = f"s3://{self.s3.bucket('archive')}/metadata"
        self.started = 0
        create_topic(self.kafka, self.topic, partitions=self.partitions, retention_ms=-1)  # records are of some day
        create_topic(self.kafka, self.dead, max_message_bytes=2 << 20, retention_ms=-1)

    @property
    def settings(self) -> KafkaSettings:
        """The cluster, as workers see it."""
        return KafkaSettings(self.kafka.bootstrap(), dict(self.properties))

    def mongo_settings(self) -> MongoSettings:
        """The store, as workers see it."""
        return MongoSettings(self.mongo.uri, collection=self.collection, more={"serverSelectionTimeoutMS": 5000})

    def storage(self) -> S3Storage:
        """The archive's store."""
        return S3Storage(S3Client.from_env(self.s3.environ()))

    def log(self) -> KafkaLog:
        """A reader as the group."""
        return KafkaLog(self.settings, self.topic, self.group)

    def send(self, count: int, seed: int) -> None:
        """Send records, and return when all are acknowledged."""
        from confluent_kafka import Producer

        producer = Producer(
            self.kafka.client(linger_ms=20, compression_type="lz4", queue_buffering_max_messages=200_000)
        )
        for number, (key, value) in enumerate(deliveries(count, seed)):
            while True:
                try:
                    producer.produce(self.topic, value, key, timestamp=AT + number * SPAN // count)
                    break
                except BufferError:
                    producer.poll(0.1)
            if number % 1000 == 0:
                producer.poll(0)
        assert producer.flush(300) == 0

    def worker(self, *more: str) -> Process:
        """Start `dataops run-worker`."""
        import os

        config = self.folder / f"kafka-{self.group}.properties"
        lines = {"bootstrap.servers": self.kafka.bootstrap(), "reconnect.backoff.max.ms": "500", **self.properties}
        config.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
        command = [sys.executable, "-m", "dag_factories", "run-worker", "--config", str(config), "--topic", self.topic]
        command += ["--dead-topic", self.dead, "--group", self.group, "--collection", self.collection]
        command += ["--archive", self.archive, "--listen", "127.0.0.1:0", *more]
        uri = f"{self.mongo.uri}&serverSelectionTimeoutMS=5000"
        env = {**os.environ, **self.s3.environ(), "DATAOPS_MONGO_URI": uri}
        self.started += 1
        return self.keeper.start(command, output=self.folder / f"{self.group}-{self.started}.log", env=env)

    def committed(self) -> int:
        """How many records are committed; 0 while nobody knows."""
        try:
            seen = self.log().offsets().values()
        except TransientError:
            return 0
        return sum((one.committed or 0) for one in seen)

    def wait_for(self, done: Callable[[], bool], process: Process | None, seconds: float = 1800) -> None:
        """Wait until something is so.

        Raises:
            AssertionError: The worker ended before, or it was not so for long.
        """
        end = time.monotonic() + seconds
        while not done():
            assert process is None or process.poll() is None, process.output.read_text()[-3000:]
            assert time.monotonic() < end, process.output.read_text()[-3000:] if process else "not yet"
            time.sleep(0.3)  # asking costs the machine that the worker works on

    def check(self) -> dict[str, int]:
        """Compare store, archive and dead letters with the model, made from the topic itself; returns counts.

        Raises:
            AssertionError: They differ.
        """
        log = self.log()
        newest: dict[str, tuple[str, bytes]] = {}
        dead: set[tuple[int, int]] = set()
        count = 0
        archive = ParquetArchive(self.archive, self.storage())
        for (topic, partition), seen in sorted(log.offsets().items()):
            assert (seen.committed or 0) == seen.end, (partition, seen)
            there = archive.rows(topic, partition, 0, seen.end)
            for row, found in zip_longest(self._rows(log, (topic, partition), seen.end, newest), there):
                assert row == found
                count += 1
                if row.status == "dead":
                    dead.add((partition, row.offset))
        self._check_store(newest)
        assert set(self._letters()) == dead
        return {"records": count, "documents": len(newest), "dead": len(dead)}

    def _rows(
        self, log: KafkaLog, partition: PartitionId, stop: int, newest: dict[str, tuple[str, bytes]]
    ) -> Iterator[Row]:
        for record in log.read(partition, 0, stop):
            (taken,) = Taker().take([record], now=AT)
            if isinstance(taken.outcome, Stored):
                one = taken.outcome
                if newest.get(one.key, ("", b""))[0] < one.order:
                    newest[one.key] = one.order, hashlib.sha256(one.body).digest()
            yield taken.row()

    def _check_store(self, newest: dict[str, tuple[str, bytes]]) -> None:
        store = MongoStore(self.mongo_settings())
        try:
            keys = sorted(newest)
            assert list(store.orders()) == [(key, newest[key][0]) for key in keys]
            for begin in range(0, len(keys), 1000):
                some = keys[begin : begin + 1000]
                found = store.get(some)
                assert {key: (one.order, hashlib.sha256(one.body).digest()) for key, one in found.items()} == {
                    key: newest[key] for key in some
                }
        finally:
            store.close()

    def _letters(self) -> Iterator[tuple[int, int]]:
        log = KafkaLog(self.settings, self.dead, "letters")
        for partition, seen in log.offsets().items():
            for record in log.read(partition, 0, seen.end):
                origin = from_wire(record).origin
                assert origin.topic == self.topic
                yield origin.partition, origin.offset


def moments(total: int, kills: int, brokers: int, stores: int, seed: int) -> list[tuple[int, str]]:
    """Return when what happens: after so many committed records, spread over all of them."""
    draw = random.Random(seed)
    what = ["kill"] * kills + ["broker"] * brokers + ["store"] * stores
    draw.shuffle(what)
    at = sorted(draw.randrange(total // 50, total - total // 20) for _ in what)
    return list(zip(at, what, strict=True))
