# SPDX-License-Identifier: Apache-2.0
"""Type names of pandas, Spark and SQL, as Great Expectations suites carry them, against canonical types."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.sql.types import base_name, canonical

# Name in small letters, without arguments -> canonical types that it stands for. A name of our own stands for itself alone.
_ALIASES: dict[str, tuple[str, ...]] = {
    "int8": ("tinyint",),
    "int16": ("smallint",),
    "int32": ("integer",),
    "int64": ("bigint",),
    "uint8": ("smallint",),
    "uint16": ("integer",),
    "uint32": ("bigint",),
    "uint64": ("decimal",),
    "int_": ("bigint",),
    "float16": ("float",),
    "float32": ("float",),
    "float64": ("double",),
    "float_": ("double",),
    "bool": ("boolean",),
    "bool_": ("boolean",),
    "str": ("string",),
    "object": ("string",),
    "string_": ("string",),
    "text": ("string",),
    "varchar": ("string",),
    "char": ("string",),
    "nvarchar": ("string",),
    "character varying": ("string",),
    "double precision": ("double",),
    "double_precision": ("double",),
    "number": ("decimal",),
    "bytestype": ("binary",),
    "binarytype": ("binary",),
    "booleantype": ("boolean",),
    "bytetype": ("tinyint",),
    "shorttype": ("smallint",),
    "integertype": ("integer",),
    "longtype": ("bigint",),
    "floattype": ("float",),
    "doubletype": ("double",),
    "decimaltype": ("decimal",),
    "stringtype": ("string",),
    "datetype": ("date",),
    "timestamptype": ("timestamptz", "timestamp"),
    "timestampntztype": ("timestamp",),
    "arraytype": ("list",),
    "maptype": ("map",),
    "structtype": ("struct",),
    "datetime": ("timestamp", "timestamptz"),
    "datetime64": ("timestamp", "timestamptz"),
    "datetime64[ns]": ("timestamp",),
    "datetime64[us]": ("timestamp",),
    "datetime64[ms]": ("timestamp",),
    "timestamp_ntz": ("timestamp",),
    "timestamp without time zone": ("timestamp",),
    "timestamp with time zone": ("timestamptz",),
    "timestamp_tz": ("timestamptz",),
    "numeric": ("decimal",),
    "list": ("list",),
    "dict": ("map", "struct"),
    "array": ("list",),
    "decimal": ("decimal",),
}


def type_fault(name: str) -> str | None:
    """Return why a type name cannot be understood, or None."""
    try:
        _canonical(name)
    except SpecError as error:
        return error.message
    return None


def types_match(actual: str, names: Sequence[str]) -> bool:
    """Return whether a canonical type is one of ``names``; a name without arguments stands for all of its kind."""
    return any(wanted in (actual, base_name(actual)) for name in names for wanted in _canonical(name))


def _canonical(name: str) -> tuple[str, ...]:
    """Return the canonical types that a name stands for: `StringType()`, `VARCHAR(20)`, `datetime64[ns, UTC]` and `integer` alike."""
    lowered = name.strip().lower()
    if lowered.startswith("datetime64[") and "," in lowered:
        return ("timestamptz",)
    bare = lowered.split("(", 1)[0].strip()
    if bare in ("decimal", "numeric", "decimaltype") and "(" in lowered:
        return (canonical(f"decimal({lowered.split('(', 1)[1].rstrip(')')})"),)
    if lowered in _ALIASES or bare in _ALIASES:
        return _ALIASES.get(lowered) or _ALIASES[bare]
    return (canonical(name),)
