# SPDX-License-Identifier: Apache-2.0
"""composer_dask as Airflow has it: one task, or a setup, jobs and a teardown; nothing of it needs a cloud to be loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.dag_factories.realise.serializing import PROJECT, serialized

pytestmark = pytest.mark.airflow

DagOf = Callable[..., Any]
ONE = """\
version: 1
kind: composer_dask
name: orders
schedule: "@daily"
start_date: 2024-01-01
defaults: {retries: 1}
jobs:
  - {name: count, function: "work:count", args: {day: "${run.date}"}}
"""
SEVERAL = (
    ONE
    + """\
  - {name: merge, function: "work:merge", after: [count]}
  - {name: other, function: "work:other"}
"""
)


def test_one_job_is_one_task(dag_of: DagOf) -> None:
    [task] = dag_of(project=PROJECT, text=ONE).tasks
    assert (task.task_id, type(task).__name__, task.retries) == ("count", "DataprocDaskJobOperator", 1)
    assert task.job["args"]["day"] == "{{ dataops.run(dag_run, 'date') }}"
    assert task.cluster["project"] == "my-project"


def test_a_cluster_is_kept_for_a_look_only_where_one_task_has_it(dag_of: DagOf) -> None:
    project = f"{PROJECT}      policy: {{keep_failed_for: 30m, attempts: 2}}\n"
    [alone] = dag_of(project=project, text=ONE).tasks
    assert alone.policy == {"keep_failed_for": 1800, "attempts": 2}
    for task in ("create_cluster", "count", "delete_cluster"):
        assert dag_of(project=project, text=SEVERAL).get_task(task).policy == {"attempts": 2}


def test_several_jobs_stand_between_a_setup_and_a_teardown(dag_of: DagOf) -> None:
    dag = dag_of(project=PROJECT, text=SEVERAL)
    create, delete = dag.get_task("create_cluster"), dag.get_task("delete_cluster")
    assert (create.is_setup, delete.is_teardown, delete.on_failure_fail_dagrun) == (True, True, False)
    assert create.downstream_task_ids == {"count", "other", "delete_cluster"}
    assert delete.upstream_task_ids == {"create_cluster", "count", "merge", "other"}
    for job in ("count", "merge", "other"):
        setups = {task.task_id for task in dag.get_task(job).get_upstreams_only_setups_and_teardowns()}
        assert setups == {"create_cluster", "delete_cluster"}


def test_each_job_finds_the_cluster_by_the_task_that_makes_it(dag_of: DagOf) -> None:
    dag = dag_of(project=PROJECT, text=SEVERAL)
    named = {task.task_id: task.cluster_task_id for task in dag.tasks if hasattr(task, "cluster_task_id")}
    assert named == dict.fromkeys(["count", "merge", "other", "delete_cluster"], "create_cluster")


def test_the_last_task_hears_of_every_failure(dag_of: DagOf) -> None:
    gone = dag_of(project=PROJECT, text=SEVERAL).get_task("cluster_gone")
    assert (gone.trigger_rule, gone.is_teardown) == ("none_failed", False)
    assert gone.upstream_task_ids == {"count", "merge", "other", "delete_cluster"}
    assert gone.downstream_task_ids == set()


@pytest.mark.parametrize("text", [ONE, SEVERAL])
@pytest.mark.parametrize("target", ["gcp", "local"])
def test_the_dag_can_be_serialized(text: str, target: str, dag_of: DagOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAOPS_TARGET", target)
    dag = dag_of(project=PROJECT, text=text)
    assert len(serialized(dag)["tasks"]) == len(dag.tasks)


def test_on_a_laptops_airflow_the_same_dag_has_local_tasks(dag_of: DagOf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAOPS_TARGET", "local")
    dag = dag_of(project=PROJECT, text=SEVERAL)
    edges = {task.task_id: (type(task).__name__, task.upstream_task_ids) for task in dag.tasks}
    assert edges == {
        "count": ("DaskJobOperator", set()),
        "merge": ("DaskJobOperator", {"count"}),
        "other": ("DaskJobOperator", set()),
    }
