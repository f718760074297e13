# SPDX-License-Identifier: Apache-2.0
"""What becomes of a record: an event that is to be stored, or a dead letter. No record stops those behind it."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import cast

from airflow_dataops.core.metadata.archive import Row, row_of
from airflow_dataops.core.metadata.dead_letter import Record
from airflow_dataops.core.metadata.event import document_of
from airflow_dataops.core.metadata.faults import EventRefused, Reason, one
from airflow_dataops.core.metadata.limits import FIRST_MOMENT
from airflow_dataops.core.metadata.transforms import Transforms, TransformSpec
from airflow_dataops.core.metadata.upsert import Stored, order_of, stored_of
from airflow_dataops.core.metadata.versions import VERSIONS, Versions
from airflow_dataops.core.metadata.wire import decode
from airflow_dataops.core.model import Model

_LOG = logging.getLogger(__name__)
_LATEST = int((datetime(9999, 1, 1, tzinfo=UTC) - FIRST_MOMENT) / timedelta(milliseconds=1))


@dataclass
class Taken:
    """A record and what becomes of it; a store may still refuse it.

    Attributes:
        record: What was read.
        outcome: What is to be stored of it, or why it cannot be.
    """

    record: Record
    outcome: Stored | EventRefused

    def row(self) -> Row:
        """Return its row in the archive."""
        outcome = self.outcome
        return row_of(self.record, outcome.reason if isinstance(outcome, EventRefused) else outcome)


@dataclass(frozen=True)
class Taker:
    """Reads records as events, and does the transforms.

    Attributes:
        transforms: What is made of an event.
        versions: What can be read.
    """

    transforms: Transforms = field(default_factory=lambda: Transforms(TransformSpec()))
    versions: Versions = VERSIONS

    def take(self, records: Iterable[Record], *, now: int) -> list[Taken]:
        """Return what becomes of each record.

        Args:
            records: What was read.
            now: Milliseconds since 1970, for a record without a time of its own.
        """
        return [Taken(record, self._outcome(record, now)) for record in records]

    def _outcome(self, record: Record, now: int) -> Stored | EventRefused:
        try:
            at = _moment(record.timestamp if record.timestamp >= 0 else now)
            read = decode(record.value, key=record.key, now=at, versions=self.versions)
            if read.event is read.written and self.transforms.are_none:
                return Stored(
                    read.event.idempotency_key, order_of(read, read.wire, self.transforms.revision), read.wire
                )
            return stored_of(
                read, self.transforms.apply(document_of(cast("Model", read.event))), self.transforms.revision
            )
        except EventRefused as refused:
            return refused
        except Exception as bug:  # noqa: BLE001  # whatever it is: those behind this record are not to wait for it
            # A fault of ours, which has to be mended; `dataops replay` brings the record back then.
            _LOG.exception("record %d of %s/%d broke its reader", record.offset, record.topic, record.partition)
            received = f"{type(bug).__name__}: {bug}"
            return one(Reason.TRANSFORM_FAILED, "", received, "what this version of the reader can read")


def store_refused(why: str) -> EventRefused:
    """Return the error for an event that the store will never take."""
    return one(Reason.STORE_REFUSED, "", why, "a document that the store takes")


def _moment(timestamp: int) -> datetime:
    return FIRST_MOMENT + timedelta(milliseconds=min(timestamp, _LATEST))


__all__ = ["Taken", "Taker", "store_refused"]
