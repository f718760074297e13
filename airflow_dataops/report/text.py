# SPDX-License-Identifier: Apache-2.0
"""Numbers, moments and foreign texts as people read them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

# What HTML cannot carry, or what would draw a text as something else: control characters, lone surrogates, direction overrides.
_UNSHOWABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069\ufffe\uffff]")


def clean(text: object) -> str:
    """Return a text that every parser and printer takes; what cannot be shown becomes U+FFFD."""
    return _UNSHOWABLE.sub("\ufffd", str(text))


def short(text: object, limit: int = 80) -> str:
    """Return at most ``limit`` characters of a cleaned text, with an ellipsis where some are missing."""
    # Only what may be shown is cleaned: a value of many megabytes must not take its time.
    whole = str(text)
    shown = clean(whole[: limit + 1])
    return shown if len(whole) <= limit else shown[: limit - 1] + "…"


def value(item: Any, limit: int = 80) -> str:
    """Return a JSON value as one short text; lists and objects as JSON."""
    if item is None:
        return "null"
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, float):
        return f"{item:,.0f}" if item.is_integer() and abs(item) < 1e15 else f"{item:,.6g}"
    if isinstance(item, list | tuple):
        return short(", ".join(value(part, limit) for part in item[:50]), limit)
    if isinstance(item, Mapping):
        return short(json.dumps(dict(item), ensure_ascii=False, default=str), limit)
    return short(item, limit)


def figure(item: Any, limit: int = 80) -> str:
    """Return what a rule observed: as :func:`value`, whole numbers with thousands apart."""
    return count(item) if isinstance(item, int) and not isinstance(item, bool) else value(item, limit)


def count(number: int) -> str:
    """Return ``336,776``."""
    return f"{number:,}"


def share(part: float | None) -> str:
    """Return a share, 0..1, as percent; never ``0 %`` or ``100 %`` where it is not exactly that."""
    if part is None or not math.isfinite(part):
        return "–"
    percent = part * 100
    if percent in (0, 100):
        return f"{percent:.0f}\u00a0%"
    if 0 < percent < 0.01:
        return "< 0.01\u00a0%"
    if 99.99 < percent < 100:
        return "> 99.99\u00a0%"
    return f"{percent:.2f}\u00a0%"


def seconds(amount: float) -> str:
    """Return ``850 ms``, ``4.2 s``, ``3 min 05 s`` or ``2 h 10 min``."""
    if amount < 0.0005:
        return "0 s"
    if amount < 0.9995:
        return f"{amount * 1000:.0f} ms"
    if amount < 59.95:
        return f"{amount:.1f} s"
    whole = round(amount)
    if whole < 3600:
        return f"{whole // 60} min\u00a0{whole % 60:02}\u00a0s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def size(amount: int) -> str:
    """Return bytes with a binary unit: ``5.0 MiB``."""
    number = float(amount)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1023.95:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:,.1f} TiB"


def moment(when: datetime) -> str:
    """Return ``2013-01-31 06:00 UTC``, without the time at midnight."""
    utc = when.astimezone(UTC)
    return utc.strftime("%Y-%m-%d" if not (utc.hour or utc.minute or utc.second) else "%Y-%m-%d %H:%M UTC")
