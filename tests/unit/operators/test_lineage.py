# SPDX-License-Identifier: Apache-2.0
"""What OpenLineage is told, in its own classes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
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


def test_staging_alone_has_no_output(lineage_of: Callable[[Any], Any], tmp_path: Path) -> None:
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
    assert (len(found.inputs), found.outputs) == (1, [])
