# SPDX-License-Identifier: Apache-2.0
"""`dataops run-worker` and the drain on a real broker, store and S3."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_dataops.clients.metadata.archive import ParquetArchive
from airflow_dataops.clients.metadata.kafka_producer import KafkaProducer
from airflow_dataops.clients.metadata.mongo_store import MongoStore
from airflow_dataops.core.metadata.dead_letter import Record, from_wire
from airflow_dataops.core.metadata.drain import plan
from airflow_dataops.core.metadata.faults import Reason
from airflow_dataops.core.metadata.transforms import Transforms, parse_transforms
from airflow_dataops.jobs.metadata.taking import Taker
from airflow_dataops.jobs.metadata.watching import Limits
from airflow_dataops.jobs.metadata.worker import Worker
from tests.integration.metadata.chaos import end, survive, world
from tests.integration.metadata.worlds import World
from tests.services.kafka_server import Kafka
from tests.services.kafka_topics import create_topic, records
from tests.services.mongo_server import MongoServer
from tests.services.processes import Keeper, Process
from tests.services.s3_servers import S3Server

pytestmark = pytest.mark.integration


@pytest.fixture
def here(broker: Kafka, mongo: MongoServer, seaweedfs: S3Server, tmp_path: Path) -> Iterator[World]:
    keeper = Keeper()
    yield World(broker, mongo, seaweedfs, tmp_path, keeper)
    keeper.close()


def told(worker: Process) -> list[dict[str, object]]:
    return [json.loads(line) for line in worker.output.read_text().splitlines() if line.startswith("{")]


def port(here: World, worker: Process) -> int:
    here.wait_for(lambda: any(line["message"] == "started" for line in told(worker)), worker)
    return int(next(str(line["port"]) for line in told(worker) if line["message"] == "started"))


def get(number: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{number}{path}", timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def drained(here: World, **more: object) -> tuple[Worker, object]:
    log = here.log()
    store, dead = MongoStore(here.mongo_settings()), KafkaProducer(here.settings)
    store.prepare()
    worker = Worker(log, store, ParquetArchive(here.archive, here.storage()), dead, dead_topic=here.dead, **more)  # type: ignore[arg-type]
    bounds = plan(log.offsets())
    try:
        return worker, worker.drain(bounds)
    finally:
        log.close()
        dead.close()
        store.close()


def test_twenty_thousand_events_survive_ten_kills_a_broker_and_a_store(tmp_path: Path, seaweedfs: S3Server) -> None:
    with world(tmp_path, seaweedfs) as own:
        found = survive(own, 20_000, kills=10, seed=20_000, batch=500)
        assert found["records"] == 20_000
        assert found["dead"] > 10


def test_a_worker_tells_how_it_is_and_ends_with_its_commit(here: World) -> None:
    here.send(500, 1)
    worker = here.worker("--records", "100")
    listens = port(here, worker)
    here.wait_for(lambda: here.committed() == 500, worker)
    assert get(listens, "/healthz")[0] == 200
    here.wait_for(lambda: get(listens, "/readyz")[0] == 200, worker)
    assert get(listens, "/else")[0] == 404
    text = get(listens, "/metrics")[1]
    counts = {
        line.split()[0]: float(line.split()[1])
        for line in text.splitlines()
        if line.startswith("dataops_metadata_worker_records_total")
    }
    assert sum(counts.values()) == 500
    for name in ("documents_changed_total", "errors_total", "lag_records", 'batch_seconds_count{stage="archive"}'):
        assert f"dataops_metadata_worker_{name}" in text
    end(worker, signal.SIGTERM)
    assert worker.poll() == 0
    assert told(worker)[-1]["message"] == "stopped"
    here.check()


def test_two_workers_share_and_a_third_takes_over(here: World) -> None:
    here.send(3000, 2)
    first = here.worker("--records", "100")
    here.wait_for(lambda: here.committed() > 200, first)
    second = here.worker("--records", "100")
    here.wait_for(lambda: any(line["message"] == "cycle" for line in told(second)), second)
    end(first, signal.SIGKILL)
    here.send(1000, 3)
    third = here.worker("--records", "100")
    here.wait_for(lambda: here.committed() == 4000, third)
    for worker in (second, third):
        end(worker, signal.SIGTERM)
        assert worker.poll() == 0
    assert here.check()["records"] == 4000


def test_a_drain_stops_at_the_ends_of_its_start_while_a_producer_goes_on(here: World) -> None:
    here.send(1000, 4)
    stop, more = threading.Event(), 0

    def produce() -> None:
        nonlocal more
        while not stop.is_set():
            here.send(50, 5 + more)
            more += 50

    thread = threading.Thread(target=produce)
    thread.start()
    try:
        here.wait_for(lambda: more > 0, None)
        _, done = drained(here, limits=Limits(records=300))
    finally:
        stop.set()
        thread.join()
    ends = {partition: part.stop for partition, part in done.partitions.items()}  # type: ignore[attr-defined]
    seen = here.log().offsets()
    assert {partition: one.committed for partition, one in seen.items()} == ends
    assert done.read == sum(ends.values()) < 1000 + more  # type: ignore[attr-defined]
    _, rest = drained(here)
    assert done.read + rest.read == 1000 + more  # type: ignore[attr-defined]
    assert here.check()["records"] == 1000 + more
    _, nothing = drained(here)
    assert (nothing.read, nothing.changed, nothing.objects) == (0, 0, 0)  # type: ignore[attr-defined]


def test_a_letter_that_its_topic_refuses_is_cut_and_the_worker_goes_on(here: World) -> None:
    from confluent_kafka import Producer

    producer = Producer(here.kafka.client(message_max_bytes=4 << 20))
    producer.produce(here.topic, b"{" * ((1 << 20) - 200), b"large", partition=0, headers=[("more", b"x" * 10)])
    producer.produce(here.topic, b"{", b"small", partition=0)
    assert producer.flush(60) == 0
    here.dead += ".small"
    create_topic(here.kafka, here.dead, max_message_bytes=100_000)
    _, done = drained(here)
    assert (done.dead, done.cut) == (2, 1)  # type: ignore[attr-defined]
    assert sorted(len(one.value() or b"") for one in records(here.kafka, here.dead)) == [0, 1]
    assert here.check()["dead"] == 2


def replayed(here: World, *more: str) -> dict[str, object]:
    """Call `dataops replay`, and return its counts."""
    command = [
        sys.executable,
        "-m",
        "dag_factories",
        "replay",
        "--bootstrap",
        here.kafka.bootstrap(),
        "--dead-topic",
        here.dead,
    ]
    done = subprocess.run(
        [*command, "--group", f"{here.group}-replay", "--json", *more], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_after_a_fix_dead_letters_go_back_once_and_are_stored(here: World) -> None:
    steps = {"revision": 1, "steps": [{"name": "bad", "rename": {"object.media_type": "object.uri"}}]}
    here.send(300, 6)
    _, done = drained(here, taker=Taker(Transforms(parse_transforms(steps))))
    assert done.dead > 200  # type: ignore[attr-defined]
    assert dict(replayed(here, "--reason", "TRANSFORM_FAILED", "--dry-run")["sent"]) == {
        "TRANSFORM_FAILED": failed_in(here)
    }  # type: ignore[call-overload]
    counts = replayed(here, "--reason", "TRANSFORM_FAILED", "--limit", "10")
    assert (counts["sent"], counts["left"]) != ({}, 0)
    assert counts["sent"] == {"TRANSFORM_FAILED": 10}
    rest = replayed(here, "--reason", "TRANSFORM_FAILED")
    assert rest["sent"] == {"TRANSFORM_FAILED": failed_in(here) - 10}
    assert replayed(here)["sent"] == {}
    _, again = drained(here)
    assert (again.read, again.dead) == (failed_in(here), 0)  # type: ignore[attr-defined]
    store = MongoStore(here.mongo_settings())
    assert len(list(store.orders())) == again.changed  # type: ignore[attr-defined]
    store.close()


def failed_in(here: World) -> int:
    letters = [
        Record(here.dead, 0, 0, 0, one.key(), one.value(), tuple(one.headers()))
        for one in records(here.kafka, here.dead)
    ]
    return sum(from_wire(one).reason is Reason.TRANSFORM_FAILED for one in letters)
