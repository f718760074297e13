# SPDX-License-Identifier: Apache-2.0
"""Publishing to a Delta table: files join the folder unseen, then one commit makes them the table."""

from __future__ import annotations

import time

from airflow_dataops.clients import arrow, delta, parquet_table
from airflow_dataops.clients.delta import CommitConflict, DeltaSnapshot
from airflow_dataops.core.errors import PublishError
from airflow_dataops.core.faults import FaultPoint, reached
from airflow_dataops.core.refine import publish as rules
from airflow_dataops.core.refine.publish import CommitRecord, TableFile
from airflow_dataops.core.refine.spec import PublishResult
from airflow_dataops.jobs import recovery
from airflow_dataops.jobs.engines import engine_on_demand
from airflow_dataops.jobs.publish import Work, result_of
from airflow_dataops.jobs.publish_plan import Planned, plan, window_of
from airflow_dataops.jobs.records import write_document
from airflow_dataops.jobs.table_files import Listed, TableIndex, read_index, write_index

_ATTEMPTS = 30


def publish(work: Work) -> PublishResult:
    """Carry out a publish under the lease; a writer that does not know the lease makes it look again and decide anew.

    Raises:
        PublishError: The table is of another format, partitioning or schema, or cannot take the rows; it is as it was.
        CommitConflict: Others kept committing.
    """
    for attempt in range(_ATTEMPTS):
        try:
            with work.step("columns", "looking at the table", FaultPoint.PUBLISH_COLUMNS):
                state = _state(work)
            return _attempt(work, state, attempt)
        except CommitConflict as conflict:
            work.progress(f"{conflict.message}; looking again")
            time.sleep(min(0.05 * 2**attempt, 2.0))
    raise CommitConflict(
        f"table {work.table} changed at each of {_ATTEMPTS} attempts to commit", hint="try again later"
    )


def _state(work: Work) -> DeltaSnapshot | None:
    """Return the table as it is, with the columns that it needs; None where there is none yet."""
    if not delta.exists(work.table):
        _refuse_other_files(work)
        return None
    state = delta.snapshot(work.table)
    by = work.spec.target.partition_by
    if list(state.partition_by) != by:
        raise PublishError(
            f"table {work.table} is partitioned by {list(state.partition_by) or 'nothing'}, target.partition_by says {by}",
            hint="publish to a new path, or set target.partition_by to what the table has",
            code="TABLE_PARTITIONING",
        )
    known = arrow.columns_of(state.schema)
    rules.check_schema(known, work.manifest.columns, work.table)
    new = {name: kind for name, kind in work.manifest.columns.items() if name not in known}
    if not new:
        return state
    delta.add_columns(state, arrow.schema_of(new))
    return delta.snapshot(work.table)


def _attempt(work: Work, state: DeltaSnapshot | None, attempt: int) -> PublishResult:
    index = read_index(work.storage, work.index)
    listed = (
        {file.path: Listed(str(file.size), file.size, file.partition, file.rows) for file in state.files}
        if state
        else {}
    )
    with (
        work.step("plan", "deciding which files leave", FaultPoint.PUBLISH_PLANNED),
        engine_on_demand(work.spec) as engine,
    ):
        planned = plan(work, engine, listed, index, attempt)
    record = planned.record
    if state is None and index is None:
        # Files that join now and are never committed must not look like a table of another kind to the next run.
        write_index(work.index, "delta", {}, [], None, None)
        reached(FaultPoint.PUBLISH_FORMAT_NOTED)
    pending = work.layout.pending_commit(work.lease.token)
    write_document(pending, record)
    reached(FaultPoint.PUBLISH_NOTED)
    recovery.put_in_force(work.storage, work.lease, pending, work.rewritten)
    reached(FaultPoint.PUBLISH_MARKED)
    line = f"adding {len(record.add)} and removing {len(record.remove)} files"
    with work.step("commit", line, FaultPoint.PUBLISH_STEP_DONE):
        work.storage.copy_all([(add.source, f"{work.table}/{add.file.path}") for add in record.add])
        reached(FaultPoint.TABLE_JOINED)
        work.lease.check()
        reached(FaultPoint.PUBLISH_LEASE_CHECKED)
        version = _commit(work, state, record)
        reached(FaultPoint.PUBLISH_COMMITTED)
        _remember(work, planned, index)
        reached(FaultPoint.PUBLISH_INDEXED)
        done = recovery.finish(work.storage, pending, record.model_copy(update={"version": version}))
        work.lease.mark(None)
        reached(FaultPoint.PUBLISH_UNMARKED)
    return result_of(work.spec, done)


def _commit(work: Work, state: DeltaSnapshot | None, record: CommitRecord) -> int:
    window = window_of(work)
    adds = [_for_log(add.file, work.manifest.columns) for add in record.add]
    if state is None:
        schema = arrow.schema_of(work.manifest.columns)
        by = work.spec.target.partition_by
        delta.create(
            work.table, schema, adds, partition_by=by, application=record.application, token=record.token, window=window
        )
        return 0
    if not adds and not record.remove:
        return state.version
    return delta.commit(state, adds, record.remove, application=record.application, token=record.token, window=window)


def _for_log(file: TableFile, columns: dict[str, str]) -> TableFile:
    """The log holds a moment in UTC without its offset."""
    values = {
        name: value.removesuffix("+00") if value and columns.get(name) == "timestamptz" else value
        for name, value in file.partition.items()
    }
    return file.model_copy(update={"partition": values})


def _refuse_other_files(work: Work) -> None:
    """Files of a publish that never came to its commit may lie there; a table of another kind must not be hidden."""
    index = read_index(work.storage, work.index)
    ours = (rules.file_stem(work.spec.run, work.spec.slice) + "-",)
    others = [
        path
        for path in parquet_table.table_files(work.storage, work.table)
        if not path.rpartition("/")[2].startswith(ours)
    ]
    if others and (index is None or index.format != "delta"):
        raise PublishError(
            f"{work.table} holds Parquet files ({others[0]}) but no Delta log; as a Delta table it would seem empty",
            hint="set target.format: parquet, choose another path, or convert it: deltalake.convert_to_deltalake(path)",
            code="TABLE_FORMAT",
        )


def _remember(work: Work, planned: Planned, index: TableIndex | None) -> None:
    joined = [(str(add.file.bytes), add.file) for add in planned.record.add]
    known = [(str(file.bytes), file) for file in planned.looked_at]
    write_index(
        work.index,
        "delta",
        work.manifest.columns,
        [*known, *joined],
        window_of(work),
        index,
        staying=planned.staying,
    )
