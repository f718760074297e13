# SPDX-License-Identifier: Apache-2.0
"""The upsert as Mongo's server decides it: a write for each key that changes nothing unless the event is newer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from airflow_dataops.core.metadata.canonical import encode
from airflow_dataops.core.metadata.fields import moment, moment_text
from airflow_dataops.core.metadata.limits import LARGEST_INTEGER
from airflow_dataops.core.metadata.upsert import NO_ORDER, Stored

Document = dict[str, Any]
_OURS = ("_id", "order")
_MOMENTS = ("extracted_at",)  # kept as dates, so that queries and TTL indexes work

# What preflight looks for: fields in their order, beside the index of _id.
INDEXES: tuple[tuple[str, ...], ...] = (("extracted_at",), ("object.uri",), ("source.model.name", "extracted_at"))


@dataclass(frozen=True)
class Write:
    """One write of a bulk.

    Attributes:
        kind: ``update`` (``update_one``) or ``replace`` (``replace_one``).
        filter: Which document.
        change: The update, its pipeline, or the whole document.
        upsert: Whether it is made where there is none.
    """

    kind: str
    filter: Document
    change: Document | list[Document]
    upsert: bool


def document_of(stored: Stored) -> Document:
    """Return the document that the store keeps of an event."""
    body = json.loads(stored.body, parse_int=_whole)
    dates = {name: moment(body[name]) for name in _MOMENTS if name in body}
    return {"_id": stored.key, "order": stored.order, **body, **dates}


def stored_of(document: Mapping[str, Any]) -> Stored:
    """Return what :func:`document_of` was made of, from what a driver read; dates without a zone are UTC.

    What somebody else has put into it, and no event can hold, is there as text.
    """
    body = {name: value for name, value in document.items() if name not in _OURS}
    dates = {name: moment_text(_aware(body[name])) for name in _MOMENTS if isinstance(body.get(name), datetime)}
    try:
        found = encode({**body, **dates})
    except (TypeError, ValueError):
        found = json.dumps({**body, **dates}, default=str, sort_keys=True).encode()
    return Stored(str(document["_id"]), order_in(document), found)


def order_in(document: Mapping[str, Any]) -> str:
    """Return the order of a document; the lowest, where it has none that is ours."""
    found = document.get("order")
    return found if isinstance(found, str) else NO_ORDER


def pipeline_write(stored: Stored) -> Write:
    """Return the upsert as one update with a pipeline: the server compares, and leaves the document as it is unless the event is newer.

    Never an error for an older or repeated event, and ``modified_count`` counts what has changed. The document is a literal: a text in it
    that begins with ``$`` is a text.
    """
    kept = {"$ifNull": ["$order", {"$literal": NO_ORDER}]}
    newer = {"$lt": [kept, {"$literal": stored.order}]}
    chosen = {"$cond": [newer, {"$literal": document_of(stored)}, "$$ROOT"]}
    return Write("update", {"_id": stored.key}, [{"$replaceWith": chosen}], upsert=True)


def plain_writes(stored: Stored) -> tuple[Write, Write]:
    """Return the upsert for a server without pipelines in updates: insert where there is none, then replace what is older.

    In this order, so a bulk of them is an ordered one: were the second done first, another writer's older document could come between the
    two and stay. Whatever other writers do between them, none of it is an error.
    """
    document = document_of(stored)
    fields = {name: value for name, value in document.items() if name != "_id"}
    insert = Write("update", {"_id": stored.key}, {"$setOnInsert": fields}, upsert=True)
    replace = Write("replace", {"_id": stored.key, "order": {"$lt": stored.order}}, document, upsert=False)
    return insert, replace


def _whole(digits: str) -> int | float:
    value = int(digits)
    return value if abs(value) <= LARGEST_INTEGER else float(value)  # 1e20 is a double; BSON's integers end at 64 bits


def _aware(value: datetime) -> datetime:
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)


__all__ = ["INDEXES", "Write", "document_of", "order_in", "pipeline_write", "plain_writes", "stored_of"]
