# SPDX-License-Identifier: Apache-2.0
"""Post a marked event, wait until it is in the store and in the archive, and take it out of the store again."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from airflow_dataops.clients.metadata.parts import Parts, opened
from airflow_dataops.clients.storage import storage_for
from airflow_dataops.core.errors import DataOpsError
from airflow_dataops.core.metadata.dead_letter import Outgoing
from airflow_dataops.core.metadata.drain import PartitionId
from airflow_dataops.core.metadata.fields import moment_text
from airflow_dataops.core.metadata.jobs import RoundTripResult, RoundTripSpec, check_key
from airflow_dataops.core.metadata.wire import record_of, take
from airflow_dataops.jobs import records
from airflow_dataops.jobs.process import Progress, main

SEEN = "round_trip.json"
POSTED = "round_trip_posted.json"
_PAUSE = 0.5
_NEWEST = 10_000  # offsets
_ACKNOWLEDGED = 120.0  # the publisher gives up sooner, and knows why


def run(
    spec: RoundTripSpec, *, secrets: Mapping[str, str] | None = None, progress: Progress | None = None
) -> RoundTripResult:
    """Do what ``phase`` says.

    Args:
        spec: What to do.
        secrets: Reference -> value.
        progress: Told what is being done, one line at a time.

    Raises:
        DataOpsError: The event did not arrive in time (``ROUND_TRIP_LATE``), or the API did not take it.
    """
    tell = progress or (lambda _line: None)
    key = check_key(spec.run.pipeline, spec.run.key)
    result = RoundTripResult(task=spec.task, run=spec.run, key=key)
    folder = records.layout_of(spec).record
    seen = f"{folder}/{SEEN}"
    if spec.phase != "both" and (known := storage_for(seen).read_bytes(seen)) is not None:
        tell(f"{key} was seen by an earlier try of this run")
        return result.model_copy(update=json.loads(known))
    with opened(spec, secrets) as parts:
        if spec.phase != "await":
            _note(f"{folder}/{POSTED}", parts)
            _post(spec, parts, key, secrets or {})
            tell(f"posted {key}")
        if spec.phase == "post":
            return result
        order, found = _await(spec, parts, key, _noted(f"{folder}/{POSTED}"))
        tell(f"{key} is in the store" + ("" if parts.archive is None else " and in the archive"))
        told = {"stored": True, "archived": found, "removed": parts.store.remove(key, order)}
    storage_for(seen).write_bytes(seen, json.dumps(told).encode())
    return result.model_copy(update=told)


def event_of(key: str, now: datetime) -> dict[str, Any]:
    """Return the document of a marked event.

    Args:
        key: Its key.
        now: When it is posted; the newest of a run's tries stays.
    """
    digest = hashlib.sha256(key.encode()).hexdigest()
    return {
        "schema_version": "v1",
        "idempotency_key": key,
        "source": {"notebook": "dataops round trip", "accelerator": {"kind": "cpu"}, "model": {"name": "none"}},
        "object": {
            "uri": f"dataops://round-trip/{digest}",
            "checksum": f"sha256:{digest}",
            "size": 0,
            "media_type": "text/plain",
        },
        "extracted": {"attributes": {"check": True}},
        "extracted_at": moment_text(now),
    }


def _post(spec: RoundTripSpec, parts: Parts, key: str, secrets: Mapping[str, str]) -> None:
    document = event_of(key, datetime.now(UTC))
    if spec.api is not None:
        from airflow_dataops.clients.metadata.client import MetadataClient

        token = None if spec.token is None else secrets[spec.token.secret]
        with MetadataClient(spec.api, token=token, ca=spec.api_ca, cert=spec.api_cert) as client:
            client.send(document)
        return
    name, value, headers = record_of(take(document, now=datetime.now(UTC)))
    parts.publisher.send(Outgoing(parts.log.topic, name, value, tuple(headers))).result(_ACKNOWLEDGED)


def _note(path: str, parts: Parts) -> None:
    """Write down where the log ends: the event lies behind it. What the first try has noted stays, which may have posted it."""
    ends = {f"{topic}/{number}": seen.end for (topic, number), seen in parts.log.offsets().items()}
    storage_for(path).replace_if(path, None, json.dumps(ends).encode())


def _noted(path: str) -> dict[PartitionId, int]:
    """Return where to look from; nothing where the event was posted by a version that noted nothing."""
    found = json.loads(storage_for(path).read_bytes(path) or b"{}")
    return {(name.rpartition("/")[0], int(name.rpartition("/")[2])): end for name, end in found.items()}


def _await(spec: RoundTripSpec, parts: Parts, key: str, begin: dict[PartitionId, int]) -> tuple[str, bool | None]:
    """Return the order of the stored event, and whether the archive has it."""
    end = time.monotonic() + spec.timeout_seconds
    order = _until(lambda: _order(parts, key), end, key, "store")
    if parts.archive is None:
        return order, None
    _until(lambda: _archived(parts, key, begin) or None, end, key, "archive")
    return order, True


def _order(parts: Parts, key: str) -> str | None:
    found = parts.store.get([key]).get(key)
    return None if found is None else found.order


def _archived(parts: Parts, key: str, begin: dict[PartitionId, int]) -> bool:
    """Look in each partition from where the log ended before the event was posted; what is committed by now need not be looked at again."""
    assert parts.archive is not None  # noqa: S101  # who calls has looked
    for partition, seen in parts.log.offsets().items():
        first = begin.setdefault(partition, max(seen.start, seen.end - _NEWEST))
        if any(row.event_key == key for row in parts.archive.rows(*partition, first, seen.end)):
            return True
        begin[partition] = max(first, seen.committed or 0)
    return False


def _until(look: Callable[[], str | bool | None], end: float, key: str, where: str) -> Any:
    while True:
        found = look()
        if found is not None:
            return found
        if time.monotonic() >= end:
            raise DataOpsError(
                f"{key} is not in the {where} yet",
                hint="look at the worker's log and at its dead letters (`dataops replay --dry-run`)",
                code="ROUND_TRIP_LATE",
            )
        time.sleep(_PAUSE)


if __name__ == "__main__":
    raise SystemExit(main(RoundTripSpec, run))
