# SPDX-License-Identifier: Apache-2.0
"""Bytes -> JSON value, strictly: what two readers could take for two different things is refused."""

from __future__ import annotations

import json
from typing import Any

from airflow_dataops.core.metadata.faults import EventRefused, Reason, one, shown
from airflow_dataops.core.metadata.limits import DEPTH, EVENT_BYTES

_LARGEST_RAW = 2 * EVENT_BYTES  # spaces and escapes are gone in the canonical bytes


def read_json(data: bytes | None, *, most: int = _LARGEST_RAW) -> Any:
    """Return the JSON value in UTF-8 bytes.

    Args:
        data: The value of a record, or the body of a request.
        most: How many bytes there may be.

    Raises:
        EventRefused: There are none or too many, they are not UTF-8 or not JSON by RFC 8259 (no NaN, no Infinity), an object names a key
            twice, or something is nested too deeply. The reason says which.
    """
    value = parse(data, most=most)
    check_depth(value)
    return value


def parse(data: bytes | None, *, most: int) -> Any:
    """Return what :func:`read_json` does, however deeply it is nested: for a list of events, each of which is looked at on its own.

    Raises:
        EventRefused: As there.
    """
    if not data:
        raise one(Reason.EMPTY, "", "nothing", "a JSON object")
    if len(data) > most:
        raise one(Reason.TOO_LARGE, "", f"{len(data)} bytes", f"up to {most} bytes")
    try:
        text = data.decode()
    except UnicodeDecodeError as bad:
        raise one(Reason.NOT_UTF8, "", f"byte 0x{data[bad.start]:02x} at offset {bad.start}", "UTF-8") from None
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except json.JSONDecodeError as bad:
        raise one(Reason.NOT_JSON, "", f"{bad.msg} at line {bad.lineno}, column {bad.colno}", "JSON") from None
    except RecursionError:
        raise _too_deep() from None
    except EventRefused:
        raise
    except ValueError:  # Python refuses to read numbers of thousands of digits
        raise one(Reason.NOT_JSON, "", "a number of thousands of digits", "numbers as doubles") from None


def check_depth(value: Any) -> None:
    """Raise where a JSON value is nested too deeply (``TOO_DEEP``)."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(DEPTH):
        if not level:
            return
        inner: list[Any] = []
        for outer in level:
            parts = outer.values() if isinstance(outer, dict) else outer
            inner += [part for part in parts if isinstance(part, (dict, list))]
        level = inner
    if level:
        raise _too_deep()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise one(Reason.DUPLICATE_NAME, "", f"the name {shown(twice)} twice in one object", "each name once")
    return made


def _constant(name: str) -> float:
    raise one(Reason.NOT_JSON, "", name, "a finite number")


def _too_deep() -> EventRefused:
    return one(Reason.TOO_DEEP, "", "deeper nesting", f"objects and lists nested {DEPTH} deep")


__all__ = ["check_depth", "parse", "read_json"]
