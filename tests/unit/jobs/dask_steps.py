# SPDX-License-Identifier: Apache-2.0
"""Steps of a pipeline, run on Dask or on DuckDB, and what they leave in a form in which it can be compared."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from airflow_dataops.core.dq_gate.spec import GateResult, GateSpec
from airflow_dataops.core.layout import RunLayout
from airflow_dataops.core.refine.spec import PublishResult, PublishSpec, RefineResult, RefineSpec
from airflow_dataops.jobs import dq_gate, process, publish, refine
from airflow_dataops.jobs.on_dask import run_step
from airflow_dataops.jobs.records import read_result
from tests.comparing import document, rows_aside

JOBS: dict[str, Any] = {
    "dq_gate": (GateSpec, dq_gate.run, GateResult),
    "refine": (RefineSpec, refine.run, RefineResult),
    "publish": (PublishSpec, publish.run, PublishResult),
}


def run_all(made: list[dict[str, Any]], lake: Path, client: Any) -> list[Any]:
    """Run the steps; return their results, bad rows and the table."""
    for step in made:
        if step["engine"] == "dask":
            run_step(client, **step)
            continue
        spec_type, run, _ = JOBS[step["job"]]
        assert process.execute(spec_type.model_validate(step), run).status == "ok"
    layout = RunLayout(str(lake), "p", "k")
    results = {step["task"]: read_result(layout, step["task"], JOBS[step["job"]][2]) for step in made}
    documents = {task: unplaced(document(result, str(lake)), task) for task, result in results.items() if result}
    bad = sorted(without_place(row) for row in rows_aside(lake))
    return [documents, bad, sorted(map(repr, pq.read_table(lake / "silver").to_pylist()))]


def unplaced(found: dict[str, Any], task: str) -> dict[str, Any]:
    """Staged files have other names, numbers and sizes; so do the places of rows in them."""
    staged = {"files_added", *(("fingerprint", "bytes_read") if task == "silver" else ())}
    rules = [{k: v for k, v in rule.items() if k != "examples" or task != "silver"} for rule in found.get("rules", [])]
    return {k: rules if k == "rules" else v for k, v in found.items() if k not in staged}


def without_place(row: str) -> str:
    return re.sub(r"'_dataops_source_file': '[^']*/staging/[^']*', '_dataops_source_row': \d+", "", row)
