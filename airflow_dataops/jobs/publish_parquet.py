# SPDX-License-Identifier: Apache-2.0
"""Publishing to a parquet table: a commit record, then links and deletions that anybody can finish."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_dataops.clients import delta, parquet_table
from airflow_dataops.core.errors import PublishError
from airflow_dataops.core.faults import FaultPoint, reached
from airflow_dataops.core.refine import publish as rules
from airflow_dataops.core.refine.publish import TableFile
from airflow_dataops.core.refine.spec import PublishResult
from airflow_dataops.core.tables import PartitionSlice
from airflow_dataops.jobs import recovery
from airflow_dataops.jobs.engines import engine_on_demand
from airflow_dataops.jobs.publish import Work, result_of
from airflow_dataops.jobs.publish_plan import Planned, added, plan, window_of
from airflow_dataops.jobs.records import write_document
from airflow_dataops.jobs.table_files import Listed, TableIndex, read_index, write_index

if TYPE_CHECKING:
    from airflow_dataops.engines.base import Engine


def publish(work: Work) -> PublishResult:
    """Carry out a publish under the lease.

    Raises:
        PublishError: The table is of another format, partitioning or schema, or cannot take the rows; it is as it was.
    """
    index = read_index(work.storage, work.index)
    with engine_on_demand(work.spec) as engine, work.step("plan", "looking at the table", FaultPoint.PUBLISH_PLANNED):
        listed = _listed(work)
        _check(work, engine, listed, index)
        planned = _with_columns(work, engine, plan(work, engine, listed, index))
    record = planned.record
    pending = work.layout.pending_commit(work.lease.token)
    write_document(pending, record)
    reached(FaultPoint.PUBLISH_NOTED)
    recovery.put_in_force(work.storage, work.lease, pending, work.rewritten)
    reached(FaultPoint.PUBLISH_MARKED)
    line = f"adding {len(record.add)} and removing {len(record.remove)} files"
    with work.step("commit", line, FaultPoint.PUBLISH_STEP_DONE):
        where = parquet_table.places(work.storage, record)
        seconds = parquet_table.roll_forward(work.storage, record, where)
        reached(FaultPoint.PUBLISH_COMMITTED)
        _remember(work, planned, index)
        reached(FaultPoint.PUBLISH_INDEXED)
        done = recovery.finish(work.storage, pending, record)
        work.lease.mark(None)
        reached(FaultPoint.PUBLISH_UNMARKED)
    return result_of(work.spec, done).model_copy(update={"rename_seconds": round(seconds, 6)})


def _listed(work: Work) -> dict[str, Listed]:
    """List the table; where the run owns partitions, only those, and the one of a file without rows."""
    found = parquet_table.table_files(work.storage, work.table, _wanted(work))
    return {path: Listed(info.version, info.size, parquet_table.partition_of(path)) for path, info in found.items()}


def _wanted(work: Work) -> parquet_table.Wanted | None:
    owned = work.spec.slice
    if work.spec.target.mode == "merge" or not isinstance(owned, PartitionSlice):
        return None
    types = work.manifest.columns

    def wanted(name: str, value: str | None) -> bool:
        return value is None or rules.same_value(value, owned.values.get(name, value), types.get(name, "string"))

    return wanted


def _check(work: Work, engine: Engine, listed: dict[str, Listed], index: TableIndex | None) -> None:
    if delta.exists(work.table):
        raise PublishError(
            f"{work.table} is a Delta table; its log would not know files that are put beside it",
            hint="set target.format: delta, or choose another path",
            code="TABLE_FORMAT",
        )
    example = next(iter(listed), None) or parquet_table.any_file(work.storage, work.table)
    if example is None:
        return
    by, found = work.spec.target.partition_by, list(parquet_table.partition_of(example))
    if found != by:
        raise PublishError(
            f"table {work.table} is partitioned by {found or 'nothing'} ({example}), target.partition_by says {by}",
            hint="publish to a new path, or set target.partition_by to what the table has",
            code="TABLE_PARTITIONING",
        )
    known = index.columns if index else {}
    if not known:
        known = engine.open_parquet(
            [f"{work.table}/{example}"], "_dataops_example", types=work.manifest.columns
        ).columns
    rules.check_schema(known, work.manifest.columns, work.table)


def _with_columns(work: Work, engine: Engine, planned: Planned) -> Planned:
    """A folder without any file has no columns that a reader could see: a file without rows carries them."""
    if planned.staying or planned.record.add or _others_stay(work, planned):
        return planned
    from sqlglot import exp

    from airflow_dataops.core.sql.types import parse_type

    by = work.spec.target.partition_by
    columns = [
        exp.alias_(exp.Cast(this=exp.Null(), to=parse_type(kind)), name, quoted=True)
        for name, kind in work.manifest.columns.items()
        if name not in by
    ]
    source = f"{work.rewritten}/empty.parquet"
    engine.write_file(exp.select(*columns).where(exp.false()), source)
    info = work.storage.info(source)
    path = rules.empty_path(by, work.spec.run, work.lease.token)
    file = TableFile(path=path, rows=0, bytes=info.size if info else 0, partition=dict.fromkeys(by))
    record = planned.record.model_copy(update={"add": [added(work, source, file)]})
    return replace(planned, record=record)


def _others_stay(work: Work, planned: Planned) -> bool:
    """Whether a file stays that was not listed, since it lies in another partition."""
    if _wanted(work) is None:
        return False
    return bool(parquet_table.table_files(work.storage, work.table).keys() - set(planned.record.remove))


def _remember(work: Work, planned: Planned, index: TableIndex | None) -> None:
    joined = [(add.version, add.file) for add in planned.record.add]
    known = [(planned.staying[file.path], file) for file in planned.looked_at]
    write_index(
        work.index,
        "parquet",
        work.manifest.columns,
        [*known, *joined],
        window_of(work),
        index,
        staying=planned.staying if _wanted(work) is None else None,
        gone=planned.record.remove,
    )
