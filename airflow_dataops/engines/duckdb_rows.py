# SPDX-License-Identifier: Apache-2.0
"""A small result of DuckDB as Python's own values, without pyarrow where plain columns do not need it.

A job on a small table would spend more time on the import of pyarrow (and, where it is installed, of pandas, which pyarrow loads for any
moment) than on its rows.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_ZONED = "TIMESTAMP WITH TIME ZONE"
_PLAIN = re.compile(
    r'BOOLEAN|U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL\(.*\)|VARCHAR|DATE|TIME|TIMESTAMP|BLOB|"NULL"'
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def fetch(connection: DuckDBPyConnection, sql: str) -> list[dict[str, Any]]:
    """Return the rows of a query; moments with a zone come as aware datetimes in UTC.

    Raises:
        OverflowError: A moment with a zone lies outside of what Python's calendar holds.
    """
    relation = connection.sql(sql)
    names, kinds = relation.columns, [str(kind) for kind in relation.types]
    if len(set(names)) < len(names) or not all(str(kind) == _ZONED or _is_plain(kind) for kind in relation.types):
        found: list[dict[str, Any]] = relation.to_arrow_table().to_pylist()
        return found
    zoned = [place for place, kind in enumerate(kinds) if kind == _ZONED]
    if zoned:
        # DuckDB itself would need pytz for them.
        items = [_micros(name) if kind == _ZONED else _quoted(name) for name, kind in zip(names, kinds, strict=True)]
        relation = relation.project(", ".join(items))
    rows = [list(row) for row in relation.fetchall()]
    for row in rows:
        for place in zoned:
            row[place] = None if row[place] is None else _EPOCH + timedelta(microseconds=row[place])
    return [dict(zip(names, row, strict=True)) for row in rows]


def _is_plain(kind: Any) -> bool:
    """Lists and structs of plain values come as lists and dicts either way."""
    if kind.id in ("list", "struct"):
        return all(_is_plain(child) for _, child in kind.children)
    return _PLAIN.fullmatch(str(kind)) is not None


def _micros(name: str) -> str:
    column = _quoted(name)
    # An infinite moment has no number; it must not pass for a null.
    return f"coalesce(epoch_us({column}), CASE WHEN {column} IS NOT NULL THEN {2**63 - 1} END) AS {column}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
