# SPDX-License-Identifier: Apache-2.0
"""bronze_to_silver on clusters as Airflow has it; nothing of it needs a cloud to be loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.dag_factories.realise.conftest import MINIMAL
from tests.unit.dag_factories.realise.serializing import PROJECT, serialized

pytestmark = pytest.mark.airflow

DagOf = Callable[..., Any]
TEXT = (
    MINIMAL.replace("bronze/orders", "bronze/${run.date}").replace("full: true\n", "")
    + """\
columns: {mail: {mask: {kind: sha256, salt: "${env:SALT}"}}}
quality: {bronze: {suite: orders.json, on_failure: fail}}
"""
)
ALERTS = "alerts: {pager: {notifier: log}, chat: {notifier: log}}\n"


@pytest.fixture
def make(dag_of: DagOf, tmp_path: Any) -> DagOf:
    (tmp_path / "orders.json").write_text('{"expectations": []}')

    def one(more: str = "") -> Any:
        return dag_of(project=PROJECT + ALERTS, text=TEXT + more)

    return one


def test_what_only_a_run_knows_is_rendered_when_the_task_runs(make: DagOf, tmp_path: Any) -> None:
    dag = make()
    args = dag.get_task("gate_bronze").job["args"]
    assert args["source"]["path"] == "gs://lake/bronze/{{ dataops.run(dag_run, 'date') }}"
    assert args["suite"] == str(tmp_path / "orders.json")
    assert args["masks"]["mail"]["salt"] == {"secret": "env:SALT"}
    assert "job" in dag.get_task("gate_bronze").template_fields


def test_the_report_is_a_teardown_before_the_cluster_is_deleted(make: DagOf) -> None:
    dag = make()
    report, delete = dag.get_task("report"), dag.get_task("delete_cluster")
    assert (report.is_teardown, delete.is_teardown, dag.get_task("create_cluster").is_setup) == (True, True, True)
    assert report.upstream_task_ids == {"create_cluster", "publish"}
    assert {"report", "publish", "create_cluster"} < delete.upstream_task_ids
    assert dag.get_task("cluster_gone").upstream_task_ids == {"gate_bronze", "refine", "publish", "delete_cluster"}


def test_the_table_is_an_asset_of_the_task_that_publishes(make: DagOf) -> None:
    outlets = {task.task_id: [asset.uri for asset in task.outlets] for task in make().tasks if task.outlets}
    assert outlets == {"publish": ["gs://lake/silver/orders"]}


def test_the_report_tells_the_verdict_and_every_task_a_failure(make: DagOf) -> None:
    dag = make("alerts: {critical: pager, warning: chat}\n")
    assert dag.get_task("report").on_success_callback
    assert all(task.on_failure_callback for task in dag.tasks)


def test_it_survives_serialisation(make: DagOf) -> None:
    dag = make()
    assert len(serialized(dag)["tasks"]) == len(dag.tasks) == 7
