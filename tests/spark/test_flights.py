# SPDX-License-Identifier: Apache-2.0
"""The flights pipeline as it is in its YAML file, on DuckDB and on Spark: the same table, quarantine, counts and verdicts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from airflow_dataops.core.dq_gate.spec import GateSpec
from airflow_dataops.core.refine.spec import PublishSpec, RefineSpec
from airflow_dataops.core.tables import EngineName
from airflow_dataops.jobs import dq_gate, process, publish, refine
from tests.comparing import document, rows_aside
from tests.faults.tables import read_parquet_table
from tests.spark.comparing import ENGINES, RUN, assert_same

pytest.importorskip("pyspark", reason="engine spark has environments of its own: make test-spark")
pytestmark = pytest.mark.usefixtures("spark")
EXAMPLES = Path(__file__).parents[2] / "example_dags"


def run_all(lake: Path, engine: EngineName) -> list[Any]:
    """Run the pipeline's steps over one month; returns their results."""
    pipeline = yaml.safe_load((EXAMPLES / "flights.yaml").read_text())
    bronze, silver = pipeline["quality"]["bronze"], pipeline["quality"]["silver"]
    suite = json.loads((EXAMPLES / bronze.pop("suite")).read_text())
    source = {"path": str(EXAMPLES / "lake/bronze/flights/2013/01")}
    target = {"path": f"{lake}/silver", "partition_by": pipeline["target"]["partition_by"]}
    masks = {"tailnum": {"kind": "sha256"}}
    common = {"lake": str(lake), "run": RUN, "slice": {"kind": "full"}, "engine": engine}
    gate: dict[str, Any] = {"commit_quarantine": False, **common}
    steps: list[tuple[Any, Any, dict[str, Any]]] = [
        (dq_gate, GateSpec, {**gate, "task": "bronze", "source": source, "suite": suite, "masks": masks, **bronze}),
        (refine, RefineSpec, {**common, "task": "refine", "source": source, "clean": pipeline["clean"], "target": target,
                              "masks": masks, "exclude": ["bronze"]}),
        (dq_gate, GateSpec, {**gate, "task": "silver", **silver}),
        (publish, PublishSpec, {**common, "task": "publish", "target": target, "gates": ["bronze", "silver"]}),
    ]  # fmt: skip
    results = [process.execute(kind.model_validate(fields), job.run, {}, lambda _: None) for job, kind, fields in steps]
    assert [result.error for result in results] == [None] * 4
    # What is staged and published are other files, of other sizes.
    return [_without(document(result, str(lake)), "bytes_read", "fingerprint", "files_added") for result in results]


@pytest.mark.timeout(900)
def test_flights_are_the_same_on_both_engines(tmp_path: Path) -> None:
    duckdb, spark = (run_all(tmp_path / engine, engine) for engine in ENGINES)
    table, bad = ([of(tmp_path / engine) for engine in ENGINES] for of in (_table, rows_aside))
    assert table[1] == table[0]
    assert bad[1] == bad[0]
    assert len(table[0]) > 25_000
    assert_same(spark, duckdb)


def _without(result: Any, *names: str) -> Any:
    return {name: value for name, value in result.items() if name not in names}


def _table(lake: Path) -> Any:
    return read_parquet_table(f"{lake}/silver")
