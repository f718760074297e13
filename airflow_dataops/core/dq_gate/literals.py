# SPDX-License-Identifier: Apache-2.0
"""Values in rules against types of columns, without an SQL library: what fits, and how it is shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal

from airflow_dataops.core.sql.types import base_name, is_numeric, is_temporal, is_text

Family = Literal["number", "text", "boolean", "moment", "other"]


def family(type_name: str) -> Family:
    """Return which values a column of a canonical type can be compared with."""
    if is_numeric(type_name):
        return "number"
    if is_text(type_name):
        return "text"
    if is_temporal(type_name):
        return "moment"
    return "boolean" if base_name(type_name) == "boolean" else "other"


def is_float(type_name: str) -> bool:
    """True where a column may hold NaN."""
    return base_name(type_name) in ("float", "double")


def value_fault(column: str, type_name: str, value: Any, *, ordered: bool = False) -> str | None:
    """Return why ``value`` cannot be compared with a column of this type, or None.

    Args:
        column: Name, for the text.
        type_name: Canonical type of the column.
        value: A JSON scalar.
        ordered: True where it is an end of a range, which a boolean cannot be.
    """
    kind = family(type_name)
    if kind == "number" and isinstance(value, int | float) and not isinstance(value, bool):
        return None if math.isfinite(value) else f"{value!r} is not a value of {column}"
    if kind == "text" and isinstance(value, str):
        return None
    if kind == "boolean" and isinstance(value, bool) and not ordered:
        return None
    if kind == "moment" and isinstance(value, str):
        return (
            None
            if is_moment(value)
            else f"{value!r} is not a time for {column} ({type_name}); write 2024-01-31 or 2024-01-31T10:00:00"
        )
    return f"{value!r} cannot be compared with {column}, which is of type {type_name}"


def is_moment(text: str) -> bool:
    """True for an ISO date or time of the years 1 to 9999."""
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def shown(values: Sequence[Any], limit: int = 10) -> str:
    """Return ``'a', 'b', 3 … (12 values)``."""
    listed = ", ".join(repr(value) for value in values[:limit])
    return listed if len(values) <= limit else f"{listed} … ({len(values)} values)"


def json_safe(value: Any) -> Any:  # noqa: PLR0911 - one line a type
    """Return a value of an engine as JSON can hold it: times as ISO texts, decimals as numbers, bytes as hex."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Decimal):
        if not value.is_finite():
            return str(value)
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, dict):
        return {str(key): json_safe(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [json_safe(item) for item in value]
    return str(value)
