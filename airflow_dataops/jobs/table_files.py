# SPDX-License-Identifier: Apache-2.0
"""What a table's files hold, measured once and remembered: a thousand earlier dates cost a listing, not a thousand reads."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_dataops.clients.storage import Storage, storage_for
from airflow_dataops.core.faults import FaultPoint, reached
from airflow_dataops.core.refine.publish import Moments, TableFile
from airflow_dataops.core.tables import SOURCE_FILE, TableFormat

if TYPE_CHECKING:
    from sqlglot import exp

    from airflow_dataops.engines.base import Engine

_VIEW = "_dataops_measured"
_VERSION = 2
_MICROS = (int, type(None))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Known(NamedTuple):
    """What is known of one file: its rows, and window column -> what that holds."""

    rows: int
    moments: dict[str, Moments]


@dataclass(frozen=True)
class TableIndex:
    """What is known of a table; safe to delete.

    The facts stay as they are in the file, ``[version, rows, {column: [low, high, unknown]}]`` with microseconds since 1970, until one
    is asked for: of a thousand a run looks at a few.

    Attributes:
        format: Format in which it was published.
        columns: Column -> canonical type.
        files: Path relative to the table -> fact.
    """

    format: TableFormat
    columns: dict[str, str] = field(default_factory=dict)
    files: dict[str, list[Any]] = field(default_factory=dict)

    def known(self, path: str, version: str) -> Known | None:
        """Return what is known of a file; None where it was another one that was measured."""
        fact = self.files.get(path)
        if fact is None or fact[0] != version:
            return None
        return Known(fact[1], {column: _moments(*held) for column, held in fact[2].items()})

    def rows(self, path: str, version: str) -> int | None:
        """Return the number of a file's rows; None where it is not known."""
        fact = self.files.get(path)
        return None if fact is None or fact[0] != version else fact[1]

    def apart(self, path: str, version: str, window: str, low: datetime, high: datetime) -> bool:
        """Whether a file surely holds rows, and none from ``low`` up to ``high``."""
        fact = self.files.get(path)
        if fact is None or fact[0] != version or not fact[1] or window not in fact[2]:
            return False
        first, last, _ = fact[2][window]
        return first is None or last is None or last < _micros(low) or first >= _micros(high)


class Listed(NamedTuple):
    """A file as the listing or Delta's log shows it; ``rows`` is None where that does not say."""

    version: str
    bytes: int
    partition: dict[str, str | None]
    rows: int | None = None


def read_index(storage: Storage, path: str) -> TableIndex | None:
    """Return what is known of a table; None for nothing. An index that cannot be read is dropped: it is made again."""
    data = storage.read_bytes(path)
    if data is None:
        return None
    try:
        return _parse(json.loads(data))
    except (ValueError, KeyError, TypeError, AttributeError):
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
    found = {path: index.known(path, file.version) for path, file in listed.items()} if index else {}
    missing = [path for path, file in listed.items() if _lacks(found.get(path), file, window)]
    fresh = _measure(engine, root, missing, window, types)
    files = []
    for path, file in listed.items():
        fact = fresh.get(path) or found.get(path) or Known(file.rows or 0, {})
        moments = fact.moments.get(window) if window else None
        files.append(TableFile(path=path, rows=fact.rows, bytes=file.bytes, partition=file.partition, moments=moments))
    return files


def write_index(
    path: str,
    fmt: TableFormat,
    columns: Mapping[str, str],
    files: Iterable[tuple[str, TableFile]],
    window: str | None,
    before: TableIndex | None,
    *,
    staying: Mapping[str, str] | None = None,
    gone: Collection[str] = (),
) -> None:
    """Remember the files of a table.

    Args:
        path: The index.
        fmt: Format of the table.
        columns: Column -> canonical type.
        files: Version and measures of the files that were measured or joined.
        window: Column that the moments are about.
        before: What was known.
        staying: Path -> version of all files that were in the table and stay: what was known of them stays known. None where the table
            was not listed as a whole: then all that was known stays, but for ``gone``.
        gone: Paths of files that have left.
    """
    earlier = before.files if before else {}
    if staying is None:
        left = set(gone)
        kept = {name: fact for name, fact in earlier.items() if name not in left}
    else:
        kept = {name: fact for name, fact in earlier.items() if staying.get(name) == fact[0]}
    for version, file in files:
        old = earlier.get(file.path)
        moments = dict(old[2]) if old and old[0] == version else {}
        if window and file.moments:
            moments[window] = _spelled(file.moments)
        kept[file.path] = [version, file.rows, moments]
    merged = {**(before.columns if before else {}), **columns}
    document = {"schema_version": _VERSION, "format": fmt, "columns": merged, "files": kept}
    storage_for(path).write_bytes(path, json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode())


def moment_of(column: str, kind: str) -> exp.Expression:
    """Return the moment, with zone, that a column holds; null where it holds none."""
    from sqlglot import exp

    from airflow_dataops.core.sql.casts import try_cast

    return try_cast(exp.column(column, quoted=True), kind, "timestamptz")


def _parse(document: Any) -> TableIndex:
    """Return an index; raises where it is of another version or shape."""
    if document["schema_version"] != _VERSION:
        raise ValueError("of another version")
    columns = {str(name): str(kind) for name, kind in document["columns"].items()}
    for version, rows, moments in document["files"].values():
        if type(version) is not str or type(rows) is not int:
            raise TypeError("no fact of a file")
        for low, high, unknown in moments.values():
            if not (isinstance(low, _MICROS) and isinstance(high, _MICROS) and type(unknown) is int):
                raise TypeError("no moments")
    return TableIndex("delta" if document["format"] == "delta" else "parquet", columns, document["files"])


def _moments(low: int | None, high: int | None, unknown: int) -> Moments:
    return Moments(low=_moment(low), high=_moment(high), unknown=unknown)


def _moment(micros: int | None) -> datetime | None:
    return None if micros is None else _EPOCH + timedelta(microseconds=micros)


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _spelled(moments: Moments) -> list[int | None]:
    low, high = (None if moment is None else _micros(moment) for moment in (moments.low, moments.high))
    return [low, high, moments.unknown]


def _lacks(fact: Known | None, file: Listed, window: str | None) -> bool:
    if fact is None:
        return window is not None or file.rows is None
    return window is not None and window not in fact.moments


def _measure(
    engine: Engine, root: str, files: Collection[str], window: str | None, types: Mapping[str, str]
) -> dict[str, Known]:
    if not files:
        return {}
    from sqlglot import exp

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
    for path in files:
        row = rows.get(path, {"total": 0})
        unknown = row["total"] - row.get("moments", 0)
        moments = {window: Moments(low=row.get("low"), high=row.get("high"), unknown=unknown)} if window else {}
        measured[path] = Known(row["total"], moments)
    return measured
