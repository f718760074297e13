# SPDX-License-Identifier: Apache-2.0
"""What a refine step finds before it starts: the source, the rows that gates put aside, and the published table."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from airflow_dataops.clients import delta, parquet_table
from airflow_dataops.clients.storage import storage_for
from airflow_dataops.core.dq_gate.spec import GateResult
from airflow_dataops.core.errors import InputError
from airflow_dataops.core.faults import FaultPoint, reached
from airflow_dataops.core.refine.names import EXCLUDED, SOURCE, named, table
from airflow_dataops.core.refine.spec import RefineSpec
from airflow_dataops.core.tables import SourceSpec
from airflow_dataops.engines.base import Engine, SourceInfo
from airflow_dataops.engines.files import fingerprint, source_files
from airflow_dataops.jobs.records import layout_of, read_result
from airflow_dataops.jobs.table_files import read_index
from airflow_dataops.jobs.table_lease import table_name

_ASIDE = "dataops_aside"


@dataclass(frozen=True)
class Published:
    """The table as readers see it.

    Attributes:
        columns: Column -> canonical type; None where there is no table yet.
        untyped: Columns whose type is guessed from folder names.
    """

    columns: dict[str, str] | None
    untyped: tuple[str, ...] = ()


def clear_leftovers(spec: RefineSpec) -> None:
    """Delete what an earlier try staged; the manifest first, so that nobody takes half of it for the whole."""
    layout = layout_of(spec)
    storage = storage_for(layout.staging)
    storage.delete(layout.manifest)
    reached(FaultPoint.REFINE_MANIFEST_GONE)
    storage.delete_tree(layout.staged_table)
    storage.delete(layout.staged_quarantine(spec.task))
    reached(FaultPoint.REFINE_CLEARED)


def open_source(engine: Engine, spec: RefineSpec) -> tuple[SourceInfo, dict[str, str]]:
    """Open the source as ``dataops_source``; returns also the fingerprint that each gate, whose bad rows are left out, has checked.

    Raises:
        InputError: It cannot be read, or is another one than the gates of this run have checked (``SOURCE_CHANGED``).
    """
    layout = layout_of(spec)
    info = engine.open_source(spec.source, SOURCE, decoded=layout.decoded_source)
    for task in spec.exclude:
        checked = read_result(layout, task, GateResult)
        seen = checked.fingerprint if isinstance(checked, GateResult) else None
        if seen is None:
            raise InputError(
                f"refine leaves out the rows that gate {task!r} put aside, and that gate has no result for run {spec.run.key!r}",
                hint="run the gate first, or take it out of `exclude`",
                code="GATE_MISSING",
            )
        if seen != info.fingerprint:
            raise InputError(
                f"source {spec.source.path!r} has changed since gate {task!r} checked it, and bad rows are known by their place in it",
                hint="clear the run, so that the gate checks the new files too",
                code="SOURCE_CHANGED",
            )
    return info, dict.fromkeys(spec.exclude, info.fingerprint)


def refuse_changed(spec: RefineSpec, info: SourceInfo) -> None:
    """Raise unless the source is still the one that was opened: what was written may come from files that nobody has checked.

    Text has been decoded into a copy of its own, and a version of a Delta table does not change.

    Raises:
        InputError: Files came, went or were written anew (``SOURCE_CHANGED``).
    """
    if spec.source.format != "parquet":
        return
    if fingerprint(source_files(storage_for(spec.source.path), spec.source.path)) != info.fingerprint:
        raise InputError(
            f"source {spec.source.path!r} changed while it was read",
            hint="run it again once the delivery is complete",
            code="SOURCE_CHANGED",
        )


def open_excluded(engine: Engine, spec: RefineSpec) -> bool:
    """Open the rows that earlier gates put aside as ``dataops_excluded``; return whether there are any.

    Raises:
        InputError: A gate has put rows aside and they are not staged any more (``QUARANTINE_GONE``).
    """
    layout = layout_of(spec)
    found = []
    for task in spec.exclude:
        path = layout.staged_quarantine(task)
        result = read_result(layout, task, GateResult)
        aside = result.rows.quarantined if result else 0
        staged = _rows_of(engine, path)
        if staged != aside:
            raise InputError(
                f"gate {task!r} put {aside} rows aside, and {staged} are staged: the run was published since, or another try is at work",
                hint=f"clear the run from {task!r} on, so that its bad rows are left out again",
                code="QUARANTINE_GONE",
            )
        found += [path] if staged else []
    if found:
        engine.open_parquet(found, EXCLUDED)
    return bool(found)


def _rows_of(engine: Engine, path: str) -> int:
    """Return the number of rows of a staged file of bad rows; 0 where there is none."""
    if storage_for(path).info(path) is None:
        return 0
    engine.open_parquet([path], _ASIDE)
    count = exp.select(named(exp.Count(this=exp.Star()), "n")).from_(table(_ASIDE))
    return int(engine.rows(count)[0]["n"])


def published(engine: Engine, spec: RefineSpec) -> Published:
    """Return the columns of the table that this run will publish to."""
    path = spec.target.path.rstrip("/")
    if spec.target.format == "delta":
        return Published(delta.columns(path) if delta.exists(path) else None)
    storage, layout = storage_for(path), layout_of(spec)
    if parquet_table.any_file(storage, path) is None:
        return Published(None)
    index = read_index(storage, layout.table_index(table_name(storage, path)))
    if index is not None and index.columns:
        return Published(index.columns)
    return Published(_columns(engine, spec), tuple(spec.target.partition_by))


def _columns(engine: Engine, spec: RefineSpec) -> dict[str, str]:
    target = SourceSpec(path=spec.target.path, format=spec.target.format)
    return engine.open_source(target, "dataops_published", decoded=f"{layout_of(spec).staging}/published").columns
