# SPDX-License-Identifier: Apache-2.0
"""The worker against the least that could do its work: a bare consumer, bulk upserts and Parquet files, in the same run on one topic.

    python benchmarks/bench_metadata_worker.py [--events 20000] [--rounds 3] [--smoke]

Kafka, a Mongo-compatible server and SeaweedFS are real, as the integration tests have them. The floor consumes, reads the JSON, writes the
last of each key in bulks of 500 that are as durable (majority, journal), puts one Parquet object a partition and cycle, and commits. It
checks nothing, has no dead letters and no transforms, reads nothing back, and does not end in the same state when it is killed. Both are
compared by events a second; the aim is 0.7 of the floor.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pymongo
import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from airflow_dataops.clients.metadata.archive import ParquetArchive
from airflow_dataops.clients.metadata.kafka_log import KafkaLog
from airflow_dataops.clients.metadata.kafka_producer import KafkaProducer
from airflow_dataops.clients.metadata.mongo_store import MongoSettings, MongoStore
from airflow_dataops.core.metadata.drain import plan
from airflow_dataops.core.metadata.mongo import INDEXES
from airflow_dataops.core.metadata.wire import DATABASE
from airflow_dataops.jobs.metadata.watching import Watch
from airflow_dataops.jobs.metadata.worker import Worker
from tests.integration.metadata.worlds import World
from tests.services.kafka_server import kafka
from tests.services.kafka_server import missing as kafka_missing
from tests.services.mongo_server import mongo_server
from tests.services.mongo_server import program as mongo_program
from tests.services.processes import Keeper
from tests.services.s3_servers import missing as s3_missing
from tests.services.s3_servers import s3_server

CYCLE, BULK = 10_000, 500


class Stages(Watch):
    """Adds up the seconds of each stage."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    def stage(self, name: str, seconds: float) -> None:
        self.seconds[name] += seconds  # type: ignore[assignment]


@contextmanager
def world(partitions: int = 4) -> Iterator[World]:
    """Give servers of this run."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-metadata-")))
        keeper = Keeper()
        stack.callback(keeper.close)
        broker = stack.enter_context(kafka(folder / "kafka"))
        mongo = stack.enter_context(mongo_server(folder / "mongo"))
        s3 = stack.enter_context(s3_server("seaweedfs", folder / "s3"))
        yield World(broker, mongo, s3, folder, keeper, partitions)


def floor(here: World, events: int) -> float:
    """Do the least; returns seconds."""
    name = uuid.uuid4().hex[:8]
    client: Any = here.mongo.client()
    concern = pymongo.WriteConcern("majority", j=True)
    collection = client["floor"].get_collection(name, write_concern=concern)
    for fields in INDEXES:  # as ours
        collection.create_index([(field, 1) for field in fields])
    s3, bucket = here.s3.boto3(), here.s3.bucket("floor")
    own = {"group_id": name, "auto_offset_reset": "earliest", "enable_auto_commit": False, "enable_partition_eof": True}
    consumer = Consumer(here.kafka.client(**own))
    begin, seen = time.perf_counter(), 0
    consumer.assign([TopicPartition(here.topic, number, 0) for number in range(here.partitions)])
    while seen < events:
        cycle: list[Any] = []
        while len(cycle) < CYCLE and seen + len(cycle) < events:
            for message in consumer.consume(BULK, timeout=1.0):
                if message.error() is None:
                    cycle.append(message)
                elif message.error().code() != KafkaError._PARTITION_EOF:
                    raise RuntimeError(message.error())
        _upsert(collection, cycle)
        for partition in {message.partition() for message in cycle}:
            rows = [message for message in cycle if message.partition() == partition]
            s3.put_object(Bucket=bucket, Key=f"{partition}/{rows[0].offset()}.parquet", Body=_parquet(rows))
        consumer.commit(asynchronous=False)
        seen += len(cycle)
    seconds = time.perf_counter() - begin
    consumer.close()
    client["floor"].drop_collection(name)
    client.close()
    return seconds


def _upsert(collection: Any, cycle: list[Any]) -> None:
    last: dict[bytes, Any] = {}
    for message in cycle:
        try:
            document = json.loads(message.value())
        except (TypeError, ValueError):
            continue
        if isinstance(document, dict):
            last[message.key()] = pymongo.ReplaceOne({"_id": message.key().decode()}, document, upsert=True)
    writes = list(last.values())
    for begin in range(0, len(writes), BULK):
        collection.bulk_write(writes[begin : begin + BULK], ordered=False)


def _parquet(rows: list[Any]) -> bytes:
    table = pa.table(
        {
            "offset": [one.offset() for one in rows],
            "timestamp": [one.timestamp()[1] for one in rows],
            "key": [one.key() for one in rows],
            "value": [one.value() for one in rows],
        }
    )
    target = io.BytesIO()
    pq.write_table(table, target, compression="zstd")
    return target.getvalue()


def ours(here: World, stages: Stages) -> float:
    """Drain with the worker, into a store and an archive of its own; returns seconds."""
    name = uuid.uuid4().hex[:8]
    log = KafkaLog(here.settings, here.topic, name)
    store, dead = MongoStore(MongoSettings(here.mongo.uri, collection=name)), KafkaProducer(here.settings)
    archive = ParquetArchive(f"s3://{here.s3.bucket('ours')}/metadata", here.storage())
    store.prepare()
    begin = time.perf_counter()
    worker = Worker(log, store, archive, dead, dead_topic=here.dead, watch=stages)
    worker.drain(plan(log.offsets()))
    seconds = time.perf_counter() - begin
    for part in (log, dead, store):
        part.close()
    with here.mongo.client() as client:
        client[DATABASE].drop_collection(name)
    return seconds


def missing() -> str | None:
    """Say why it cannot run here."""
    try:
        mongo_program()
    except pytest.skip.Exception as reason:
        return str(reason)
    return kafka_missing() or s3_missing("seaweedfs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--smoke", action="store_true", help="one small round")
    arguments = parser.parse_args()
    events, rounds = (2_000, 1) if arguments.smoke else (arguments.events, arguments.rounds)
    if reason := missing():
        print(f"skipped: {reason}")
        return
    with world() as here:
        here.send(events, 1)
        floors, workers, stages = [], [], Stages()
        for number in range(rounds):
            floors.append(floor(here, events))
            workers.append(ours(here, stages))
            print(
                f"round {number + 1}: floor {events / floors[-1]:,.0f}/s, worker {events / workers[-1]:,.0f}/s",
                flush=True,
            )
        bare, mine = statistics.median(floors), statistics.median(workers)
        print(f"\n{events:,} events, {here.partitions} partitions, medians of {rounds}")
        print(f"  floor   {events / bare:8,.0f} events/s")
        print(f"  worker  {events / mine:8,.0f} events/s   {bare / mine:.2f} of the floor (aim: 0.70)")
        for name, seconds in sorted(stages.seconds.items(), key=lambda item: -item[1]):
            print(f"    {name:10} {seconds / rounds:6.2f} s")


if __name__ == "__main__":
    main()
