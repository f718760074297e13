# SPDX-License-Identifier: Apache-2.0
"""Runs without Airflow; the jobs are real, and the data is small."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.tables import JobResult, Resources
from dag_factories.findings import PipelineError
from dag_factories.run import RunOutcome, run_pipeline

NOW = datetime(2024, 2, 1, 12, tzinfo=UTC)
PIPELINE = """\
version: 1
kind: bronze_to_silver
name: orders
schedule: "@daily"
start_date: 2024-01-01
source: {path: "${lake}/bronze/orders"}
target: {path: "${lake}/silver/orders"}
quality:
  bronze: {rules: [{not_null: id}], on_failure: quarantine}
  silver: {rules: [{row_count: {min: 1}}]}
"""
FULL = PIPELINE + "full: true\n"
TASKS = ["gate_bronze", "refine", "gate_silver", "publish", "report"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    bronze = tmp_path / "lake" / "bronze" / "orders"
    bronze.mkdir(parents=True)
    days = [datetime(2024, 1, day, 12, tzinfo=UTC) for day in (29, 30, 31, 31)]
    pq.write_table(pa.table({"id": [1, 2, 3, None], "at": days}), bronze / "orders.parquet")
    (tmp_path / "dataops.yaml").write_text("version: 1\n")
    (tmp_path / "orders.yaml").write_text(FULL)
    return tmp_path


@pytest.fixture
def run(project: Path) -> Callable[..., list[RunOutcome]]:
    """Return ``run(text=FULL, **arguments)`` -> outcomes."""

    def go(text: str = FULL, **arguments: Any) -> list[RunOutcome]:
        (project / "orders.yaml").write_text(text)
        return list(run_pipeline(project / "orders.yaml", now=NOW, **arguments))

    return go


def silver(project: Path) -> list[int]:
    return sorted(pq.read_table(project / "lake" / "silver" / "orders").column("id").to_pylist())


def errors(outcome: RunOutcome) -> dict[str, str]:
    return {step.task: step.error["code"] for step in outcome.steps if step.error}


def test_every_task_runs_in_order(run: Callable[..., list[RunOutcome]], project: Path) -> None:
    [outcome] = run()
    assert ([step.task for step in outcome.steps], outcome.skipped, outcome.failed) == (TASKS, (), False)
    assert silver(project) == [1, 2, 3]


def test_the_result_is_that_of_the_report(run: Callable[..., list[RunOutcome]]) -> None:
    [outcome] = run()
    assert outcome.result is not None
    assert (outcome.result.verdict, outcome.result.rows.read, outcome.result.rows.quarantined) == ("quarantined", 4, 1)


def test_without_a_date_the_last_interval_that_is_over_is_run(run: Callable[..., list[RunOutcome]]) -> None:
    [outcome] = run()
    assert outcome.run.key == "2024-01-31T000000"
    assert outcome.run.interval() == (datetime(2024, 1, 31, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC))


def test_a_pipeline_without_a_schedule_runs_without_an_interval(run: Callable[..., list[RunOutcome]]) -> None:
    [outcome] = run(FULL.replace('schedule: "@daily"\n', ""))
    assert (outcome.run.key, outcome.run.has_interval, outcome.failed) == ("manual", False, False)


def test_a_range_of_dates_is_one_run_each_and_each_owns_its_rows(
    run: Callable[..., list[RunOutcome]], project: Path
) -> None:
    text = PIPELINE + "window: {column: at, size: day}\n"
    outcomes = run(text, dates="2024-01-30..2024-01-31")
    assert [outcome.run.key for outcome in outcomes] == ["2024-01-30T000000", "2024-01-31T000000"]
    assert silver(project) == [2, 3]


def test_a_rerun_gives_the_same_table(run: Callable[..., list[RunOutcome]], project: Path) -> None:
    run()
    run()
    assert silver(project) == [1, 2, 3]


def test_a_gate_that_fails_skips_the_rest_but_not_the_report(
    run: Callable[..., list[RunOutcome]], project: Path
) -> None:
    [outcome] = run(FULL.replace("on_failure: quarantine", "on_failure: fail"))
    assert [step.task for step in outcome.steps] == ["gate_bronze", "report"]
    assert (outcome.skipped, outcome.failed) == (("refine", "gate_silver", "publish"), True)
    assert outcome.result is not None
    assert outcome.result.verdict == "failed"
    assert not (project / "lake" / "silver").exists()


def test_a_failed_run_does_not_stop_the_next(run: Callable[..., list[RunOutcome]]) -> None:
    text = PIPELINE.replace("on_failure: quarantine", "on_failure: fail") + "window: {column: at, size: day}\n"
    assert [outcome.failed for outcome in run(text, dates="2024-01-29..2024-01-31")] == [False, False, True]


def test_a_source_that_is_missing_fails_the_run(run: Callable[..., list[RunOutcome]]) -> None:
    [outcome] = run(FULL.replace("bronze/orders", "bronze/nothing"))
    assert errors(outcome)["gate_bronze"] == "SOURCE_MISSING"


def test_a_reference_that_is_not_set_fails_the_task_and_is_reported(
    run: Callable[..., list[RunOutcome]], project: Path
) -> None:
    [outcome] = run(FULL.replace("bronze/orders", "bronze/${env:NO_SUCH_FOLDER}"))
    assert errors(outcome)["gate_bronze"] == "SECRET_MISSING"
    assert outcome.steps[-1].task == "report"


def test_references_are_read_from_the_environment(
    run: Callable[..., list[RunOutcome]], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_FOLDER", "orders")
    [outcome] = run(FULL.replace("bronze/orders", "bronze/${var:folder}"))
    assert not outcome.failed


def test_a_secret_is_in_no_document(
    run: Callable[..., list[RunOutcome]], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SALT", "hush-hush")
    [outcome] = run(FULL + "columns: {id: {mask: {kind: sha256, salt: '${env:SALT}'}}}\n")
    assert not outcome.failed
    documents = [path for path in (project / "lake" / ".dataops").rglob("*") if path.is_file()]
    assert documents
    assert not [path for path in documents if b"hush-hush" in path.read_bytes()]


def test_each_step_leaves_its_spec_and_result(run: Callable[..., list[RunOutcome]], project: Path) -> None:
    run()
    steps = project / "lake/.dataops/runs/orders/2024-01-31T000000/steps"
    assert sorted(path.name for path in steps.iterdir()) == sorted(
        f"{task}.{kind}.json" for task in TASKS for kind in ("spec", "result")
    )
    assert json.loads((steps / "refine.spec.json").read_text())["source"]["path"] == f"{project}/lake/bronze/orders"


def test_progress_and_results_are_told_as_they_come(run: Callable[..., list[RunOutcome]]) -> None:
    lines: list[str] = []
    steps: list[JobResult] = []
    run(progress=lines.append, on_step=steps.append)
    assert [step.task for step in steps] == TASKS
    assert [line.partition(":")[0] for line in lines if line.partition(":")[0] in TASKS] == TASKS


def test_a_pipeline_with_an_error_is_not_run(run: Callable[..., list[RunOutcome]], project: Path) -> None:
    with pytest.raises(PipelineError, match="UNKNOWN_KEY"):
        run(FULL + "ownr: me\n")
    assert not (project / "lake" / ".dataops").exists()


@pytest.mark.parametrize(
    ("arguments", "code"), [({"target": "nowhere"}, "UNKNOWN_TARGET"), ({"dates": "soon"}, "BAD_DATE")]
)
def test_wrong_arguments_are_refused(
    run: Callable[..., list[RunOutcome]], arguments: dict[str, str], code: str
) -> None:
    with pytest.raises(SpecError) as caught:
        run(**arguments)
    assert caught.value.code == code


def test_given_limits_go_before_those_of_the_pipeline(run: Callable[..., list[RunOutcome]], project: Path) -> None:
    lines: list[str] = []
    text = FULL + "resources: {threads: 3, memory: 300MB}\n"
    [outcome] = run(text, resources=Resources(threads=1, spill_dir=f"{project}/spill"), progress=lines.append)
    record = project / "lake/.dataops/runs/orders" / outcome.run.key / "steps/refine.spec.json"
    limits = json.loads(record.read_text())["resources"]
    assert limits == {"memory_bytes": 300 * 2**20, "threads": 1, "spill_dir": f"{project}/spill"}
    assert lines[0].startswith("engine: 1 thread, ")
    assert lines[0].endswith(f"spill in {project}/spill")


def test_the_limits_are_said_once_for_a_range(run: Callable[..., list[RunOutcome]]) -> None:
    lines: list[str] = []
    run(dates="2024-01-29..2024-01-31", progress=lines.append)
    assert [line.partition(":")[0] for line in lines].count("engine") == 1
    assert lines[0].endswith("(all from this container or machine)")


def test_each_day_that_reads_the_months_file_replaces_what_the_day_before_made_of_it(
    run: Callable[..., list[RunOutcome]], project: Path
) -> None:
    bronze = project / "lake" / "bronze" / "orders"
    (bronze / "orders.parquet").rename(bronze / "2024-01.parquet")
    pq.write_table(pa.table({"id": [9], "at": [NOW]}), bronze / "2024-02.parquet")
    run(
        PIPELINE.replace("bronze/orders", "bronze/orders/${run.year}-${run.month}.parquet"),
        dates="2024-01-30..2024-02-02",
    )
    assert silver(project) == [1, 2, 3, 9]
