# SPDX-License-Identifier: Apache-2.0
"""Whose a run is, and which try this is, from what Airflow really says."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_dataops.operators._identity import UNNAMED, identity_of, instance_name, tries_of

pytestmark = pytest.mark.airflow


class Ti:
    dag_id, task_id, run_id = "d", "t", "r"

    def __init__(self, map_index: int | None = -1, try_number: int = 1, max_tries: int | None = 0) -> None:
        self.map_index, self.try_number, self.max_tries = map_index, try_number, max_tries


class Task:
    def __init__(self, retries: int) -> None:
        self.retries = retries


def test_the_instance_is_the_operators_own_then_configured_then_composers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPOSER_ENVIRONMENT", "etl")
    monkeypatch.setenv("COMPOSER_LOCATION", "europe-west1")
    monkeypatch.setenv("GCP_PROJECT", "my-project")
    assert instance_name(None) == "my-project-europe-west1-etl"
    monkeypatch.setenv("AIRFLOW__DATAOPS__INSTANCE", "configured")
    assert instance_name(None) == "configured"
    assert instance_name("mine") == "mine"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://airflow.example.com/prod/", "airflow.example.com/prod"),
        ("https://airflow.example.com:8443", "airflow.example.com:8443"),
        ("http://localhost:8080", UNNAMED),
        ("", UNNAMED),
    ],
)
def test_else_it_is_the_address_of_the_web_server(monkeypatch: pytest.MonkeyPatch, url: str, name: str) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", url)
    monkeypatch.setenv("AIRFLOW__WEBSERVER__BASE_URL", url)
    assert instance_name(None) == name


def test_mapped_tasks_differ_and_a_cluster_that_is_shared_has_its_makers_name() -> None:
    one, two = (identity_of({"ti": Ti(map_index=index)}, "i") for index in (0, 1))
    assert one != two
    assert identity_of({"ti": Ti(map_index=None)}, "i").map_index == -1
    assert identity_of({"ti": Ti()}, "i", "group.create").task_id == "group.create"


@pytest.mark.parametrize(
    ("number", "max_tries", "retries", "since"),
    [(1, 2, 2, 1), (3, 2, 2, 1), (2, 3, 2, 2), (4, 5, 2, 4), (2, 2, 0, 2), (1, 0, 2, 1), (1, None, 0, 1)],
)
def test_a_success_counts_since_the_task_was_last_cleared(
    number: int, max_tries: int | None, retries: int, since: int
) -> None:
    assert tries_of({"ti": Ti(try_number=number, max_tries=max_tries), "task": Task(retries)}) == (number, since)


@pytest.fixture
def links_as_before() -> Iterator[None]:
    """A clear makes Airflow 3 read DAGs without their links, in this process from then on."""
    from airflow.serialization import serialized_objects

    names = ("DagSerialization", "OperatorSerialization")
    kinds = [getattr(serialized_objects, name) for name in names if hasattr(serialized_objects, name)]
    yield
    for kind in kinds:
        kind._load_operator_extra_links = True


@pytest.mark.usefixtures("links_as_before")
def test_airflows_own_counters_say_so_after_a_retry_and_after_a_clear(run_dag: Callable[..., Any]) -> None:
    from airflow.providers.common.compat.sdk import DAG, BaseOperator

    seen: list[tuple[int, int]] = []

    class Probe(BaseOperator):
        def execute(self, context: Any) -> None:
            seen.append(tries_of(context))
            if len(seen) == 1:
                raise ValueError("the first try fails")

    with DAG("identity_tries", schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC), catchup=False) as dag:
        Probe(task_id="probe", retries=2, retry_delay=timedelta(0))
    when = datetime(2024, 1, 2, tzinfo=UTC)
    run = run_dag(dag, when)
    assert run.state == "success"
    assert seen == [(1, 1), (2, 1)]

    # As the web server and the command clear it; the next try's number is given where it is scheduled.
    from airflow.models.taskinstance import clear_task_instances
    from airflow.utils.session import create_session

    with create_session() as session:
        [ti] = run.get_task_instances(session=session)
        # Airflow 2 would look for the DAG in its database, where this one is not.
        known = {"dag": dag} if "dag" in inspect.signature(clear_task_instances).parameters else {}
        clear_task_instances([ti], session, **known)
        session.flush()
        ti.try_number += 1
        assert tries_of({"ti": ti, "task": dag.get_task("probe")}) == (3, 3)
