# SPDX-License-Identifier: Apache-2.0
"""The versions of the event's schema: each is read by its own model for ever, and then lifted to the newest one.

A reader knows its versions in order. To add ``v2``: a model, and an upcaster that makes a ``v2`` document of a ``v1`` document; no producer
has to change. An event of a version that is newer than the reader is refused as ``NEWER_VERSION``, never guessed at: its bytes wait as a
dead letter until the reader has been upgraded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, cast

from pydantic import ValidationError

from airflow_dataops.core.errors import did_you_mean
from airflow_dataops.core.metadata.canonical import encode_document
from airflow_dataops.core.metadata.event import EventV1, document_of
from airflow_dataops.core.metadata.faults import EventRefused, Reason, faults_in, one, refused, shown
from airflow_dataops.core.model import Model

Document = dict[str, Any]
_NAME = re.compile(r"v([1-9]\d{0,5})")


class Event(Protocol):
    """What every version of an event has."""

    @property
    def schema_version(self) -> str:
        """Name of its version."""

    @property
    def idempotency_key(self) -> str:
        """Names the document that it is kept as."""

    @property
    def extracted_at(self) -> datetime:
        """When it was extracted, UTC, milliseconds."""


@dataclass(frozen=True)
class Version:
    """One version of the schema.

    Attributes:
        name: ``v1``, ``v2``, …; also what ``schema_version`` holds.
        model: Reads it; it has what :class:`Event` has.
        upcast: Document of the version before -> document of this one; None for the first. It copies what it keeps, and keeps the key
            and the time.
    """

    name: str
    model: type[Model]
    upcast: Callable[[Document], Document] | None = None


@dataclass(frozen=True)
class Read:
    """An event that was read.

    Attributes:
        written: As its producer's version has it, normalised.
        event: As the newest version has it; the same where that is the one it was written in.
        wire: Canonical bytes of ``written``: they do not change when a reader learns a version.
    """

    written: Event
    event: Event
    wire: bytes


class Versions:
    """All versions that a reader knows.

    Args:
        versions: From the oldest to the newest, without a gap.

    Raises:
        ValueError: They are not in order, or one but the first has no upcaster.
    """

    def __init__(self, *versions: Version) -> None:
        numbers = [_number(version.name) for version in versions]
        if not numbers or numbers != list(range(numbers[0], numbers[0] + len(numbers))):
            raise ValueError(f"versions follow one another; got {[version.name for version in versions]}")
        if any((version.upcast is None) != (place == 0) for place, version in enumerate(versions)):
            raise ValueError("every version but the first has an upcaster")
        self._versions = versions
        self._places = {version.name: place for place, version in enumerate(versions)}

    @property
    def all(self) -> tuple[Version, ...]:
        """The versions, from the oldest to the newest."""
        return self._versions

    @property
    def names(self) -> list[str]:
        """The names, from the oldest to the newest."""
        return list(self._places)

    def read(self, document: object, *, assumed: str | None = None) -> Read:
        """Return the event that a JSON document is.

        Args:
            document: A JSON value.
            assumed: Version of a document that does not say its own; None: it has to.

        Raises:
            EventRefused: It is of another version, or not valid in its own (``INVALID``); the faults say where.
        """
        if not isinstance(document, dict):
            raise one(Reason.INVALID, "", shown(document), "a JSON object")
        place = self._place(document.get("schema_version", assumed))
        version = self._versions[place]
        written = _validated(version, {"schema_version": version.name, **document})
        wire = encode_document(document_of(cast("Model", written)))
        return Read(written, self._lifted(written, place), wire)

    def _lifted(self, written: Event, place: int) -> Event:
        later = self._versions[place + 1 :]
        if not later:
            return written
        document = document_of(cast("Model", written))
        for version in later:
            assert version.upcast is not None  # noqa: S101  # the constructor has looked
            document = {**version.upcast(document), "schema_version": version.name}
        event = _validated(later[-1], document)
        if (event.idempotency_key, event.extracted_at) != (written.idempotency_key, written.extracted_at):
            raise ValueError(f"the upcaster to {later[-1].name} changes an event's key or time")
        return event

    def _place(self, name: object) -> int:
        if isinstance(name, str) and name in self._places:
            return self._places[name]
        known, newest = self.names, self._versions[-1].name
        valid = f"one of {', '.join(known)}"
        if isinstance(name, str) and _NAME.fullmatch(name) and _number(name) > _number(newest):
            hint = "upgrade what reads events, then send the dead letter back with `dataops replay`"
            raise one(
                Reason.NEWER_VERSION, "schema_version", shown(name), f"{valid}; this reader knows no newer one", hint
            )
        received = "nothing" if name is None else shown(name)
        raise one(Reason.UNKNOWN_VERSION, "schema_version", received, valid, did_you_mean(str(name), known))


def _validated(version: Version, document: Mapping[str, Any]) -> Event:
    try:
        return cast("Event", version.model.model_validate(document))
    except ValidationError as error:
        raise refused(Reason.INVALID, faults_in(error, version.model)) from None


def _number(name: str) -> int:
    found = _NAME.fullmatch(name)
    if found is None:
        raise ValueError(f"a version is called v1, v2, …; got {name!r}")
    return int(found[1])


VERSIONS = Versions(Version("v1", EventV1))

__all__ = ["VERSIONS", "Event", "EventRefused", "Read", "Version", "Versions"]
