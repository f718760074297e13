# SPDX-License-Identifier: Apache-2.0
"""A pipeline of the kind gpu_metadata as a DAG of the installed Airflow, on a real broker, store, S3 and API."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.clients.metadata.client import MetadataClient
from airflow_dataops.clients.metadata.mongo_store import MongoSettings, MongoStore
from tests.dag_files import dag_bag
from tests.integration.metadata.worlds import World
from tests.services.kafka_server import Kafka
from tests.services.metadata_api import Api, metadata_api
from tests.services.mongo_server import MongoServer
from tests.services.processes import Keeper
from tests.services.s3_servers import ACCESS, SECRET, S3Server
from tests.unit.core.metadata.events import event

pytestmark = [pytest.mark.integration, pytest.mark.airflow]

TOKEN = "a-token-that-no-log-may-show"
PIPELINE = """\
version: 1
kind: gpu_metadata
name: edge
schedule: null
start_date: 2024-01-01
topic: {topic}
group: {group}
collection: {collection}
archive: "${{lake}}/archive"
transforms:
  revision: 1
  steps: [{{name: team, default: {{extracted.attributes.team: vision}}}}]
quality:
  drained:
    columns: {{team: extracted.attributes.team}}
    rules: [{{not_null: team}}, {{in_set: [status, [stored]]}}]
    on_failure: {on_failure}
reconcile: {{scope: all}}
"""
PROJECT = """\
version: 1
targets:
  local:
    lake: {lake}
    aws_conn_id: lake
    production: true
    metadata:
      kafka_conn_id: kafka_edge
      mongo_uri: "${{conn:mongo_edge.extra.uri}}"
      database: edge
      api: {api}
      api_token: "${{conn:api.password}}"
      min_partitions: 2
"""


class Estate:
    """The servers, the project's folder, and what Airflow knows of them."""

    def __init__(self, world: World, api: Api, folder: Path, run_dag: Callable[..., Any]) -> None:
        self.world, self.api, self._folder, self._run_dag = world, api, folder, run_dag
        self.lake = f"s3://{world.s3.bucket('lake')}"
        self.write()

    def write(self, on_failure: str = "fail") -> None:
        world = self.world
        names = {"topic": world.topic, "group": world.group, "collection": world.collection, "on_failure": on_failure}
        (self._folder / "edge.yaml").write_text(PIPELINE.format(**names), "utf-8")
        (self._folder / "dataops.yaml").write_text(PROJECT.format(lake=self.lake, api=self.api.url), "utf-8")
        (self._folder / "edge.py").write_text(
            "from dag_factories import load_dag  # airflow dag\n\ndag = load_dag(__file__)\n", "utf-8"
        )

    def post(self, *numbers: int) -> None:
        with MetadataClient(self.api.url, token=TOKEN) as client:
            for number in numbers:
                client.send(event(idempotency_key=f"key-{number:03d}", extracted__attributes={"n": number}))

    def run(self, day: int) -> Any:
        bag = dag_bag(self._folder / "edge.py")
        assert bag.import_errors == {}
        return self._run_dag(bag.dags["edge"], datetime(2024, 1, day, tzinfo=UTC))

    def stored(self) -> dict[str, Any]:
        store = MongoStore(MongoSettings(self.world.mongo.uri, database="edge", collection=self.world.collection))
        try:
            found = store.get([key for key, _ in store.orders()])
        finally:
            store.close()
        return {key: json.loads(one.body) for key, one in found.items()}


@pytest.fixture
def estate(
    broker: Kafka,
    mongo: MongoServer,
    seaweedfs: S3Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run_dag: Callable[..., Any],
) -> Iterator[Estate]:
    keeper = Keeper()
    world = World(broker, mongo, seaweedfs, tmp_path, keeper, partitions=2)
    (tmp_path / "tokens").write_text(f"{TOKEN}\n", "utf-8")
    connections = {
        "KAFKA_EDGE": {"conn_type": "kafka", "extra": {"bootstrap.servers": broker.bootstrap()}},
        "MONGO_EDGE": {"conn_type": "mongo", "extra": {"uri": mongo.uri}},
        "API": {"conn_type": "http", "password": TOKEN},
        "LAKE": {
            "conn_type": "aws",
            "login": ACCESS,
            "password": SECRET,
            "extra": {"endpoint_url": seaweedfs.url, "region_name": "us-east-1"},
        },
    }
    for name, fields in connections.items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps(fields))
    folder = tmp_path / "project"
    folder.mkdir()
    try:
        with metadata_api(
            tmp_path, broker.bootstrap(), "--token-file", str(tmp_path / "tokens"), topic=world.topic
        ) as api:
            yield Estate(world, api, folder, run_dag)
    finally:
        keeper.close()


def values(done: Any) -> dict[str, Any]:
    return {task.task_id: task.xcom_pull(task_ids=task.task_id) for task in done.get_task_instances()}


def test_events_go_from_the_api_into_store_and_archive_and_all_three_agree(
    estate: Estate, capfd: pytest.CaptureFixture[str]
) -> None:
    estate.post(*range(40), *range(5))
    first = estate.run(1)
    states = {task.task_id: task.state for task in first.get_task_instances()}
    assert first.state == "success", states
    found = values(first)
    assert sum(part["read"] for part in found["drain"]["partitions"]) == 46  # and the marked event
    assert found["reconcile"]["differences"] == {}
    assert found["round_trip"]["removed"] is True
    assert sorted(estate.stored()) == [f"key-{number:03d}" for number in range(40)]
    assert all(one["extracted"]["attributes"]["team"] == "vision" for one in estate.stored().values())

    estate.post(*range(40, 60))
    second = estate.run(2)
    assert second.state == "success"
    assert len(estate.stored()) == 60
    assert values(second)["reconcile"]["keys"] == 62  # with the marked events of both runs
    said = capfd.readouterr()
    assert TOKEN not in said.out + said.err


def test_a_record_that_is_no_event_fails_the_gate_and_is_kept_as_a_dead_letter(estate: Estate) -> None:
    from confluent_kafka import Producer

    from tests.services.kafka_topics import records

    producer = Producer(estate.world.kafka.client())
    producer.produce(estate.world.topic, b"{", b"key")
    assert producer.flush(60) == 0
    estate.post(1)
    done = estate.run(1)
    states = {task.task_id: task.state for task in done.get_task_instances()}
    assert (done.state, states["drain"], states["gate"]) == ("failed", "success", "failed")
    assert [one.value() for one in records(estate.world.kafka, estate.world.dead)] == [b"{"]
    assert list(estate.stored()) == ["key-001"]  # and no marked event is left behind


def test_a_store_that_is_away_is_told_by_the_preflight(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=500"
    monkeypatch.setenv("AIRFLOW_CONN_MONGO_EDGE", json.dumps({"conn_type": "mongo", "extra": {"uri": uri}}))
    done = estate.run(1)
    states = {task.task_id: task.state for task in done.get_task_instances()}
    assert states["preflight"] == "failed"
    assert states["drain"] == "upstream_failed"
