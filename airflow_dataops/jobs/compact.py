# SPDX-License-Identifier: Apache-2.0
"""Putting the small files of a table together; a commit like any other, so that a crash costs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

from airflow_dataops.clients import arrow, delta, parquet_table
from airflow_dataops.clients.lease import Lease
from airflow_dataops.clients.storage import Storage
from airflow_dataops.core.errors import StorageError
from airflow_dataops.core.faults import FaultPoint, reached
from airflow_dataops.core.layout import RunLayout
from airflow_dataops.core.refine.maintain import MaintainedTable, MaintainSpec, compacted_path, groups, together
from airflow_dataops.core.refine.publish import AddFile, CommitRecord, TableFile
from airflow_dataops.core.tables import SOURCE_FILE, SOURCE_ROW, WindowSlice
from airflow_dataops.engines.base import Engine
from airflow_dataops.jobs import recovery
from airflow_dataops.jobs.engines import engine_on_demand
from airflow_dataops.jobs.records import layout_of, write_document
from airflow_dataops.jobs.table_files import Listed, measured, read_index, write_index
from airflow_dataops.jobs.table_lease import table_lease, table_name

_GROUP = "_dataops_group"


@dataclass(frozen=True)
class Compacted:
    """Files that were, or would be, put together, and what they became."""

    files: int = 0
    into: int = 0


def compact(storage: Storage, spec: MaintainSpec, table: MaintainedTable) -> Compacted:
    """Put the small files of one table together, under its lease.

    Raises:
        RunConflict: The table is being changed.
        CommitConflict: A writer that knows no lease came in between; nothing was changed.
    """
    layout, path = layout_of(spec), table.target.path.rstrip("/")
    digest = table_name(storage, path)
    with table_lease(storage, layout, path, what=f"upkeep {spec.run.key}") as lease:
        reached(FaultPoint.COMPACT_LEASED)
        recovery.recover(storage, lease)
        state = delta.snapshot(path) if table.target.format == "delta" else None
        listed = _listed(storage, path, state)
        index = read_index(storage, layout.table_index(digest))
        columns = arrow.columns_of(state.schema) if state else dict(index.columns) if index else {}
        window = table.slice.column if isinstance(table.slice, WindowSlice) else None
        with engine_on_demand(spec) as engine:
            files = measured(engine, path, listed, index, window, columns)
            found = groups(files, table, small=spec.small_file_bytes, target=spec.target_file_bytes)
            result = Compacted(sum(map(len, found)), len(found))
            if not found or spec.dry_run:
                return result
            adds = [
                _together(engine, storage, spec, table, group, lease.token, n, columns) for n, group in enumerate(found)
            ]
        reached(FaultPoint.COMPACT_WRITTEN)
        gone = {file.path for group in found for file in group}
        record = CommitRecord(
            run=spec.run, table=path, format=table.target.format, token=lease.token, add=adds, remove=sorted(gone),
            rows_written=0, rows_removed=0, manifest=layout.manifest, manifest_version="",
        )  # fmt: skip
        pending = _put_in_force(storage, lease, layout, record)
        _commit(storage, lease, record, state, window)
        reached(FaultPoint.COMPACT_COMMITTED)
        versions = {file.path: listed[file.path].version for file in files}
        versions |= {add.file.path: str(add.file.bytes) if state else add.version for add in adds}
        known = [(versions[file.path], file) for file in [*files, *(add.file for add in adds)] if file.path not in gone]
        write_index(layout.table_index(digest), table.target.format, columns, known, window, index, staying={})
        reached(FaultPoint.COMPACT_INDEXED)
        recovery.finish(storage, pending, record)
        lease.mark(None)
        reached(FaultPoint.COMPACT_UNMARKED)
        storage.delete_tree(f"{layout.staging}/compacted")
    return result


def _put_in_force(storage: Storage, lease: Lease, layout: RunLayout, record: CommitRecord) -> str:
    """Write the record and let the lease point to it; returns its path."""
    pending = layout.pending_commit(lease.token)
    write_document(pending, record)
    reached(FaultPoint.COMPACT_NOTED)
    recovery.put_in_force(storage, lease, pending, f"{layout.staging}/compacted")
    reached(FaultPoint.COMPACT_MARKED)
    return pending


def _commit(
    storage: Storage, lease: Lease, record: CommitRecord, state: delta.DeltaSnapshot | None, window: str | None
) -> None:
    if state is None:
        parquet_table.roll_forward(storage, record, parquet_table.places(storage, record))
        return
    storage.copy_all([(add.source, f"{record.table}/{add.file.path}") for add in record.add])
    reached(FaultPoint.TABLE_JOINED)
    lease.check()
    adds = [add.file for add in record.add]
    delta.commit(
        state, adds, record.remove, application=record.application, token=record.token, window=window, data_change=False
    )


def _listed(storage: Storage, path: str, state: delta.DeltaSnapshot | None) -> dict[str, Listed]:
    if state is not None:
        return {file.path: Listed(str(file.size), file.size, file.partition, file.rows) for file in state.files}
    found = parquet_table.table_files(storage, path)
    return {name: Listed(info.version, info.size, parquet_table.partition_of(name)) for name, info in found.items()}


def _together(
    engine: Engine,
    storage: Storage,
    spec: MaintainSpec,
    table: MaintainedTable,
    group: list[TableFile],
    token: int,
    number: int,
    types: Mapping[str, str],
) -> AddFile:
    """Write the rows of a group into one file."""
    root = table.target.path.rstrip("/")
    there = engine.open_parquet([f"{root}/{file.path}" for file in group], _GROUP, types=types).columns
    left_out = {SOURCE_FILE, SOURCE_ROW, *table.target.partition_by}
    columns = [exp.column(name, quoted=True) for name in there if name not in left_out]
    target = f"{layout_of(spec).staging}/compacted/{token:06d}-{number:05d}.parquet"
    rows = engine.write_file(exp.select(*columns).from_(exp.to_table(_GROUP, quoted=True)), target)
    info = storage.info(target)
    if info is None or rows != sum(file.rows for file in group):
        raise StorageError(
            f"{len(group)} files of {root} hold other rows than before; a writer without a lease is at work"
        )
    file = TableFile(
        path=compacted_path(group, table, number, token),
        rows=rows,
        bytes=info.size,
        partition=group[0].partition,
        moments=together(file.moments for file in group),
    )
    return AddFile(source=target, version=info.version, file=file)
