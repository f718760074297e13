# SPDX-License-Identifier: Apache-2.0
"""Canonical types as Arrow's, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.sql import types

_SCALARS: dict[str, Any] = {
    "boolean": pa.bool_(),
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "string": pa.string(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", tz="UTC"),
    "time": pa.time64("us"),
    "binary": pa.binary(),
    "interval": pa.month_day_nano_interval(),
}
_NAMES = {str(kind): name for name, kind in _SCALARS.items()}
_NAMES |= {"large_string": "string", "string_view": "string", "large_binary": "binary", "binary_view": "binary"}
# As core/sql/types.py has DuckDB's: the next larger type that holds every value.
_NAMES |= {"uint8": "smallint", "uint16": "integer", "uint32": "bigint", "uint64": "decimal(20, 0)"}


def schema_of(columns: Mapping[str, str]) -> Any:
    """Return the Arrow schema of column -> canonical type."""
    return pa.schema([pa.field(name, type_of(kind)) for name, kind in columns.items()])


def columns_of(schema: Any) -> dict[str, str]:
    """Return column -> canonical type of an Arrow schema.

    Raises:
        SpecError: A type has no canonical name (``UNKNOWN_TYPE``).
    """
    return {field.name: name_of(field.type) for field in schema}


def type_of(canonical: str) -> Any:
    """Return the Arrow type of a canonical one."""
    return _type(types.parse_type(canonical))


def name_of(kind: Any) -> str:
    """Return the canonical name of an Arrow type."""
    known = _NAMES.get(str(kind))
    if known:
        return known
    if pa.types.is_decimal(kind):
        return f"decimal({kind.precision}, {kind.scale})"
    if pa.types.is_timestamp(kind):
        return "timestamptz" if kind.tz else "timestamp"
    if pa.types.is_struct(kind):
        fields = ", ".join(f'"{field.name}": {name_of(field.type)}' for field in kind)
        return types.canonical(f"struct<{fields}>")
    if pa.types.is_map(kind):
        return f"map<{name_of(kind.key_type)}, {name_of(kind.item_type)}>"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"list<{name_of(kind.value_type)}>"
    raise SpecError(f"Arrow type {kind} has no canonical name", code="UNKNOWN_TYPE")


def _type(tree: Any) -> Any:
    name = types.base_name(types.type_name(tree))
    if name == "decimal":
        return pa.decimal128(*(int(param.this.this) for param in tree.expressions))
    if name == "list":
        return pa.list_(_type(tree.expressions[0]))
    if name == "map":
        return pa.map_(*map(_type, tree.expressions))
    if name == "struct":
        return pa.struct([pa.field(column.this.name, _type(column.args["kind"])) for column in tree.expressions])
    return _SCALARS[name]
