# SPDX-License-Identifier: Apache-2.0
"""Dates and times of columns and rules, made comparable. A time without zone is UTC."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

_DURATION = re.compile(r"^(\d+)\s*(s|m|h|d|w)$")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def utc(value: date | datetime) -> datetime:
    """Return a date (its midnight) or time as an aware time in UTC."""
    moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day, tzinfo=UTC)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def comparable(value: Any) -> Any:
    """Return an ISO text as a time in UTC; anything else as it is."""
    return utc(datetime.fromisoformat(value)) if isinstance(value, str) else value


def duration(text: str) -> timedelta:
    """Return ``90s``, ``30m``, ``2h``, ``1d`` or ``1w`` as a length of time.

    Raises:
        ValueError: The text is none of these.
    """
    found = _DURATION.match(text.strip())
    if not found:
        raise ValueError(f"{text!r} is not a length of time; write 30m, 2h, 1d or 1w")
    try:
        return timedelta(**{_UNITS[found.group(2)]: int(found.group(1))})
    except OverflowError:
        raise ValueError(f"{text!r} is too long") from None


def duration_text(length: timedelta) -> str:
    """Return a length of time as a person says it: ``2 d 3 h``, ``45 min``, ``-3 s``."""
    seconds = int(length.total_seconds())
    sign, seconds = ("-" if seconds < 0 else ""), abs(seconds)
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {unit}")
    return sign + (" ".join(parts[:2]) or "0 s")
