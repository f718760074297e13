# SPDX-License-Identifier: Apache-2.0
"""The records of a run as a table that a gate reads: a line of JSON for each, and where its columns stand in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_dataops.core.metadata.archive import Row
from airflow_dataops.core.metadata.fields import moment_text

# Column -> path in a line, and its type for the gate. What a pipeline adds leads into ``event``.
COLUMNS: Mapping[str, tuple[str, str]] = {
    "partition": ("partition", "bigint"),
    "offset": ("offset", "bigint"),
    "record_time": ("record_time", "timestamp"),
    "status": ("status", "string"),
    "reason": ("reason", "string"),
    "event_key": ("event_key", "string"),
    "schema_version": ("event.schema_version", "string"),
    "extracted_at": ("event.extracted_at", "timestamp"),
    "notebook": ("event.source.notebook", "string"),
    "accelerator": ("event.source.accelerator.kind", "string"),
    "model": ("event.source.model.name", "string"),
    "model_version": ("event.source.model.version", "string"),
    "uri": ("event.object.uri", "string"),
    "checksum": ("event.object.checksum", "string"),
    "size": ("event.object.size", "bigint"),
    "media_type": ("event.object.media_type", "string"),
    "images": ("images", "bigint"),
    "logs": ("logs", "bigint"),
    "metrics": ("metrics", "bigint"),
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_COUNTED = ("images", "logs", "metrics")


def line_of(partition: int, row: Row) -> bytes:
    """Return the line of a record: its place, what became of it, and the event as the store has it.

    Args:
        partition: Its partition.
        row: The record.
    """
    event = json.loads(row.enriched) if row.enriched is not None else None
    extracted = (event or {}).get("extracted") or {}
    counts = {name: len(extracted.get(name) or ()) for name in _COUNTED} if event is not None else {}
    document: dict[str, Any] = {
        "partition": partition,
        "offset": row.offset,
        "record_time": _time(row.timestamp),
        "status": row.status,
        "reason": row.reason or None,
        "event_key": row.event_key or None,
        **counts,
        "event": event,
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace") + b"\n"


def paths(more: Mapping[str, str]) -> dict[str, str]:
    """Return column -> path for the gate's source.

    Args:
        more: Columns that a pipeline adds -> path in the event; one of a known name replaces it.
    """
    return {name: path for name, (path, _) in COLUMNS.items()} | {name: f"event.{path}" for name, path in more.items()}


def types(more: Mapping[str, str]) -> dict[str, str]:
    """Return column -> type for the gate's source; what a pipeline adds is read as it stands."""
    return {name: kind for name, (_, kind) in COLUMNS.items() if kind != "string" and name not in more}


def _time(milliseconds: int) -> str | None:
    if milliseconds < 0:
        return None
    try:
        return moment_text(min(_EPOCH + timedelta(milliseconds=milliseconds), _LAST))
    except OverflowError:
        return moment_text(_LAST)


__all__ = ["COLUMNS", "line_of", "paths", "types"]
