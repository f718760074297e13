# SPDX-License-Identifier: Apache-2.0
"""The small values of a YAML file: durations, dates, time zones, sizes. Each is checked as it is read."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

_UNITS = {"s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hour": 3600}
_UNITS |= {"d": 86400, "day": 86400, "w": 604800, "week": 604800}
_PART = re.compile(r"\s*(\d+)\s*([a-z]+)\s*(?:,|and\b)?")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:\d\d)?)?")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|[KMGT]i?B?)", re.IGNORECASE)
_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"


def seconds(text: Any) -> int:
    """Return the seconds of a duration.

    Args:
        text: ``5m``, ``1h30m``, ``5 minutes``, ``1 hour 30 minutes``; units from seconds to weeks, whole numbers.

    Raises:
        PydanticCustomError: It is something else (``bad_duration``); a bare number too: its unit would be a guess.
    """
    rest = text.strip().lower() if isinstance(text, str) else ""
    total = 0
    while rest:
        part = _PART.match(rest)
        unit = part and (part[2] if part[2] in _UNITS else part[2].removesuffix("s"))
        if not part or unit not in _UNITS:
            break
        total += int(part[1]) * _UNITS[unit]
        rest = rest[part.end() :].strip()
    if rest or not isinstance(text, str) or not text.strip():
        hint = (
            f"write {text}s for seconds, {text}m for minutes"
            if _is_number(text)
            else "write it as 5m, 1h30m or '5 minutes'"
        )
        raise PydanticCustomError(
            "bad_duration",
            "{received} is no duration: a whole number and s, m, h, d or w is",
            {"received": repr(text), "hint": hint},
        )
    return total


def moment(text: str) -> str:
    """Return a date or a moment, checked: ``2024-01-31`` or ``2024-01-31T06:00``, with ``Z`` or ``+02:00`` where not local.

    Raises:
        PydanticCustomError: It is no such text, or no such day (``bad_date``).
    """
    why = "" if _MOMENT.fullmatch(text) else "it has another form"
    try:
        datetime.fromisoformat(text)
    except ValueError as error:
        why = why or str(error)
    if why:
        hint = "write it as 2024-01-31 or 2024-01-31T06:00"
        raise PydanticCustomError(
            "bad_date", "{received} is no date: {why}", {"received": repr(text), "why": why, "hint": hint}
        )
    return text


def timezone(name: str) -> str:
    """Return the IANA name of a time zone, checked against the installed list.

    Raises:
        PydanticCustomError: There is no such zone (``unknown_timezone``).
    """
    from zoneinfo import ZoneInfo, available_timezones

    from airflow_dataops.core.errors import did_you_mean

    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        near = did_you_mean(name, available_timezones())
        raise PydanticCustomError(
            "unknown_timezone",
            "unknown time zone {received}",
            {"received": repr(name), "hint": near or "write its IANA name, as Europe/Paris or UTC"},
        ) from None
    return name


def size(value: Any) -> int:
    """Return bytes: a whole number as it is, ``512MB`` or ``4GiB`` by its unit (both count by 1024).

    Raises:
        PydanticCustomError: It is something else (``bad_size``).
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if not found:
        raise PydanticCustomError(
            "bad_size", "{received} is no size", {"received": repr(value), "hint": "write it as 512MB or 4GB"}
        )
    return int(float(found[1]) * 1024 ** "BKMGT".index(found[2][0].upper()))


def as_list(value: Any) -> Any:
    """Return a list of one where a text stands alone."""
    return [value] if isinstance(value, str) else value


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool) and (
        isinstance(value, int | float) or (isinstance(value, str) and value.strip().isdigit())
    )


Seconds = Annotated[
    int,
    BeforeValidator(seconds),
    WithJsonSchema({"type": "string", "examples": ["5m", "1h30m", "5 minutes"]}, mode="validation"),
]
"""A duration, written ``5m``; kept as seconds."""

Moment = Annotated[str, AfterValidator(moment)]
"""A date or moment as ISO text; without an offset it is meant in the pipeline's time zone."""

TimeZone = Annotated[str, AfterValidator(timezone)]
"""An IANA time zone."""

Bytes = Annotated[
    int,
    BeforeValidator(size),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string", "examples": ["4GB"]}]}, mode="validation"),
]
"""A size, written ``4GB``; kept as bytes."""

Names = Annotated[
    list[str],
    BeforeValidator(as_list),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}, mode="validation"),
]
"""One name or a list of them; kept as a list."""

Money = Annotated[Decimal, WithJsonSchema({"type": "number"}, mode="validation")]
"""An amount in the currency of a rate card."""

Price = Annotated[Decimal, Field(ge=0), WithJsonSchema({"type": "number", "minimum": 0}, mode="validation")]
"""A price; it may be nothing."""

PipelineName = Annotated[str, Field(pattern=_NAME, max_length=200)]
"""A name that is safe in a path and as a DAG id."""
