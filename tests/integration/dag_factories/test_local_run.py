# SPDX-License-Identifier: Apache-2.0
"""DAG runs with real tasks, real jobs and a real database: one in an Airflow home of its own, and one for each failure."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_dataops.core.errors import DataOpsError
from dag_factories import load_dag
from dag_factories.realise.local_run import HOME, run_in_airflow
from dag_factories.run import run_pipeline

pytestmark = [pytest.mark.integration, pytest.mark.airflow]

NOW = datetime(2024, 2, 1, 12, tzinfo=UTC)
TASKS = ["gate_bronze", "refine", "gate_silver", "publish"]
PIPELINE = """\
version: 1
kind: bronze_to_silver
name: orders
schedule: "@daily"
start_date: 2024-01-01
timezone: Europe/Paris
defaults: {retries: 0}
source: {path: "${lake}/bronze/orders"}
target: {path: "${lake}/silver/orders"}
window: {column: at, size: day}
clean: {cast: {amount: bigint}}
quality:
  bronze: {rules: [{not_null: id}], on_failure: fail}
  silver: {rules: [{row_count: {min: 1}}]}
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Return ``write(name, ids, amounts, text=PIPELINE)``: a pipeline file with its data and its stub."""

    def go(name: str, ids: list[int | None], amounts: list[str], text: str = PIPELINE) -> Path:
        bronze = tmp_path / "lake" / "bronze" / "orders"
        bronze.mkdir(parents=True)
        at = [datetime(2024, 1, 31, 12, tzinfo=UTC)] * len(ids)
        pq.write_table(pa.table({"id": pa.array(ids, pa.int64()), "at": at, "amount": amounts}), bronze / "o.parquet")
        (tmp_path / "dataops.yaml").write_text("version: 1\n")
        (tmp_path / f"{name}.py").write_text('"""The airflow dag."""\n')
        file = tmp_path / f"{name}.yaml"
        file.write_text(text.replace("name: orders", f"name: {name}"))
        return file

    return go


def test_a_run_in_a_home_of_its_own_is_the_one_of_the_schedule(write: Callable[..., Path]) -> None:
    file = write("orders", [1, 2], ["1", "2"])
    lines: list[str] = []
    [outcome] = run_in_airflow(file, dates="2024-01-31", now=NOW, progress=lines.append)
    [again] = run_pipeline(file, dates="2024-01-31", now=NOW)
    assert not outcome.failed
    assert outcome.run.key == "2024-01-30T230000"
    assert outcome.run.interval() == (datetime(2024, 1, 30, 23, tzinfo=UTC), datetime(2024, 1, 31, 23, tzinfo=UTC))
    assert again.run == outcome.run
    assert [(step.task, step.rows) for step in again.steps] == [(step.task, step.rows) for step in outcome.steps]
    assert [line.partition(":")[0] for line in lines[1::2]] == [*TASKS, "report"]


def test_when_airflow_itself_fails_its_log_is_named(write: Callable[..., Path]) -> None:
    file = write("orders", [1], ["1"])
    home = file.parent / HOME
    home.mkdir(parents=True)
    (home / "airflow.db").write_text("this is no database")
    with pytest.raises(DataOpsError, match=r"(?s)AIRFLOW_FAILED.*run\.log"):
        list(run_in_airflow(file, dates="2024-01-31", now=NOW))


def _nothing(project: Path) -> None:
    """Leave the project as it is."""


def _table_is_a_file(project: Path) -> None:
    (project / "lake" / "silver").mkdir(parents=True)
    (project / "lake" / "silver" / "orders").write_text("not a table")


FAILURES: dict[str, Any] = {
    "gate_bronze": ([None], ["1"], PIPELINE, _nothing),
    "refine": ([1], ["many"], PIPELINE, _nothing),
    "gate_silver": ([1], ["1"], PIPELINE.replace("min: 1", "min: 9"), _nothing),
    "publish": ([1], ["1"], PIPELINE, _table_is_a_file),
}


@pytest.mark.parametrize("failing", FAILURES)
def test_a_run_is_failed_after_a_real_failure_and_has_its_page(
    write: Callable[..., Path], run_dag: Callable[..., Any], failing: str
) -> None:
    ids, amounts, text, spoil = FAILURES[failing]
    file = write(f"fails_at_{failing}", ids, amounts, text)
    spoil(file.parent)
    dag_run = run_dag(load_dag(str(file.with_suffix(".py"))), datetime(2024, 2, 1, 12, tzinfo=UTC))
    states = {instance.task_id: str(instance.state) for instance in dag_run.get_task_instances()}
    at = TASKS.index(failing)
    assert [states[task] for task in TASKS] == [*["success"] * at, "failed", *["upstream_failed"] * (3 - at)]
    assert (states["report"], str(dag_run.state)) == ("success", "failed")
    [result] = (file.parent / "lake" / ".dataops" / "runs" / file.stem).glob("*/result.json")
    assert json.loads(result.read_text())["verdict"] == "failed"
    assert (result.parent / "report.html").is_file()
