# SPDX-License-Identifier: Apache-2.0
"""Rows of the archive as a Parquet file, and back: raw bytes as they came, the enriched event as JSON, and its main fields as columns."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from airflow_dataops.core.errors import InputError
from airflow_dataops.core.metadata.archive import Row
from airflow_dataops.core.metadata.limits import LARGEST_INTEGER

VERSION = b"1"
_MARK = b"dataops.archive"
_ROW_GROUP = 2_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOMENT = pa.timestamp("ms", tz="UTC")
_LAST = int((datetime(9999, 12, 31, tzinfo=UTC) - _EPOCH) / timedelta(milliseconds=1))

_RAW: dict[str, Any] = {
    "offset": pa.int64(),
    "timestamp": pa.int64(),
    "key": pa.binary(),
    "value": pa.large_binary(),
    "headers": pa.list_(pa.struct([("name", pa.string()), ("value", pa.binary())])),
    "status": pa.string(),
    "order": pa.string(),
    "event_key": pa.string(),
    "enriched": pa.large_string(),
    "reason": pa.string(),
}
# For whoever queries it: derived from the others whenever a file is written, and never read back.
_TYPED: dict[str, tuple[Any, tuple[str, ...]]] = {
    "extracted_at": (_MOMENT, ("extracted_at",)),
    "object_uri": (pa.string(), ("object", "uri")),
    "object_checksum": (pa.string(), ("object", "checksum")),
    "object_size": (pa.int64(), ("object", "size")),
    "object_media_type": (pa.string(), ("object", "media_type")),
    "notebook": (pa.string(), ("source", "notebook")),
    "accelerator_kind": (pa.string(), ("source", "accelerator", "kind")),
    "accelerator_name": (pa.string(), ("source", "accelerator", "name")),
    "model_name": (pa.string(), ("source", "model", "name")),
    "model_version": (pa.string(), ("source", "model", "version")),
}
SCHEMA = pa.schema(
    [*_RAW.items(), ("time", _MOMENT), *((name, kind) for name, (kind, _) in _TYPED.items())],
    metadata={_MARK: VERSION},
)


def encode(rows: Sequence[Row]) -> bytes:
    """Return a file of rows."""
    bodies = [json.loads(row.enriched) if row.enriched else {} for row in rows]
    columns = [_column(name, kind, rows) for name, kind in _RAW.items()]
    columns.append(pa.array([_in_range(row.timestamp) for row in rows], _MOMENT))
    columns += [pa.array([_typed(body, way, kind) for body in bodies], kind) for kind, way in _TYPED.values()]
    target = io.BytesIO()
    table = pa.Table.from_arrays(columns, schema=SCHEMA)
    pq.write_table(table, target, compression="zstd", row_group_size=_ROW_GROUP, write_page_checksum=True)
    return target.getvalue()


def decode(data: bytes, where: str) -> list[Row]:
    """Return the rows of a file.

    Raises:
        InputError: It is damaged, or no file of an archive of this version (``ARCHIVE_DAMAGED``).
    """
    try:
        with pq.ParquetFile(io.BytesIO(data), page_checksum_verification=True) as file:
            if (file.schema_arrow.metadata or {}).get(_MARK) != VERSION:
                raise _damaged(where, f"it is not marked as of version {VERSION.decode()}")
            table = file.read(columns=list(_RAW))
    except (pa.ArrowException, OSError, KeyError) as error:
        raise _damaged(where, str(error)[:200]) from None
    columns: Mapping[str, list[Any]] = {name: table.column(name).to_pylist() for name in _RAW}
    return [_row(values) for values in zip(*columns.values(), strict=True)]


def _column(name: str, kind: Any, rows: Iterable[Row]) -> Any:
    if name == "headers":
        return pa.array([[{"name": each, "value": value} for each, value in row.headers] for row in rows], kind)
    if name == "enriched":
        return pa.array([None if row.enriched is None else row.enriched.decode() for row in rows], kind)
    return pa.array([getattr(row, name) for row in rows], kind)


def _row(values: tuple[Any, ...]) -> Row:
    found = dict(zip(_RAW, values, strict=True))
    found["headers"] = tuple((one["name"], one["value"]) for one in found["headers"])
    found["enriched"] = None if found["enriched"] is None else found["enriched"].encode()
    return Row(**found)


def _in_range(milliseconds: int) -> int | None:
    return milliseconds if 0 <= milliseconds <= _LAST else None


def _typed(body: Any, way: Sequence[str], kind: Any) -> Any:
    """Return the value that a path leads to; None where transforms have made something else of it."""
    value = body
    for name in way:
        value = value.get(name) if isinstance(value, dict) else None
    if kind == _MOMENT:
        return _moment(value)
    if kind == pa.int64():
        return value if type(value) is int and abs(value) <= LARGEST_INTEGER else None
    return value if isinstance(value, str) else None


def _moment(value: Any) -> int | None:
    """Return milliseconds since 1970; as numbers, since pyarrow loads all of pandas for a date."""
    try:
        return (datetime.fromisoformat(value).astimezone(UTC) - _EPOCH) // timedelta(milliseconds=1)
    except (TypeError, ValueError, OverflowError):
        return None


def _damaged(where: str, why: str) -> InputError:
    return InputError(
        f"{where} cannot be read: {why}",
        hint="nothing was written over it; take an earlier version of the object back, or move it away and drain its offsets again",
        code="ARCHIVE_DAMAGED",
        details={"path": where},
    )


__all__ = ["SCHEMA", "VERSION", "decode", "encode"]
