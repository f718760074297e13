# SPDX-License-Identifier: Apache-2.0
"""What a refine step finds before it starts: the source, the rows that gates put aside, and the published table."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_dataops.clients import delta, parquet_table
from airflow_dataops.clients.storage import storage_for
from airflow_dataops.core.dq_gate.spec import GateResult
from airflow_dataops.core.errors import InputError
from airflow_dataops.core.faults import FaultPoint, reached
from airflow_dataops.core.refine.names import EXCLUDED, SOURCE
from airflow_dataops.core.refine.publish import table_digest
from airflow_dataops.core.refine.spec import RefineSpec
from airflow_dataops.core.tables import SourceSpec
from airflow_dataops.engines.base import Engine, SourceInfo
from airflow_dataops.jobs.records import layout_of, read_result
from airflow_dataops.jobs.table_files import read_index


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


def open_source(engine: Engine, spec: RefineSpec) -> SourceInfo:
    """Open the source as ``dataops_source``.

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
    return info


def open_excluded(engine: Engine, spec: RefineSpec) -> bool:
    """Open the rows that earlier gates put aside as ``dataops_excluded``; return whether there are any."""
    layout = layout_of(spec)
    paths = [layout.staged_quarantine(task) for task in spec.exclude]
    found = [path for path in paths if storage_for(path).info(path) is not None]
    if found:
        engine.open_parquet(found, EXCLUDED)
    return bool(found)


def published(engine: Engine, spec: RefineSpec) -> Published:
    """Return the columns of the table that this run will publish to."""
    path = spec.target.path.rstrip("/")
    if spec.target.format == "delta":
        if not delta.exists(path):
            return Published(None)
        return Published(_columns(engine, spec))
    storage, layout = storage_for(path), layout_of(spec)
    if not parquet_table.table_files(storage, path):
        return Published(None)
    index = read_index(storage, layout.table_index(table_digest(path)))
    if index is not None and index.columns:
        return Published(index.columns)
    return Published(_columns(engine, spec), tuple(spec.target.partition_by))


def _columns(engine: Engine, spec: RefineSpec) -> dict[str, str]:
    table = SourceSpec(path=spec.target.path, format=spec.target.format)
    return engine.open_source(table, "dataops_published", decoded=f"{layout_of(spec).staging}/published").columns
