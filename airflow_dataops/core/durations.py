# SPDX-License-Identifier: Apache-2.0
"""Lengths of time as people write them (``30m``), and as they are told back."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer
from pydantic_core import PydanticCustomError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST = timedelta(days=36_500)  # a moment that far away is still a date
_MOST_OF_A_UNIT = 120
_TEXT = re.compile(r"(\d+)\s*([smhd])")


def text(length: timedelta) -> str:
    """Return a length in its largest whole unit: ``90m``, ``2h``, ``14d``."""
    seconds = int(length.total_seconds())
    unit = next((name for name in ("d", "h", "m") if seconds and seconds % _UNITS[name] == 0), "s")
    return f"{seconds // _UNITS[unit]}{unit}"


def told(length: timedelta) -> str:
    """Return a length for people, without great numbers: ``90m``, ``2h 31m``, ``20d 31m``; what can be typed is :func:`text`."""
    seconds = int(length.total_seconds())
    whole = text(length)
    if whole.endswith("d") or int(whole[:-1]) <= _MOST_OF_A_UNIT:
        return whole
    parts = []
    for unit in ("d", "h", "m", "s"):
        count, seconds = divmod(seconds, _UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts)


def _read(value: Any) -> Any:
    found = _TEXT.fullmatch(value.strip()) if isinstance(value, str) else None
    try:
        if isinstance(value, timedelta):
            length = value
        elif found is not None:
            length = timedelta(seconds=int(found[1]) * _UNITS[found[2]])
        elif isinstance(value, int | float) and not isinstance(value, bool):
            length = timedelta(seconds=value)
        else:
            raise ValueError(value)
        if not timedelta() <= length <= _LONGEST:
            raise ValueError(value)
    except (OverflowError, ValueError):
        raise PydanticCustomError(
            "bad_duration", "{received} is no length of time; write 90s, 30m, 2h or 1d", {"received": repr(value)}
        ) from None
    return length


Duration = Annotated[timedelta, BeforeValidator(_read), PlainSerializer(lambda value: value.total_seconds())]
"""A ``timedelta``: read from ``30m``, seconds or a timedelta, written as seconds."""
