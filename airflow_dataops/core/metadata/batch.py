# SPDX-License-Identifier: Apache-2.0
"""The body of a request -> events to publish: one event or a list of them, taken all or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_dataops.core.errors import InputError
from airflow_dataops.core.metadata.dead_letter import Outgoing
from airflow_dataops.core.metadata.faults import EventRefused, FieldFault, Reason, one, shown
from airflow_dataops.core.metadata.reading import parse
from airflow_dataops.core.metadata.versions import VERSIONS, Read, Versions
from airflow_dataops.core.metadata.wire import record_of, take

BATCH_EVENTS = 1000
BATCH_BYTES = 8 << 20
# What a document without schema_version is, where the path names no version either: for ever that of the day when the path began.
UNVERSIONED = "v1"
_MOST = 100


@dataclass(frozen=True)
class Batch:
    """Events of one request.

    Attributes:
        keys: Their idempotency keys, in order.
        reads: The events.
    """

    keys: list[str]
    reads: list[Read]

    def records(self, topic: str) -> list[Outgoing]:
        """Return the records that carry them."""
        made = (record_of(read) for read in self.reads)
        return [Outgoing(topic, key, value, tuple(headers)) for key, value, headers in made]


@dataclass(frozen=True)
class Refusal:
    """An event of a batch that cannot be taken.

    Attributes:
        index: Its place in the list; None where the request is one event, or is wrong as a whole.
        reason: Why, in one word.
        faults: Why, in detail.
    """

    index: int | None
    reason: Reason
    faults: tuple[FieldFault, ...]

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return one document a fault: ``index``, ``reason``, ``path``, ``received``, ``valid``."""
        return [{"index": self.index, "reason": self.reason.value, **fault.to_dict()} for fault in self.faults]


class BatchRefused(InputError):
    """Some of it cannot be taken, so none of it is.

    Args:
        refusals: What cannot.
        events: How many there were.
    """

    default_code = "EVENTS_REFUSED"

    def __init__(self, refusals: Iterable[Refusal], events: int) -> None:
        self.refusals = tuple(refusals)
        faults = [fault for refusal in self.refusals for fault in refusal.to_dicts()]
        first = faults[0]
        place = "" if first["index"] is None else f"event {first['index']}, "
        said = f"{place}{first['path'] or 'the whole'}: received {first['received']}; valid is {first['valid']}"
        message = f"{len(self.refusals)} of {events} events cannot be taken, so none was: {said}"
        super().__init__(message, details={"faults": faults[:_MOST], "refused": len(self.refusals)})

    @property
    def too_large(self) -> bool:
        """True where the request, or all that is wrong with it, is too large."""
        return all(refusal.reason is Reason.TOO_LARGE for refusal in self.refusals)


def read_batch(body: bytes, *, now: datetime, version: str | None = None, versions: Versions = VERSIONS) -> Batch:
    """Return the events in a request's body.

    Args:
        body: JSON: an event, or a list of 1 to :data:`BATCH_EVENTS` of them.
        now: The time that no event may be far ahead of.
        version: What the path says: an event may leave its version out, and may not say another one. None: each says its own, and
            one that does not is of :data:`UNVERSIONED`.
        versions: What the reader knows.

    Raises:
        BatchRefused: Something of it cannot be taken; all that is wrong is told.
    """
    try:
        document = parse(body, most=BATCH_BYTES)
    except EventRefused as error:
        raise BatchRefused([_refusal(None, error)], 1) from None
    if not isinstance(document, list):
        return _taken([(None, document)], now, version, versions)
    if not 1 <= len(document) <= BATCH_EVENTS:
        reason = Reason.TOO_LARGE if document else Reason.EMPTY
        fault = one(reason, "", f"a list of {len(document)} events", f"1 to {BATCH_EVENTS} events")
        raise BatchRefused([_refusal(None, fault)], len(document))
    return _taken(list(enumerate(document)), now, version, versions)


def _taken(documents: list[tuple[int | None, Any]], now: datetime, version: str | None, versions: Versions) -> Batch:
    reads, refusals = [], []
    for index, document in documents:
        try:
            reads.append(_one(document, now, version, versions))
        except EventRefused as error:
            refusals.append(_refusal(index, error))
    if refusals:
        raise BatchRefused(refusals, len(documents))
    return Batch([read.written.idempotency_key for read in reads], reads)


def _one(document: Any, now: datetime, version: str | None, versions: Versions) -> Read:
    if version is not None and isinstance(document, dict):
        said = document.get("schema_version", version)
        if said != version:
            hint = f"post it to /{said}/metadata" if isinstance(said, str) and said in versions.names else None
            raise one(Reason.UNKNOWN_VERSION, "schema_version", shown(said), f"{version}, as the path says", hint)
    return take(document, now=now, assumed=version or UNVERSIONED, versions=versions)


def _refusal(index: int | None, error: EventRefused) -> Refusal:
    return Refusal(index, error.reason, tuple(error.faults))


__all__ = ["BATCH_BYTES", "BATCH_EVENTS", "UNVERSIONED", "Batch", "BatchRefused", "Refusal", "read_batch"]
