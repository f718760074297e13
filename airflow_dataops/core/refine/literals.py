# SPDX-License-Identifier: Apache-2.0
"""Values from YAML as literals of a column's type."""

from __future__ import annotations

from decimal import Decimal
from math import isfinite
from typing import Any

from sqlglot import exp

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.sql import types
from airflow_dataops.core.sql._typed import moment_literal
from airflow_dataops.core.sql.dialects import plain_cast

_BITS = {"tinyint": 7, "smallint": 15, "integer": 31, "bigint": 63}


def literal(value: Any, kind: str, where: str) -> exp.Expression:
    """Return ``value`` as a literal of type ``kind``.

    Args:
        value: What the author wrote: a boolean, number or text.
        kind: Canonical type of the column.
        where: Place in the spec, for the error: ``fill of 'tailnum'``.

    Raises:
        SpecError: The value is not one of that type (``BAD_VALUE``).
    """
    base = types.base_name(kind)
    made: exp.Expression | None = None
    if base == "boolean" and isinstance(value, bool):
        made = exp.Boolean(this=value)
    elif base == "string" and isinstance(value, str):
        made = exp.Literal.string(value)
    elif types.is_numeric(kind) and isinstance(value, int | float) and not isinstance(value, bool):
        made = _number(value, kind)
    elif types.is_temporal(kind) and (isinstance(value, str) or hasattr(value, "isoformat")):
        made = _moment(value if isinstance(value, str) else value.isoformat(), kind)
    if made is None:
        raise SpecError(f"{where}: {value!r} is not a value of type {kind}", hint=_HINTS.get(base), code="BAD_VALUE")
    return made


_HINTS = {
    "boolean": "write true or false",
    "string": "write a text between quotes",
    "date": "write '2024-01-31'",
    "timestamp": "write '2024-01-31T12:00:00Z'",
    "timestamptz": "write '2024-01-31T12:00:00Z'",
} | dict.fromkeys((*_BITS, "float", "double", "decimal"), "write a number that the type can hold")


def _number(value: float, kind: str) -> exp.Expression | None:
    if not isfinite(value):
        return None
    base, number = types.base_name(kind), Decimal(repr(value))
    if base in _BITS:
        if number != number.to_integral_value() or not -(2 ** _BITS[base]) <= number < 2 ** _BITS[base]:
            return None
        number = Decimal(int(number))
    if base == "decimal":
        precision, scale = (int(part) for part in kind[len("decimal(") : -1].split(","))
        if number != round(number, scale) or abs(number) >= Decimal(10) ** (precision - scale):
            return None
    return plain_cast(exp.Literal.string(str(number)), types.parse_type(kind))


def _moment(text: str, kind: str) -> exp.Expression | None:
    try:
        made = moment_literal(text, kind)
    except ValueError:
        return None
    return made.tree if made.type == kind else None
