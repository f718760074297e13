# SPDX-License-Identifier: Apache-2.0
"""Topic, archive and store compared exactly: every difference is told, and no more than a few rows are held at once.

Two passes, each over sorted streams. By offset, a partition at a time: is each record of the topic in the archive, once, and the same? By
key, over all partitions: is the newest event of each key, of topic and archive together, what the store has? Who reads sorts: a topic and
an archive come by offset; by key they are sorted on disk, and a store answers in the order of its ids.
"""

from __future__ import annotations

import hashlib
import heapq
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from typing import Any, TypeVar

from airflow_dataops.core.metadata.archive import Row
from airflow_dataops.core.metadata.dead_letter import Record
from airflow_dataops.core.metadata.event import CHECK

T = TypeVar("T")


class Kind(StrEnum):
    """What is different."""

    NOT_IN_ARCHIVE = "NOT_IN_ARCHIVE"  # in the topic only
    NOT_IN_TOPIC = "NOT_IN_TOPIC"  # in the archive only, and the topic should have it
    TWICE_IN_ARCHIVE = "TWICE_IN_ARCHIVE"
    OTHER_IN_ARCHIVE = "OTHER_IN_ARCHIVE"  # key or content are others
    NOT_IN_STORE = "NOT_IN_STORE"
    OLDER_IN_STORE = "OLDER_IN_STORE"
    NEWER_IN_STORE = "NEWER_IN_STORE"  # than all that topic and archive hold
    ONLY_IN_STORE = "ONLY_IN_STORE"  # a key that neither topic nor archive has


@dataclass(frozen=True)
class Difference:
    """One difference.

    Attributes:
        kind: What is different.
        partition: Partition; None for a key that only the store has.
        offset: Offset; None where it is about a key, and only the store has it.
        key: Key of the event, or of the record.
        expected: What topic and archive say.
        found: What is there instead.
    """

    kind: Kind
    partition: int | None
    offset: int | None
    key: str
    expected: str = ""
    found: str = ""


@dataclass(frozen=True)
class Entry:
    """A record as the topic, or the archive, has it.

    Attributes:
        offset: Its offset.
        key: Its key as text.
        content: Hash of its key, value, headers and time.
    """

    offset: int
    key: str
    content: str


@dataclass(frozen=True, order=True)
class Wanted:
    """An event that topic or archive holds.

    Attributes:
        key: Id of its document.
        order: What decides between two of a key.
        partition: Where it came from.
        offset: Where it came from.
    """

    key: str
    order: str
    partition: int
    offset: int


@dataclass
class Tally:
    """What was compared: counts by partition, None for the store's own; ``differences`` by kind."""

    topic: dict[int, int] = field(default_factory=dict)
    archive: dict[int, int] = field(default_factory=dict)
    expired: dict[int, int] = field(default_factory=dict)
    keys: int = 0
    stored: int = 0
    removed: int = 0
    differences: dict[Kind, int] = field(default_factory=dict)

    @property
    def is_equal(self) -> bool:
        """True where nothing is different."""
        return not self.differences


def entry_of(one: Record | Row) -> Entry:
    """Return what is compared of a record of the topic, or of a row of the archive: the same for both, to the byte."""
    headers = [[name, _hex(value)] for name, value in one.headers]
    text = json.dumps([one.timestamp, _hex(one.key), _hex(one.value), headers])
    key = (one.key or b"").decode("utf-8", "backslashreplace")
    return Entry(one.offset, key, hashlib.sha256(text.encode()).hexdigest())


def wanted_of(partition: int, row: Row) -> Wanted | None:
    """Return what the store should have of a row; None of a dead one."""
    return Wanted(row.event_key, row.order, partition, row.offset) if row.status == "stored" else None


def by_offset(
    partition: int, topic: Iterable[Entry], archive: Iterable[Entry], *, start: int, stop: int, tally: Tally
) -> Iterator[Difference]:
    """Yield how the archive of a partition differs from its topic.

    Args:
        partition: The partition.
        topic: Its records, by offset.
        archive: The archive's rows of it, by offset.
        start: First offset of the log: what the archive has before it has expired in the topic, and is no difference.
        stop: Offset behind the last that is compared; rows and records from there on are passed over.
        tally: What was compared is counted here.

    Raises:
        ValueError: A stream is not in order, or the topic has an offset twice.
    """
    there = _below(_in_order(archive, lambda entry: entry.offset, f"archive of partition {partition}"), stop)
    rows = groupby(there, key=lambda entry: entry.offset)
    records = (
        (one.offset, one)
        for one in _below(
            _in_order(topic, lambda entry: entry.offset, f"topic of partition {partition}", strictly=True), stop
        )
    )
    tally.topic[partition] = tally.archive[partition] = tally.expired[partition] = 0
    for _, record, group in _joined(records, ((offset, list(group)) for offset, group in rows)):
        tally.topic[partition] += record is not None
        tally.archive[partition] += len(group or ())
        yield from _counted(_at_offset(partition, record, group or [], start, tally), tally)


def by_key(wanted: Iterable[Wanted], store: Iterable[tuple[str, str]], *, tally: Tally) -> Iterator[Difference]:
    """Yield how the store differs from topic and archive together.

    Args:
        wanted: Events of topic and archive, by key; see :func:`merged`.
        store: Key and order of each document, by key, as Python sorts texts (Mongo without a collation does the same).
        tally: What was compared is counted here.

    Raises:
        ValueError: A stream is not in order, or the store has a key twice.
    """
    ordered = _in_order(wanted, lambda event: event.key, "wanted events")
    newest = ((key, max(group)) for key, group in groupby(ordered, key=lambda event: event.key))
    documents = _in_order(store, lambda document: document[0], "store", strictly=True)
    for key, event, order in _joined(newest, documents):
        tally.keys += event is not None
        tally.stored += order is not None
        yield from _counted(_at_key(key, event, order, tally), tally)


def merged(*streams: Iterable[Wanted]) -> Iterator[Wanted]:
    """Return the sorted events of several readings as one stream: those of the topic and those of the archive."""
    return heapq.merge(*streams)


def in_offset_order(*streams: Iterable[Entry]) -> Iterator[Entry]:
    """Return the rows of several objects as one stream: a block that spans hours has one object in each."""
    return heapq.merge(*streams, key=lambda entry: entry.offset)


def _at_offset(
    partition: int, record: Entry | None, rows: list[Entry], start: int, tally: Tally
) -> Iterator[Difference]:
    if record is None:
        first = rows[0]
        if first.offset < start:
            tally.expired[partition] += len({row.offset for row in rows})
        else:
            yield Difference(Kind.NOT_IN_TOPIC, partition, first.offset, first.key, found=first.content)
    elif not rows:
        yield Difference(Kind.NOT_IN_ARCHIVE, partition, record.offset, record.key, expected=record.content)
    else:
        for row in rows:
            if (row.key, row.content) != (record.key, record.content):
                kind, found = Kind.OTHER_IN_ARCHIVE, f"{row.key} {row.content}"
                yield Difference(kind, partition, record.offset, record.key, record.content, found)
    for row in rows[1:]:
        yield Difference(Kind.TWICE_IN_ARCHIVE, partition, row.offset, row.key, found=row.content)


def _at_key(key: str, event: Wanted | None, order: str | None, tally: Tally) -> Iterator[Difference]:
    if event is None:
        yield Difference(Kind.ONLY_IN_STORE, None, None, key, found=order or "")
    elif order is None and key.startswith(CHECK):
        tally.removed += 1  # what a check posts is taken out of the store again
    elif order != event.order:
        kind = (
            Kind.NOT_IN_STORE if order is None else Kind.NEWER_IN_STORE if order > event.order else Kind.OLDER_IN_STORE
        )
        yield Difference(kind, event.partition, event.offset, key, event.order, order or "")


def _counted(differences: Iterable[Difference], tally: Tally) -> Iterator[Difference]:
    for difference in differences:
        tally.differences[difference.kind] = tally.differences.get(difference.kind, 0) + 1
        yield difference


def _joined(left: Iterable[tuple[Any, Any]], right: Iterable[tuple[Any, Any]]) -> Iterator[tuple[Any, Any, Any]]:
    """Yield key, what the left has of it and what the right has, of two streams that are sorted by key; None for nothing."""
    lefts, rights = iter(left), iter(right)
    one, other = next(lefts, None), next(rights, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one[0] < other[0]):
            assert one is not None  # noqa: S101  # one of the two is there
            yield one[0], one[1], None
            one = next(lefts, None)
        elif one is None or other[0] < one[0]:
            yield other[0], None, other[1]
            other = next(rights, None)
        else:
            yield one[0], one[1], other[1]
            one, other = next(lefts, None), next(rights, None)


def _hex(value: bytes | None) -> str | None:
    return None if value is None else value.hex()


def _below(entries: Iterable[Entry], stop: int) -> Iterator[Entry]:
    for entry in entries:
        if entry.offset >= stop:
            return
        yield entry


def _in_order(items: Iterable[T], key: Callable[[T], Any], what: str, *, strictly: bool = False) -> Iterator[T]:
    before: Any = None
    for item in items:
        here = key(item)
        if before is not None and (here < before or (strictly and here == before)):
            raise ValueError(f"{what}: {here!r} comes after {before!r}; a comparison needs them in order")
        before = here
        yield item


__all__ = [
    "Difference", "Entry", "Kind", "Tally", "Wanted", "by_key", "by_offset", "entry_of", "in_offset_order", "merged", "wanted_of",
]  # fmt: skip
