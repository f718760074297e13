# SPDX-License-Identifier: Apache-2.0
"""What OpenLineage is told, in its own classes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytestmark = pytest.mark.airflow
pytest.importorskip(
    "airflow.providers.openlineage", reason="needs OpenLineage: pip install 'airflow-dataops[openlineage]'"
)

WHEN = datetime(2024, 1, 2, tzinfo=UTC)
FULL = {"kind": "full"}


@pytest.fixture
def lineage_of(stand_in_jobs: None, run_dag: Callable[..., Any]) -> Callable[[Any], Any]:
    """Return a function: run the DAG's only task, and ask it as OpenLineage's extractor does."""

    def ask(dag: Any) -> Any:
        from airflow.providers.openlineage.extractors.base import DefaultExtractor

        [task] = dag.tasks
        ran: list[Any] = []
        task.pre_execute = lambda context: ran.append(context["task"])
        run_dag(dag, WHEN)
        return DefaultExtractor(ran[0]).extract_on_complete(None)

    return ask


def dag_of(name: str) -> Any:
    from airflow.providers.common.compat.sdk import DAG

    return DAG(name, schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC))


def gate(lake: Path) -> None:
    from airflow_dataops.operators.dq_gate import DataQualityGateOperator

    DataQualityGateOperator(task_id="gate", lake=str(lake), slice=FULL, source={"path": "s3a://bucket/bronze/flights"})


@pytest.mark.parametrize(("mode", "success"), [("ok", True), ("bad_rows", False)])
def test_a_gate_tells_its_input_and_each_rules_outcome(
    lineage_of: Callable[[Any], Any], tmp_path: Path, mode: str, success: bool
) -> None:
    (tmp_path / "mode").write_text(mode)
    with dag_of(f"lineage_gate_{mode}") as dag:
        gate(tmp_path)
    found = lineage_of(dag)
    [source] = found.inputs
    assert (source.namespace, source.name, found.outputs) == ("s3://bucket", "bronze/flights", [])
    assert (source.inputFacets["inputStatistics"].rowCount, source.inputFacets["inputStatistics"].size) == (100, 1000)
    [assertion] = source.inputFacets["dataQualityAssertions"].assertions
    assert (assertion.assertion, assertion.column, assertion.success) == ("not_null", "tailnum", success)


def test_a_gate_that_could_not_look_tells_its_input_only(lineage_of: Callable[[Any], Any], tmp_path: Path) -> None:
    (tmp_path / "mode").write_text("storage")
    with dag_of("lineage_storage") as dag:
        gate(tmp_path)
    [source] = lineage_of(dag).inputs
    assert (source.name, source.inputFacets) == ("bronze/flights", {})


def test_refine_and_publish_tell_both_ends_and_the_rows_written(
    lineage_of: Callable[[Any], Any], tmp_path: Path
) -> None:
    from airflow_dataops.operators.refine import RefineTableOperator

    with dag_of("lineage_refine") as dag:
        RefineTableOperator(
            task_id="refine",
            lake=str(tmp_path),
            slice=FULL,
            source={"path": "/lake/bronze"},
            target={"path": "/lake/silver"},
        )
    found = lineage_of(dag)
    assert [(one.namespace, one.name) for one in (*found.inputs, *found.outputs)] == [
        ("file", "/lake/bronze"),
        ("file", "/lake/silver"),
    ]
    written = found.outputs[0].outputFacets["outputStatistics"]
    assert (written.rowCount, written.size, written.fileCount) == (90, 500, 2)


def test_staging_alone_writes_a_dataset_that_all_runs_share(lineage_of: Callable[[Any], Any], tmp_path: Path) -> None:
    from airflow_dataops.operators.refine import RefineTableOperator

    with dag_of("lineage_stage") as dag:
        RefineTableOperator(
            task_id="refine",
            lake=str(tmp_path),
            slice=FULL,
            source={"path": "/b"},
            target={"path": "/s"},
            publish=False,
        )
    found = lineage_of(dag)
    [staged] = found.outputs
    assert (found.inputs[0].name, staged.name) == ("/b", f"{tmp_path}/.dataops/staging/lineage_stage")
    assert staged.outputFacets["outputStatistics"].rowCount == 90


LAKE = "gs://lake/flights"
STEP = {"lake": LAKE, "slice": FULL, "task": "step", "run": {"pipeline": "p", "key": "k1"}}
DONE = {"rows": {"read": 5, "written": 4, "quarantined": 1}, "bytes_read": 9, "bytes_written": 7}
STAGED, TABLE = ("gs://lake", "flights/.dataops/staging/p"), ("s3://other", "silver")


def told(step: dict[str, Any], result: dict[str, Any] | None) -> tuple[list[Any], list[Any]]:
    from airflow_dataops.operators._lineage import of_step

    found = of_step(None, STEP | step, result)
    return found.inputs, found.outputs


def places(datasets: list[Any]) -> list[tuple[str, str]]:
    return [(one.namespace, one.name) for one in datasets]


def test_the_steps_of_a_pipeline_join_source_and_table() -> None:
    refine = {
        "job": "refine",
        "source": {"path": "s3a://raw/orders/day=${run.key}/*.parquet"},
        "target": {"path": "/t"},
    }
    publish = {"job": "publish", "target": {"path": "s3a://other/silver"}}
    first, second = told(refine, DONE), told(publish, {**DONE, "files_added": 2})
    assert (places(first[0]), places(first[1])) == ([("s3://raw", "orders")], [STAGED])
    assert (places(second[0]), places(second[1])) == ([STAGED], [TABLE])
    written = second[1][0].outputFacets["outputStatistics"]
    assert (written.rowCount, written.size, written.fileCount) == (4, 7, 2)


def test_a_gate_over_what_is_staged_reads_that_and_tells_by_severity_what_held() -> None:
    rules = [
        {"passed": True, "severity": "critical"},
        {"passed": True, "severity": "warning"},
        {"passed": False, "severity": "warning"},
    ]
    [source], outputs = told({"job": "dq_gate"}, {**DONE, "rules": rules})
    assert (source.namespace, source.name) == STAGED
    assert outputs == []
    found = source.inputFacets["dataQualityAssertions"].assertions
    assert [(one.assertion, one.success) for one in found] == [("rules_critical", True), ("rules_warning", False)]


@pytest.mark.parametrize(
    ("step", "count"),
    [
        ({"job": "publish", "target": {"path": "/t"}}, None),
        ({"job": "dq_gate", "source": {"path": "/b"}, "commit_quarantine": True, "on_failure": "quarantine"}, 1),
    ],
)
def test_bad_rows_are_a_dataset_where_they_are_committed(step: dict[str, Any], count: int | None) -> None:
    bad = told(step, {**DONE, "quarantine_uri": f"{LAKE}/quarantine/p/run_key=k1"})[1][-1]
    assert (bad.namespace, bad.name) == ("gs://lake", "flights/quarantine/p")
    statistics = bad.outputFacets.get("outputStatistics")
    assert (statistics.rowCount if statistics else None) == count
    assert ("gs://lake", "flights/quarantine/p") not in places(told(step, DONE)[1])


def test_a_step_without_a_result_tells_its_places_only() -> None:
    inputs, outputs = told({"job": "refine", "source": {"path": "/b"}, "target": {"path": "/t"}}, None)
    assert [one.inputFacets for one in inputs] + [one.outputFacets for one in outputs] == [{}, {}]


def test_a_report_tells_nothing() -> None:
    from airflow_dataops.operators._lineage import of_step

    report = {name: value for name, value in STEP.items() if name != "slice"} | {"job": "report", "title": "t"}
    found = of_step(None, report | {"steps": ["step"]}, DONE)
    assert (found.inputs, found.outputs) == ([], [])


@pytest.mark.parametrize("broken", [{"job": "odd"}, {"job": "publish"}, {"job": "refine", "run": None}])
def test_what_cannot_be_told_is_a_line_in_the_log(broken: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    from airflow_dataops.operators._lineage import of_step

    found = of_step(SimpleNamespace(log=logging.getLogger("lineage")), STEP | broken, DONE)
    assert (found.inputs, found.outputs) == ([], [])
    assert "OpenLineage: what the step read and wrote cannot be told" in caplog.text
