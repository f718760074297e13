# SPDX-License-Identifier: Apache-2.0
"""What goes over the wire and how it is taken in: one way for the API, the worker, the replay and the checks."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow_dataops.core.metadata.event import encode_event
from airflow_dataops.core.metadata.faults import EventRefused, Reason, one, shown
from airflow_dataops.core.metadata.fields import moment_text
from airflow_dataops.core.metadata.limits import AHEAD, EVENT_BYTES
from airflow_dataops.core.metadata.reading import check_depth, read_json
from airflow_dataops.core.metadata.versions import VERSIONS, Read, Versions

TOPIC = "gpu-metadata"
GROUP = "edge-worker"  # whose commits say how far events are stored
DATABASE, COLLECTION = "metadata", "gpu_metadata"
CONTENT_TYPE = "application/json"


def take(document: Any, *, now: datetime, assumed: str | None = None, versions: Versions = VERSIONS) -> Read:
    """Return the event that a JSON document is, read, checked and normalised.

    Args:
        document: A JSON value.
        now: The time that no event may be far ahead of; at the API its clock, at the worker the record's own time, so that a replay judges
            as the first time did.
        assumed: Version of a document that does not say its own.
        versions: What the reader knows.

    Raises:
        EventRefused: It is no event that can be taken; ``reason`` and ``faults`` say why.
    """
    try:
        return _taken(document, now, assumed, versions)
    except EventRefused:
        check_depth(document)  # no version allows for more: what is too deep is refused in any case, and this says why
        raise


def _taken(document: Any, now: datetime, assumed: str | None, versions: Versions) -> Read:
    read = versions.read(document, assumed=assumed)
    if len(read.wire) > EVENT_BYTES:
        raise one(Reason.TOO_LARGE, "", f"{len(read.wire)} bytes as canonical JSON", f"up to {EVENT_BYTES} bytes")
    at = read.event.extracted_at
    if at > now + AHEAD:
        received, latest = shown(moment_text(at)), moment_text(now + AHEAD)
        raise one(Reason.FROM_THE_FUTURE, "extracted_at", received, f"a time up to {latest}")
    return read


def decode(value: bytes | None, *, key: bytes | None, now: datetime, versions: Versions = VERSIONS) -> Read:
    """Return the event in a record.

    Args:
        value: The record's value, in whatever form of JSON its producer wrote.
        key: The record's key; None where it has none, as that of a producer that goes past the API may be.
        now: The record's time.
        versions: What the reader knows.

    Raises:
        EventRefused: As :func:`take` and :func:`.reading.read_json`; ``KEY_DIFFERS`` where the record's key is not the event's: records
            of one event could then lie in two partitions.
    """
    read = _taken(read_json(value), now, None, versions)
    wanted = read.event.idempotency_key
    if key is not None and key != wanted.encode():
        raise one(
            Reason.KEY_DIFFERS,
            "idempotency_key",
            shown(key.decode("utf-8", "replace")),
            f"the event's, {shown(wanted)}",
        )
    return read


def record_of(read: Read) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
    """Return key, value and headers of the record that carries an event, in the version that it was written in."""
    headers = [("content-type", CONTENT_TYPE.encode()), ("schema-version", read.written.schema_version.encode())]
    return read.written.idempotency_key.encode(), read.wire, headers


__all__ = ["COLLECTION", "CONTENT_TYPE", "DATABASE", "GROUP", "TOPIC", "decode", "encode_event", "record_of", "take"]
