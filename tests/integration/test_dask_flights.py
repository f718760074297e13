# SPDX-License-Identifier: Apache-2.0
"""The flights pipeline as it is in its YAML file, on DuckDB and on Dask: the same table, quarantine, counts and verdicts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from tests.dask_cluster import dask_cluster
from tests.unit.jobs.dask_steps import run_all

pytest.importorskip("distributed")
__all__ = ["dask_cluster"]
EXAMPLES = Path(__file__).parents[2] / "example_dags"


def steps(lake: Path, engine: str) -> list[dict[str, Any]]:
    """The pipeline's steps, with all limits at their defaults."""
    pipeline = yaml.safe_load((EXAMPLES / "flights.yaml").read_text())
    bronze, silver = pipeline["quality"]["bronze"], pipeline["quality"]["silver"]
    suite = json.loads((EXAMPLES / bronze.pop("suite")).read_text())
    source = {"path": str(EXAMPLES / "lake/bronze/flights")}
    target = {"path": f"{lake}/silver", "partition_by": pipeline["target"]["partition_by"]}
    masks = {"tailnum": {"kind": "sha256"}}
    common = {"lake": str(lake), "run": {"pipeline": "p", "key": "k"}, "slice": {"kind": "full"}, "engine": engine}
    refine = {"source": source, "clean": pipeline["clean"], "target": target, "masks": masks, "exclude": ["bronze"]}
    gate: dict[str, Any] = {"job": "dq_gate", "commit_quarantine": False, **common}
    return [
        {**gate, "task": "bronze", "source": source, "suite": suite, "masks": masks, **bronze},
        {"job": "refine", "task": "refine", **refine, **common},
        {**gate, "task": "silver", **silver},
        {"job": "publish", "task": "publish", "target": target, "gates": ["bronze", "silver"], **common},
    ]


@pytest.mark.timeout(900)
def test_flights_are_the_same_on_both_engines(dask_cluster: Any, tmp_path: Path) -> None:
    found = [run_all(steps(tmp_path / e, e), tmp_path / e, dask_cluster) for e in ("duckdb", "dask")]
    assert found[1][0] == found[0][0]
    assert found[1][1] == found[0][1]
    assert found[1][2] == found[0][2]
    assert len(found[1][2]) == pq.read_table(tmp_path / "dask/silver").num_rows > 300_000
