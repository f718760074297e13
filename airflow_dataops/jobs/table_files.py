# SPDX-License-Identifier: Apache-2.0
"""What a table's files hold, measured once and remembered: a thousand earlier dates cost a listing, not a thousand reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlglot import exp

from airflow_dataops.clients.storage import Storage
from airflow_dataops.core.errors import StorageError
from airflow_dataops.core.faults import FaultPoint, reached
from airflow_dataops.core.model import Model
from airflow_dataops.core.refine.publish import Moments, TableFile
from airflow_dataops.core.sql.casts import try_cast
from airflow_dataops.core.tables import SOURCE_FILE, TableFormat
from airflow_dataops.engines.base import Engine
from airflow_dataops.jobs.records import read_document, write_document

_VIEW = "_dataops_measured"


class Known(Model):
    """What is known of one file.

    Attributes:
        version: The file's version when it was measured; another one makes this worthless.
        rows: Number of rows.
        moments: Window column -> what it holds.
    """

    version: str
    rows: int
    moments: dict[str, Moments] = {}


class TableIndex(Model):
    """What is known of a table; safe to delete.

    Attributes:
        format: Format in which it was published.
        columns: Column -> canonical type.
        files: Path relative to the table -> what is known of it.
    """

    format: TableFormat
    columns: dict[str, str] = {}
    files: dict[str, Known] = {}


@dataclass(frozen=True)
class Listed:
    """A file as the listing or Delta's log shows it; ``rows`` is None where that does not say."""

    version: str
    bytes: int
    partition: dict[str, str | None]
    rows: int | None = None


def read_index(storage: Storage, path: str) -> TableIndex | None:
    """Return what is known of a table; None for nothing. An index that cannot be read is dropped: it is made again."""
    try:
        return read_document(path, TableIndex)
    except StorageError as error:
        if error.code != "RECORD_UNREADABLE":
            raise
        storage.delete(path)
        reached(FaultPoint.TABLE_INDEX_DROPPED)
        return None


def measured(
    engine: Engine,
    root: str,
    listed: Mapping[str, Listed],
    index: TableIndex | None,
    window: str | None,
    types: Mapping[str, str],
) -> list[TableFile]:
    """Return a table's files with their rows and, for a window column, their moments.

    Args:
        engine: Reads the files of which something is not known.
        root: Folder of the table.
        listed: Path relative to the table -> the file.
        index: What is known already.
        window: Window column of the run's slice; None for none.
        types: Column -> canonical type, for the partition columns.
    """
    known = {path: fact for path, fact in (index.files if index else {}).items() if path in listed}
    known = {path: fact for path, fact in known.items() if fact.version == listed[path].version}
    missing = [path for path in listed if _lacks(known.get(path), listed[path], window)]
    facts = {**known, **_measure(engine, root, {path: listed[path].version for path in missing}, window, types)}
    files = []
    for path, file in listed.items():
        fact = facts.get(path) or Known(version=file.version, rows=file.rows or 0)
        moments = fact.moments.get(window) if window else None
        files.append(TableFile(path=path, rows=fact.rows, bytes=file.bytes, partition=file.partition, moments=moments))
    return files


def write_index(
    path: str, fmt: TableFormat, columns: Mapping[str, str], files: Iterable[tuple[str, TableFile]], window: str | None,
    before: TableIndex | None,
) -> None:  # fmt: skip
    """Remember the files of a table.

    Args:
        path: The index.
        fmt: Format of the table.
        columns: Column -> canonical type.
        files: Version and measures of every file that is in the table now.
        window: Column that the moments are about.
        before: What was known of other window columns.
    """
    earlier = before.files if before else {}
    kept: dict[str, Known] = {}
    for version, file in files:
        old = earlier.get(file.path)
        moments = dict(old.moments) if old and old.version == version else {}
        if window and file.moments:
            moments[window] = file.moments
        kept[file.path] = Known(version=version, rows=file.rows, moments=moments)
    merged = {**(before.columns if before else {}), **columns}
    write_document(path, TableIndex(format=fmt, columns=merged, files=kept))


def moment_of(column: str, kind: str) -> exp.Expression:
    """Return the moment, with zone, that a column holds; null where it holds none."""
    return try_cast(exp.column(column, quoted=True), kind, "timestamptz")


def _lacks(fact: Known | None, file: Listed, window: str | None) -> bool:
    if fact is None:
        return window is not None or file.rows is None
    return window is not None and window not in fact.moments


def _measure(
    engine: Engine, root: str, files: Mapping[str, str], window: str | None, types: Mapping[str, str]
) -> dict[str, Known]:
    if not files:
        return {}
    columns = engine.open_parquet([f"{root}/{path}" for path in files], _VIEW, types=types).columns
    count = exp.Count(this=exp.Star())
    items: list[exp.Expr] = [exp.column(SOURCE_FILE), exp.alias_(count, "total")]
    if window in columns:
        moment = moment_of(window, columns[window])
        items.append(exp.alias_(exp.Min(this=moment), "low"))
        items.append(exp.alias_(exp.Max(this=moment.copy()), "high"))
        items.append(exp.alias_(exp.Count(this=moment.copy()), "moments"))
    query = exp.select(*items).from_(exp.to_table(_VIEW, quoted=True)).group_by(SOURCE_FILE)
    rows = {row[SOURCE_FILE][len(root) + 1 :]: row for row in engine.rows(query)}
    measured: dict[str, Known] = {}
    for path, version in files.items():
        row = rows.get(path, {"total": 0})
        unknown = row["total"] - row.get("moments", 0)
        moments = {window: Moments(low=row.get("low"), high=row.get("high"), unknown=unknown)} if window else {}
        measured[path] = Known(version=version, rows=row["total"], moments=moments)
    return measured
