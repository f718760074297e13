# SPDX-License-Identifier: Apache-2.0
"""A window as a short text, for places that take little: an XCom, a state store, the arguments of a trigger."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import replace
from typing import Any

from airflow_dataops.core.kafka_health.window import PartitionWindow, Window
from airflow_dataops.core.kafka_health.window_document import dump, load

MOST_CHARACTERS = 256 * 1024
_MOST_BYTES = 64 * 2**20  # of what a text unpacks to: one that was tampered with must not fill the memory


def pack(window: Window, most: int = MOST_CHARACTERS) -> str:
    """Return a window as text.

    Where it is too long, the oldest looks are left out, half of them at a time; where that is not enough, all but the severity.

    Args:
        window: The window.
        most: Longest text.
    """
    kept = window
    while True:
        text = _text(kept)
        if len(text) <= most or not (kept.looks or kept.partitions):
            return text
        kept = _newer_half(kept)


def unpack(text: Any) -> Window | None:
    """Return the window that :func:`pack` wrote; None where it cannot be read: a window begins anew then."""
    if not isinstance(text, str):
        return None
    try:
        unpacker = zlib.decompressobj()
        plain = unpacker.decompress(base64.b85decode(text), _MOST_BYTES)
        return load(json.loads(plain)) if unpacker.eof else None
    except (ValueError, zlib.error, RecursionError):
        return None


def _text(window: Window) -> str:
    plain = json.dumps(dump(window), separators=(",", ":")).encode()
    return base64.b85encode(zlib.compress(plain, 9)).decode()


def _newer_half(window: Window) -> Window:
    count = len(window.looks) // 2
    if count < 2:
        return Window(severity=window.severity)
    since = window.looks[-count]
    parts = {key: _since(one, since) for key, one in window.partitions.items()}
    return replace(window, looks=window.looks[-count:], unsettled=window.unsettled[-count:], partitions=parts)


def _since(part: PartitionWindow, since: int) -> PartitionWindow:
    samples = tuple(sample for sample in part.samples if sample.timestamp_ms >= since)
    ends = tuple(end for end in part.ends if end[0] >= since)
    return replace(part, samples=samples or part.samples[-1:], ends=ends or part.ends[-1:])


__all__ = ["MOST_CHARACTERS", "pack", "unpack"]
