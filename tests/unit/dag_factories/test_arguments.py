# SPDX-License-Identifier: Apache-2.0
"""Arguments are merged from the package, the project, the file and the task, the last wins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dag_factories.arguments import common_arguments, dag_arguments, task_arguments
from dag_factories.project import Project, ProjectSpec
from dag_factories.specs.bronze_to_silver import BronzeToSilverSpec


def spec(**changes: Any) -> BronzeToSilverSpec:
    base = {"version": 1, "kind": "bronze_to_silver", "name": "x", "source": {"path": "a"}, "target": {"path": "b"}}
    return BronzeToSilverSpec.model_validate({**base, **changes})


def project(**defaults: Any) -> Project:
    return Project(Path("/p"), ProjectSpec.model_validate({"version": 1, "defaults": defaults}))


def arguments_of(made: BronzeToSilverSpec, home: Project, task_id: str) -> dict[str, Any]:
    return task_arguments(made, common_arguments(made, home), task_id)


def test_without_a_word_there_are_three_retries_five_minutes_apart_and_growing() -> None:
    assert arguments_of(spec(), project(), "refine") == {
        "retries": 3,
        "retry_delay": 300,
        "retry_exponential_backoff": True,
    }


def test_the_nearest_word_wins() -> None:
    home = project(retries=1, pool="project", queue="q", owner="team")
    made = spec(owner="me", defaults={"pool": "file", "retries": 0}, tasks={"refine": {"pool": "task"}})
    assert arguments_of(made, home, "refine") == {
        "retries": 0,
        "retry_delay": 300,
        "retry_exponential_backoff": True,
        "pool": "task",
        "queue": "q",
        "owner": "me",
    }
    assert arguments_of(made, home, "publish")["pool"] == "file"


def test_a_default_that_is_written_down_wins_over_the_project() -> None:
    assert (
        dag_arguments(spec(catchup=False, schedule=None), project(dag={"catchup": True, "schedule": "@daily"}))[
            "catchup"
        ]
        is False
    )
    assert dag_arguments(spec(schedule=None), project(dag={"schedule": "@daily"}))["schedule"] is None
    assert dag_arguments(spec(), project(dag={"schedule": "@daily"}))["schedule"] == "@daily"


def test_dag_arguments_have_airflows_names_and_are_json_safe() -> None:
    made = spec(
        description="one line",
        doc="# text",
        schedule={"assets": ["${lake}/silver/x"]},
        start_date="2024-01-01",
        timezone="Europe/Paris",
        dag={"dagrun_timeout": "1h", "on_failure_callback": "pager", "params": {"a": 1}},
    )
    assert dag_arguments(made, project()) == {
        "description": "one line",
        "doc_md": "# text",
        "schedule": {"assets": ["${lake}/silver/x"]},
        "start_date": "2024-01-01",
        "timezone": "Europe/Paris",
        "catchup": False,
        "tags": [],
        "dagrun_timeout": 3600,
        "on_failure_callback": ["pager"],
        "params": {"a": 1},
    }


def test_tags_add_up_once_each() -> None:
    assert dag_arguments(spec(tags=["b", "c"]), project(dag={"tags": ["a", "b"]}))["tags"] == ["a", "b", "c"]
