# SPDX-License-Identifier: Apache-2.0
"""Spark's types by our names, and columns as the types that DuckDB gives them: one engine says what a query returns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_dataops.core.errors import InputError
from airflow_dataops.core.sql.types import base_name, parse_type

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_NAMES = {
    "BooleanType": "boolean",
    "ByteType": "tinyint",
    "ShortType": "smallint",
    "IntegerType": "integer",
    "LongType": "bigint",
    "FloatType": "float",
    "DoubleType": "double",
    "StringType": "string",
    "DateType": "date",
    "TimestampNTZType": "timestamp",
    "TimestampType": "timestamptz",
    "BinaryType": "binary",
    "NullType": "null",
}
_LACKING = ("time", "interval")


def canonical(kind: Any) -> str:
    """Return the canonical name of a Spark type; ``null`` for the type of a bare null, and Spark's own name where there is no other."""
    name = type(kind).__name__
    if name in _NAMES:
        return _NAMES[name]
    if name == "DecimalType":
        return f"decimal({kind.precision}, {kind.scale})"
    if name == "ArrayType":
        return f"list<{canonical(kind.elementType)}>"
    if name == "MapType":
        return f"map<{canonical(kind.keyType)}, {canonical(kind.valueType)}>"
    if name == "StructType":
        return f"struct<{', '.join(f'{_field(part.name)}: {canonical(part.dataType)}' for part in kind.fields)}>"
    return str(kind.simpleString())


def spark_type(kind: str) -> str:
    """Return Spark's name of a canonical type."""
    return parse_type(kind).sql(dialect="spark", identify=True)


def quoted(name: str) -> str:
    """Return a quoted identifier."""
    return "`" + name.replace("`", "``") + "`"


def text(value: str) -> str:
    """Return a quoted text."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def refuse_lacking(columns: Mapping[str, str], where: str) -> None:
    """Raise for a column of a type that Spark does not have.

    Raises:
        InputError: ``SPARK_TYPE``.
    """
    for name, kind in columns.items():
        if re.search(rf"\b({'|'.join(_LACKING)})\b", re.sub(r"[\w\"]+:", "", kind)):
            raise InputError(
                f"column {name!r} of {where} is of type {kind}, which Spark does not have",
                hint="deliver it as a text or a number, or run this pipeline with engine: duckdb",
                code="SPARK_TYPE",
                details={"column": name, "type": kind},
            )


def as_columns(frame: DataFrame, columns: Mapping[str, str]) -> DataFrame:
    """Return a frame with its columns in the names and types that are wanted, in this order; a column that it lacks is null.

    Args:
        frame: Rows; its names may differ in case.
        columns: Column -> canonical type.
    """
    found = {field.name.lower(): field for field in frame.schema.fields}
    if [(field.name, canonical(field.dataType)) for field in frame.schema.fields] == list(columns.items()):
        return frame
    return frame.selectExpr(*(_item(name, kind, found.get(name.lower())) for name, kind in columns.items()))


def _item(name: str, kind: str, field: Any) -> str:
    if field is None:
        return f"CAST(NULL AS {spark_type(kind)}) AS {quoted(name)}"
    column, there = quoted(field.name), canonical(field.dataType)
    if there == kind:
        return column if field.name == name else f"{column} AS {quoted(name)}"
    return f"{_converted(column, there, kind)} AS {quoted(name)}"


def _converted(column: str, there: str, kind: str) -> str:
    if there == "bigint" and base_name(kind) in ("timestamp", "timestamptz"):
        # Nanoseconds, which Spark reads as a number; DuckDB rounds them, too.
        micros = f"CAST(ROUND(CAST({column} AS DECIMAL(20, 0)) / 1000, 0) AS BIGINT)"
        return f"CAST(TIMESTAMP_MICROS({micros}) AS {spark_type(kind)})"
    if there == "binary" and kind == "string":
        parts = "^(.{8})(.{4})(.{4})(.{4})(.{12})$"
        return f"REGEXP_REPLACE(LOWER(HEX({column})), {text(parts)}, '$1-$2-$3-$4-$5')"
    return f"CAST({column} AS {spark_type(kind)})"


def _field(name: str) -> str:
    return name if re.fullmatch(r"\w+", name) else '"' + name.replace('"', '""') + '"'
