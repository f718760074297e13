# SPDX-License-Identifier: Apache-2.0
"""What two engines made of the same source, in a form in which it can be compared value by value."""

from __future__ import annotations

import difflib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from airflow_dataops.core.dq_gate.spec import GateSpec
from airflow_dataops.core.refine.spec import RefineSpec, StageManifest
from airflow_dataops.core.run import RunContext
from airflow_dataops.core.tables import EngineName, FullSlice, SourceSpec, TargetSpec
from airflow_dataops.jobs import dq_gate, refine
from tests.comparing import document, rows_aside

ENGINES: tuple[EngineName, ...] = ("duckdb", "spark")
RUN = RunContext(
    pipeline="p",
    key="k",
    interval_start=datetime(2024, 1, 1, tzinfo=UTC),
    interval_end=datetime(2024, 1, 2, tzinfo=UTC),
)


def both_gate(folder: Path, source: str, rules: list[Any], **more: Any) -> list[tuple[Any, list[str]]]:
    """Run a gate that puts bad rows aside on DuckDB and on Spark; returns of each its result and the bad rows. ``more``: of the source."""
    found = []
    for engine in ENGINES:
        lake = folder / engine
        spec = GateSpec(
            task="gate", lake=str(lake), run=RUN, source=SourceSpec(path=source, **more), slice=FullSlice(), rules=rules,
            on_failure="quarantine", max_quarantine_ratio=0.9, engine=engine,
        )  # fmt: skip
        result = dq_gate.run(spec, progress=lambda _: None)
        found.append((document(result, str(lake)), rows_aside(lake)))
    return found


def both_refine(
    folder: Path, source: SourceSpec, *, engines: tuple[EngineName, ...] = ENGINES, **more: Any
) -> list[tuple[Any, Any, list[str]]]:
    """Refine on DuckDB and on Spark; returns of each its result, the staged rows with their types, and the bad rows."""
    found = []
    for engine in engines:
        lake = folder / engine
        given = {"slice": FullSlice(), "target": TargetSpec(path=str(folder / "silver")), **more}
        spec = RefineSpec(task="refine", lake=str(lake), run=RUN, source=source, engine=engine, **given)
        result = refine.run(spec, progress=lambda _: None)
        found.append((document(result, str(lake)), (rows_staged(lake), moments_staged(lake)), rows_aside(lake)))
    return found


def moments_staged(lake: Path) -> Any:
    """Return what the manifest says of the whole: rows, nulls by column, and the ends of the window."""
    (path,) = lake.glob(".dataops/staging/*/*/manifest.json")
    files = StageManifest.model_validate_json(path.read_bytes()).files
    names = {name for file in files for name in file.nulls} - {"l", "r"}  # whose nulls Parquet counts in another way
    nulls = {name: sum(file.nulls.get(name, 0) for file in files) for name in sorted(names)}
    low, high = ([file.window[end] for file in files if file.window] for end in (0, 1))
    return sum(file.rows for file in files), nulls, min(low, default=None), max(high, default=None)


def rows_staged(lake: Path) -> tuple[list[str], list[str]]:
    """Return the rows that are staged, with the values of partition folders, and the columns' types."""
    found, types = [], set[str]()
    root = next(iter(lake.glob(".dataops/staging/*/*/table")), lake)
    for file in root.glob("**/*.parquet"):
        folders = [part for part in file.relative_to(root).parts[:-1] if "=" in part]
        table = pq.read_table(file, partitioning=None)
        types.add(str([(field.name, str(field.type)) for field in table.schema]))
        found += [repr((folders, row)) for row in table.to_pylist()]
    return sorted(found), sorted(types)


def assert_same(spark: Any, duckdb: Any) -> None:
    """Raise with the lines in which two results differ."""
    texts = [json.dumps(one, indent=1, default=repr).splitlines() for one in (duckdb, spark)]
    lines = difflib.unified_diff(*texts, "duckdb", "spark", n=1, lineterm="")
    differing = "\n".join(line[:900] for line in list(lines)[:24])
    assert not differing, differing
