# SPDX-License-Identifier: Apache-2.0
"""Which of two events of a key is kept: the one with the higher order, whichever comes first and however often.

An order is a text of fixed width, so that Mongo, SQL and Python compare it alike: time of extraction, hash of the event as its producer
wrote it, version of the reader, revision of the transforms, hash of what they made of it. No offset, partition or time of arrival is in it,
nor in the document: a replay makes the same bytes. Orders are total, and keeping the highest is commutative, associative and idempotent, so
a store is the same for every order of delivery and every repetition.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from airflow_dataops.core.metadata.canonical import encode
from airflow_dataops.core.metadata.fields import milliseconds
from airflow_dataops.core.metadata.versions import Read

NO_ORDER = ""  # lower than every order
_REVISIONS = 10**6


@dataclass(frozen=True)
class Stored:
    """An event as the store keeps it.

    Attributes:
        key: The document's id.
        order: What decides between two of a key.
        body: Canonical bytes of the enriched document.
    """

    key: str
    order: str
    body: bytes


def order_of(read: Read, body: bytes, revision: int) -> str:
    """Return the order of an event: ``<milliseconds, 15>-<sha256>-<version, 6>.<revision, 6>-<16 of sha256 of the body>``.

    The same event read by a later schema, or enriched by later transforms, is newer; all else that is alike is decided by the hashes.

    Args:
        read: The event.
        body: Canonical bytes of what the transforms made of it.
        revision: Of the transforms, 0..999999.

    Raises:
        ValueError: The revision is out of bounds.
    """
    if not 0 <= revision < _REVISIONS:
        raise ValueError(f"a revision lies between 0 and {_REVISIONS - 1}; got {revision}")
    at = milliseconds(read.event.extracted_at)
    enriched = hashlib.sha256(body).hexdigest()[:16]
    version = int(read.event.schema_version.removeprefix("v"))
    return f"{at:015d}-{hashlib.sha256(read.wire).hexdigest()}-{version:06d}.{revision:06d}-{enriched}"


def stored_of(read: Read, document: dict[str, Any], revision: int) -> Stored:
    """Return what is to be stored of an event.

    Args:
        read: The event.
        document: What the transforms made of it.
        revision: Of the transforms.
    """
    body = encode(document)
    return Stored(read.event.idempotency_key, order_of(read, body, revision), body)


def merge(stored: Stored | None, new: Stored) -> Stored:
    """Return what is kept of a key.

    Args:
        stored: What the store has; None for nothing.
        new: What came.

    Raises:
        ValueError: They are of two keys.
    """
    if stored is None:
        return new
    if stored.key != new.key:
        raise ValueError(f"one key is merged with itself; got {stored.key!r} and {new.key!r}")
    return new if stored.order < new.order else stored


def fold(events: Iterable[Stored]) -> dict[str, Stored]:
    """Return key -> the newest of a batch, so that each key is written once."""
    kept: dict[str, Stored] = {}
    for event in events:
        kept[event.key] = merge(kept.get(event.key), event)
    return kept


__all__ = ["NO_ORDER", "Stored", "fold", "merge", "order_of", "stored_of"]
