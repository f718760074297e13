# SPDX-License-Identifier: Apache-2.0
"""Gate and refine on Dask and on DuckDB, over random tables in random pieces: the same rows, reasons and verdicts."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_dataops.core.dq_gate.spec import GateResult, GateSpec
from airflow_dataops.core.errors import DataOpsError
from airflow_dataops.core.refine.spec import RefineResult, RefineSpec
from airflow_dataops.core.run import RunContext
from airflow_dataops.core.tables import FullSlice, SourceSpec
from airflow_dataops.engines.dask_client import use_client
from airflow_dataops.jobs import dq_gate, refine
from tests.comparing import AGGREGATES, GATE, document, pieces, rows_aside
from tests.dask_cluster import dask_cluster, many_parts
from tests.unit.jobs.gate_model import KEYS, ROW_RULES, TABLES
from tests.unit.jobs.refine_model import SCHEMA, cleanings, rows_of_a_table, spec_of

pytest.importorskip("distributed")
__all__ = ["dask_cluster", "many_parts"]

on_dask = settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def gate(source: str, lake: Path, engine: str, rules: list[Any], client: Any) -> tuple[Any, list[str]]:
    spec = GateSpec(
        task="gate", lake=str(lake), run=RunContext(pipeline="p", key="k"), source=SourceSpec(path=source),
        slice=FullSlice(), rules=rules, on_failure="quarantine", max_quarantine_ratio=0.9, engine=engine,
    )  # fmt: skip
    with use_client(client):
        result: GateResult = dq_gate.run(spec, progress=lambda _: None)
    return document(result, str(lake)), rows_aside(lake)


def cleaned(spec: RefineSpec, lake: Path, client: Any) -> tuple[Any, list[str], list[str]]:
    with use_client(client):
        result: RefineResult = refine.run(spec, progress=lambda _: None)
    files = lake.glob(".dataops/staging/p/k/table/*.parquet")
    rows = sorted(repr(row) for file in files for row in pq.read_table(file).to_pylist())
    return document(result, str(lake)), rows, rows_aside(lake)


@on_dask
@given(table=TABLES, cuts=st.lists(st.integers(0, 12), max_size=3))
def test_a_gate_finds_the_same(dask_cluster: Any, many_parts: None, table: list[Any], cuts: list[int]) -> None:
    rules = [rule for rule, _ in ROW_RULES] + [rule for rule, _ in KEYS] + AGGREGATES
    with tempfile.TemporaryDirectory() as folder:
        rows = [dict(zip("ijft", values, strict=True)) for values in table]
        source = pieces(Path(folder, "source"), rows, GATE, cuts)
        found = [gate(source, Path(folder, name), name, rules, dask_cluster) for name in ("duckdb", "dask")]
    assert found[1] == found[0]


@on_dask
@given(rows=rows_of_a_table, choice=cleanings, cuts=st.lists(st.integers(0, 25), max_size=3))
def test_refine_stages_the_same(
    dask_cluster: Any, many_parts: None, rows: list[Any], choice: Any, cuts: list[int]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = pieces(Path(folder, "source"), rows, SCHEMA, cuts)
        found = []
        for name in ("duckdb", "dask"):
            lake = Path(folder, name)
            spec = spec_of(choice, source, str(lake), 1).model_copy(update={"engine": name})
            found.append(cleaned(spec, lake, dask_cluster))
    assert found[1] == found[0]


def test_a_faulty_value_is_named_as_duckdb_names_it(dask_cluster: Any, many_parts: None, tmp_path: Path) -> None:
    source = pieces(tmp_path / "source", [{"k": 1, "s": "x", "f": 1.0, "t": None}] * 5, SCHEMA, [2])
    choice = {
        "cast": "fail",
        "trim": False,
        "fill": False,
        "drop": [],
        "keep": [],
        "dedup": None,
        "keep_which": "last",
        "order": [],
        "within": None,
    }
    errors = []
    for name in ("duckdb", "dask"):
        spec = spec_of(choice, source, str(tmp_path / name), 1).model_copy(update={"engine": name})
        with pytest.raises(DataOpsError) as error, use_client(dask_cluster):
            refine.run(spec, progress=lambda _: None)
        errors.append(error.value.to_dict())
    assert errors[1] == errors[0]
