# SPDX-License-Identifier: Apache-2.0
"""Lengths of time as people write them (``30m``), and as they are told back."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer
from pydantic_core import PydanticCustomError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_TEXT = re.compile(r"(\d+)\s*([smhd])")


def text(length: timedelta) -> str:
    """Return a length in its largest whole unit: ``90m``, ``2h``, ``14d``."""
    seconds = int(length.total_seconds())
    unit = next((name for name in ("d", "h", "m") if seconds and seconds % _UNITS[name] == 0), "s")
    return f"{seconds // _UNITS[unit]}{unit}"


def _read(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return timedelta(seconds=value)
    found = _TEXT.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise PydanticCustomError(
            "bad_duration", "{received} is no length of time; write 90s, 30m, 2h or 1d", {"received": repr(value)}
        )
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


Duration = Annotated[timedelta, BeforeValidator(_read), PlainSerializer(lambda value: value.total_seconds())]
"""A ``timedelta``: read from ``30m``, seconds or a timedelta, written as seconds."""
