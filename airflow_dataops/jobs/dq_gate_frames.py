# SPDX-License-Identifier: Apache-2.0
"""A gate over a path or a data frame, as a function: for notebooks, scripts and tests."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from airflow_dataops.clients.storage import storage_for
from airflow_dataops.core.dq_gate.spec import GateResult, GateSpec
from airflow_dataops.core.errors import InputError, SpecError
from airflow_dataops.core.run import RunContext
from airflow_dataops.core.tables import EngineName, FullSlice, SourceFormat, SourceSpec

_FORMATS: dict[str, SourceFormat] = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".txt": "text",
    ".log": "text",
}
_ENGINES: tuple[EngineName, ...] = ("duckdb", "spark")
_COMPRESSED = (".gz", ".zst", ".bz2", ".xz")


def check_frame(
    run: Callable[[GateSpec], GateResult], suite: Any, data: Any, *, engine: str, quarantine: str | Path | None
) -> GateResult:
    """Do the work of :func:`airflow_dataops.jobs.dq_gate.run_gate`, which says what the arguments are.

    Args:
        run: The job's function.
        suite: A suite, its file, or a list of rules.
        data: A path or a frame.
        engine: Name of the engine.
        quarantine: File for bad rows, or None.
    """
    known = next((name for name in _ENGINES if name == engine), None)
    if known is None:
        raise SpecError(
            f"engine {engine!r} is not available here; known are: {', '.join(_ENGINES)}", code="UNKNOWN_ENGINE"
        )
    rules = suite if isinstance(suite, list) else []
    with tempfile.TemporaryDirectory(prefix="dataops-gate-") as folder:
        spec = GateSpec(
            task="gate",
            lake=folder,
            run=RunContext(pipeline="run_gate", key="run_gate"),
            source=_source(data, folder),
            slice=FullSlice(),
            suite=None if isinstance(suite, list) else _suite(suite),
            rules=rules,
            engine=known,
            on_failure="fail" if quarantine is None else "quarantine",
            commit_quarantine=quarantine is not None,
        )
        result = run(spec)
        uri = None
        if quarantine is not None:
            uri = _keep(result.quarantine_uri, os.path.abspath(quarantine))
        return result.model_copy(update={"quarantine_uri": uri})


def _suite(suite: Any) -> dict[str, Any]:
    if isinstance(suite, dict):
        return suite
    try:
        loaded = json.loads(Path(suite).read_text(encoding="utf-8"))
    except (OSError, TypeError, ValueError) as error:
        raise SpecError(
            f"suite {suite!r} cannot be read: {error}",
            hint="give a Great Expectations suite as a dict or a JSON file, or a list of rules such as [{'not_null': 'id'}]",
            code="SUITE_UNREADABLE",
        ) from error
    return loaded if isinstance(loaded, dict) else {"expectations": loaded}


def _source(data: Any, folder: str) -> SourceSpec:
    if not isinstance(data, str | Path):
        path = f"{folder}/frame.parquet"
        _write_frame(data, path)
        return SourceSpec(path=path)
    path = os.path.abspath(os.path.expanduser(data))
    if os.path.isdir(os.path.join(path, "_delta_log")):
        return SourceSpec(path=path, format="delta")
    bare = path
    for ending in _COMPRESSED:
        bare = bare.removesuffix(ending)
    return SourceSpec(path=path, format=_FORMATS.get(os.path.splitext(bare)[1].lower(), "parquet"))


def _write_frame(data: Any, path: str) -> None:
    """Write a frame of PyArrow, pandas or Polars, or anything that speaks Arrow's C stream, to Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if type(data).__module__.split(".")[0] == "pandas":
            # pandas cannot tell its own missing values from NaN: both are null.
            table = pa.Table.from_pandas(data, preserve_index=False)
        else:
            table = data if isinstance(data, pa.Table) else pa.table(data)
        pq.write_table(table, path)
    except (TypeError, ValueError, pa.ArrowException) as error:
        raise InputError(
            f"data of type {type(data).__name__} cannot be checked: {error}",
            hint="give a path, or a frame of pandas, Polars or PyArrow",
            code="DATA_UNSUPPORTED",
        ) from error


def _keep(bad_rows: str | None, target: str) -> str | None:
    """Put the file of bad rows where it was asked for; one of an earlier check goes away where there are none."""
    storage = storage_for(target)
    if bad_rows is None:
        storage.delete(target)
        return None
    storage.copy(bad_rows, target)
    return target
