# SPDX-License-Identifier: Apache-2.0
"""An asset that watches a consumer group, in the triggerer of a whole Airflow 3 at a real broker: what is recorded, once each, and the runs that follow."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

pytest.importorskip("confluent_kafka", reason="needs confluent-kafka: pip install 'airflow-dataops[kafka]'")
pytest.importorskip("airflow.sdk", reason="needs Airflow 3: Airflow 2 has no asset watchers")

from tests.integration.airflow_kill.estate import OF_TRIGGERERS
from tests.integration.airflow_kill.stack import PARTS, Airflow, Stack, wait_for
from tests.integration.forking import ROOT
from tests.services import kafka_server
from tests.services.kafka_hand import Hand
from tests.services.kafka_server import Kafka

pytestmark = [pytest.mark.airflow, pytest.mark.integration, pytest.mark.timeout(1200)]

GROUP, CLIENT = "watched", "the-watcher"
PATIENCE = 400.0
DAGS = """
# airflow dag
import json, os
from datetime import UTC, datetime
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Asset, AssetWatcher
from airflow_dataops.triggers.kafka_health import KafkaConsumerHealthEventTrigger

trigger = KafkaConsumerHealthEventTrigger(json.loads(os.environ["CHECK"]))
health = Asset("kafka://test/watched", watchers=[AssetWatcher(name="health", trigger=trigger)])
with DAG("on_change", schedule=[health], start_date=datetime(2024, 1, 1, tzinfo=UTC), catchup=False):
    EmptyOperator(task_id="nothing")
"""


class Watching(Airflow):
    """An Airflow 3 without an API server, which nothing here needs: a triggerer and its like ask the database, and so does the test."""

    parts_of: ClassVar[Mapping[str, Sequence[str]]] = {
        name: PARTS[name] for name in ("dag-processor", "triggerer", "scheduler")
    }

    def start(self, seconds: float = PATIENCE) -> None:
        """Make the database and start every part."""
        Stack.start(self)

    def rows(self, query: str) -> list[Any]:
        """Return the first column of what the database has."""
        with closing(sqlite3.connect(f"{self.home}/airflow.db", timeout=120)) as database:
            return [one[0] for one in database.execute(query)]


@dataclass
class World:
    """One Airflow and one broker; the triggerer of the first watches the group at the second.

    Attributes:
        topic: What the group reads.
    """

    airflow: Watching
    kafka: Kafka
    hand: Hand
    topic: str

    def until(self, what: str, seen: Callable[[], bool]) -> None:
        """Wait for what can be seen, as long as all of Airflow runs."""

        def look() -> bool:
            self.airflow.all_run()
            assert self.airflow.rows("SELECT stacktrace FROM import_error") == []
            return seen()

        wait_for(what, look, PATIENCE)

    def looks(self) -> int:
        """Return how many looks have come to the group's commits."""
        return [name for _, name in self.kafka.requests(CLIENT)].count("OFFSET_FETCH")

    def looks_go_on(self) -> None:
        """Wait until two looks have begun and ended."""
        seen = self.looks() + 3  # the first may be under way already, the last may not have ended
        self.until("looks at the group", lambda: self.looks() >= seen)

    def told(self) -> list[tuple[str, str, int]]:
        """Return before, now and lag of each event that is recorded, the oldest first."""
        found = [json.loads(one)["payload"] for one in self.airflow.rows("SELECT extra FROM asset_event ORDER BY id")]
        return [(one["before"], one["severity"], one["total_lag"]) for one in found]

    def is_told(self, count: int) -> None:
        """Wait until so many events are recorded, and two looks longer."""
        self.until(f"event {count}", lambda: len(self.told()) >= count)
        self.looks_go_on()

    def runs(self) -> list[str]:
        """Return the states of the DAG's runs."""
        return self.airflow.rows("SELECT state FROM dag_run")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A group that has read all, and an Airflow that looks at it once a second."""
    reason = kafka_server.missing()
    if reason:
        pytest.skip(reason)
    home = tmp_path_factory.mktemp("watching") / "home"
    (home / "dags").mkdir(parents=True)
    (home / "dags/watching.py").write_text(DAGS)
    with kafka_server.kafka(tmp_path_factory.mktemp("kafka"), log_requests=True) as kafka:
        hand = Hand(kafka)
        topic = hand.topic()
        hand.produce(topic, 2)
        hand.commit(GROUP, topic, {0: 2})
        airflow = Watching(home, variables(kafka, topic))
        try:
            airflow.start()
            yield World(airflow, kafka, hand, topic)
        finally:
            airflow.stop()


def variables(kafka: Kafka, topic: str) -> dict[str, str]:
    """Return what all processes of the Airflow get besides."""
    extra = {"bootstrap.servers": kafka.bootstrap(), "client.id": CLIENT}
    check = {"group": GROUP, "topics": [topic], "interval": "1s", "min_distance": "0s", "delay": {}, "timeout": "2m"}
    return {
        **{f"AIRFLOW__{key}": value for key, value in OF_TRIGGERERS.items()},
        "AIRFLOW_CONN_KAFKA_DEFAULT": json.dumps({"conn_type": "kafka", "extra": extra}),
        "CHECK": json.dumps(check),
        "PYTHONPATH": str(ROOT),
    }


def test_each_change_is_told_once_and_starts_a_run_and_also_when_another_triggerer_takes_over(world: World) -> None:
    world.looks_go_on()
    assert world.told() == []
    world.hand.produce(world.topic, 3)
    world.is_told(1)
    behind = [("ok", "critical", 3)]
    assert world.told() == behind
    world.hand.produce(world.topic, 1)  # it falls behind more, which is no other state
    world.airflow.stop_part("triggerer")
    world.airflow.start_part("triggerer")
    world.looks_go_on()
    assert world.told() == behind
    world.hand.commit(GROUP, world.topic, {0: 6})
    world.is_told(2)
    assert world.told() == [*behind, ("critical", "ok", 0)]
    world.until("a run for each", lambda: world.runs() == ["success"] * 2)
