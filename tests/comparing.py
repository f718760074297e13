# SPDX-License-Identifier: Apache-2.0
"""What two engines made of the same source, in a form in which it can be compared."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from airflow_dataops.core.tables import JobResult

GATE = pa.schema([("i", pa.int64()), ("j", pa.int64()), ("f", pa.float64()), ("t", pa.string())])
AGGREGATES: list[dict[str, Any]] = [
    {"mean": {"column": "j", "min": -1, "max": 1}},
    {"min": {"column": "i", "min": -3}},
    {"max": {"column": "t", "max": "b"}},
    {"median": {"column": "j", "min": -1, "max": 1}},
    {"stdev": {"column": "j", "min": 0, "max": 3, "row_condition": "t is not null"}},
    {"quantile": ["j", 0.9, -1, 1]},
    {"distinct_count": ["t", 1, 3]},
    {"row_count": {"min": 1, "max": 5}},
    {"sum": {"column": "j", "min": 0, "row_condition": "i > 0"}},
]
# Not compared: when and with what it was made, and the sizes of files that another library wrote.
UNLIKE = (
    "seconds",
    "rename_seconds",
    "versions",
    "started_at",
    "peak_memory_bytes",
    "bytes_written",
    "attempt",
    "files",
)


def pieces(folder: Path, rows: list[Any], schema: pa.Schema, cuts: list[int]) -> str:
    """Write rows as files of small row groups."""
    folder.mkdir()
    ends = sorted({min(cut, len(rows)) for cut in cuts} | {len(rows)})
    start = 0
    for number, end in enumerate(ends):
        pq.write_table(
            pa.Table.from_pylist(rows[start:end], schema=schema), folder / f"{number}.parquet", row_group_size=2
        )
        start = end
    return str(folder)


def document(result: JobResult, folder: str) -> Any:
    """Return a result without what may differ."""
    return rounded(json.loads(result.model_dump_json(exclude=set(UNLIKE)).replace(folder, "")))


def rounded(value: Any) -> Any:
    """Sums, means and deviations of floating-point numbers depend on the order of adding."""
    if isinstance(value, dict):
        return {name: rounded(one) for name, one in value.items() if name not in ("message", "reasons")}
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return float(f"{value:.12g}") if isinstance(value, float) and math.isfinite(value) else value


def rows_aside(lake: Path) -> list[str]:
    """Return the bad rows that a lake holds, staged or committed."""
    files = [*lake.glob(".dataops/staging/**/quarantine/*.parquet"), *lake.glob("quarantine/**/*.parquet")]
    return sorted(repr(row) for file in files for row in pq.read_table(file, partitioning=None).to_pylist())
