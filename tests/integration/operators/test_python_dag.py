# SPDX-License-Identifier: Apache-2.0
"""A DAG in Python, with the operators and the real jobs, on data with known flaws."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytestmark = [pytest.mark.airflow, pytest.mark.integration]

WHEN = datetime(2024, 1, 2, tzinfo=UTC)
FULL = {"kind": "full"}


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """Ten rows: two without a tail number, one twice, one with a distance of 0."""
    tail = [None, None, "N1", "N2", "N2", "N3", "N4", "N5", "N6", "N7"]
    flight = [1, 2, 3, 4, 4, 5, 6, 7, 8, 9]
    distance = [100, 100, 0, 200, 200, 300, 400, 500, 600, 700]
    bronze = tmp_path / "bronze"
    bronze.mkdir()
    pq.write_table(pa.table({"tail": tail, "flight": flight, "distance": distance}), bronze / "a.parquet")
    return tmp_path


def pipeline(lake: Path, name: str, *, gate: dict[str, Any] | None = None, errors: list[str] | None = None) -> Any:
    from airflow.providers.common.compat.sdk import DAG

    from airflow_dataops.operators.dq_gate import DataQualityGateOperator
    from airflow_dataops.operators.refine import RefineTableOperator, RunReportOperator

    told = errors if errors is not None else []
    source = {"path": f"{lake}/bronze"}
    with DAG(
        name,
        schedule=None,
        start_date=datetime(2024, 1, 1, tzinfo=UTC),
        default_args={
            "retries": 2,
            "retry_delay": timedelta(0),
            "on_failure_callback": lambda context: told.append(str(context["exception"])),
        },
    ) as dag:
        check = DataQualityGateOperator(
            task_id="gate",
            lake=str(lake),
            source=source,
            slice=FULL,
            **(gate or {"rules": [{"not_null": "tail"}], "on_failure": "quarantine"}),
        )
        refine = RefineTableOperator(
            task_id="refine",
            lake=str(lake),
            source=source,
            slice=FULL,
            target={"path": f"{lake}/silver"},
            exclude=["gate"],
            gates=["gate"],
            clean={"keep_if": ["distance > 0"], "dedup": {"keys": ["flight"]}},
            masks={"tail": {"kind": "sha256", "salt": {"secret": "env:TEST_SALT"}}},
        )
        report = RunReportOperator(task_id="report", lake=str(lake), title="Flights", steps=["gate", "refine"])
        check >> refine >> report.as_teardown(on_failure_fail_dagrun=False)
    return dag


def pulled(run: Any, task: str) -> Any:
    return run.get_task_instance(task).xcom_pull(task_ids=task)


def silver(lake: Path) -> Any:
    return pq.read_table(lake / "silver").to_pylist()


def test_bad_rows_are_put_aside_and_the_rest_is_published(
    run_dag: Callable[..., Any], lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_SALT", "s3cr3t-salt")
    run = run_dag(pipeline(lake, "py_good"), WHEN)
    assert run.state == "success"
    assert (pulled(run, "gate")["verdict"], pulled(run, "gate")["rows"]["quarantined"]) == ("quarantined", 2)
    rows = pulled(run, "refine")["rows"]
    assert (rows["written"], rows["deduplicated"], sum(rows["dropped"].values())) == (6, 1, 1)
    published = silver(lake)
    assert sorted(row["flight"] for row in published) == [4, 5, 6, 7, 8, 9]
    assert all(len(row["tail"]) == 64 for row in published)
    page = lake / ".dataops/runs/py_good/2024-01-02T000000/report.html"
    assert "Flights" in page.read_text()
    told = pulled(run, "report")
    assert (told["verdict"], told.get("published"), told.get("table")) == ("quarantined", True, f"{lake}/silver")
    records = "".join(file.read_text(errors="ignore") for file in (lake / ".dataops").rglob("*") if file.is_file())
    assert "s3cr3t-salt" not in records


def test_a_gate_that_fails_says_why_leaves_the_table_alone_and_still_makes_the_page(
    run_dag: Callable[..., Any], lake: Path
) -> None:
    errors: list[str] = []
    gate = {"rules": [{"not_null": "tail"}], "on_failure": "fail"}
    run = run_dag(pipeline(lake, "py_bad", gate=gate, errors=errors), WHEN)
    assert run.state == "failed"
    states = [str(run.get_task_instance(task).state) for task in ("gate", "refine", "report")]
    assert states == ["failed", "upstream_failed", "success"]
    assert run.get_task_instance("gate").try_number == 1
    assert "2 of 10 rows break not_null(tail), for example: tail=NULL" in errors[0]
    assert not (lake / "silver").exists()
    assert pulled(run, "report")["verdict"] == "failed"


def test_a_source_that_is_not_there_fails_at_once_with_its_path(run_dag: Callable[..., Any], lake: Path) -> None:
    errors: list[str] = []
    (lake / "bronze" / "a.parquet").unlink()
    run = run_dag(pipeline(lake, "py_missing", errors=errors), WHEN)
    assert (run.state, run.get_task_instance("gate").try_number) == ("failed", 1)
    assert "SOURCE_MISSING" in errors[0]
    assert f"{lake}/bronze" in errors[0]


def test_the_same_run_twice_leaves_the_same_table(
    run_dag: Callable[..., Any], lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_SALT", "s3cr3t-salt")
    first = run_dag(pipeline(lake, "py_twice"), WHEN)
    before = silver(lake)
    second = run_dag(pipeline(lake, "py_twice"), WHEN)
    assert [str(run.state) for run in (first, second)] == ["success", "success"]
    assert sorted(silver(lake), key=json.dumps) == sorted(before, key=json.dumps)
