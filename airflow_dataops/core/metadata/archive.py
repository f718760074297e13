# SPDX-License-Identifier: Apache-2.0
"""Where a record lies in the archive, and what its objects hold: exactly once, whatever is replayed and however it is cut into batches.

The rule: a record at ``offset`` with time ``t`` lies in the object of its topic, the UTC date and hour of ``t``, its partition and its
block, which is ``offset`` rounded down to 10,000. That is decided by the record alone, so nothing has to be listed or remembered to find it
again. Within an hour there is one object for each topic, partition and block start; a block whose records span hours has one in each of
them, since readers that look at one hour have to find all of it there.

An object is written whole. Before that it is read back, and what is written is the union: an object never loses a row, and one that would
be written as it is need not be.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from airflow_dataops.core.errors import DataOpsError
from airflow_dataops.core.metadata.canonical import encode
from airflow_dataops.core.metadata.dead_letter import Headers, Record
from airflow_dataops.core.metadata.faults import Reason
from airflow_dataops.core.metadata.upsert import Stored

BLOCK = 10_000  # offsets; it is part of what an object's name means, and so no setting
_TOPIC = r"[A-Za-z0-9._-]{1,249}"
_KEY = re.compile(
    rf"topic=(?P<topic>{_TOPIC})/date=(?P<date>\d{{4}}-\d\d-\d\d)/hour=(?P<hour>\d\d)/(?P<partition>\d{{5,10}})-(?P<start>\d{{20}})\.parquet"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = 3_600_000
_LAST_HOUR = int((datetime(9999, 12, 31, 23, tzinfo=UTC) - _EPOCH) / timedelta(hours=1))


class ArchiveConflict(DataOpsError):
    """One offset of the archive has two contents: the topic was made anew under its old name, or something else writes there."""

    default_code = "ARCHIVE_CONFLICT"


@dataclass(frozen=True, order=True)
class ObjectId:
    """One object of the archive.

    Attributes:
        topic: Topic.
        partition: Partition.
        start: First offset of its block.
        hour: Of its records, hours since 1970 in UTC.
    """

    topic: str
    partition: int
    start: int
    hour: int

    @property
    def key(self) -> str:
        """Its key below the archive's prefix: ``topic=T/date=2026-01-31/hour=13/00002-00000000000000010000.parquet``."""
        at = _EPOCH + timedelta(hours=self.hour)
        return f"topic={self.topic}/date={at:%Y-%m-%d}/hour={at:%H}/{self.partition:05d}-{self.start:020d}.parquet"


@dataclass(frozen=True)
class Row:
    """One record in the archive, raw and enriched.

    Attributes:
        offset: Its offset.
        timestamp: Its time as Kafka has it, milliseconds since 1970; negative for none.
        key: Its key.
        value: Its value, as it came.
        headers: Its headers, as they came.
        status: ``stored``; or ``dead`` where it could not be taken and is among the dead letters.
        order: Of a stored one: what decides between two of a key.
        event_key: Of a stored one: id of its document.
        enriched: Of a stored one: canonical bytes of its document.
        reason: Of a dead one: why.
    """

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    status: Literal["stored", "dead"] = "stored"
    order: str = ""
    event_key: str = ""
    enriched: bytes | None = None
    reason: str = ""

    @property
    def raw(self) -> tuple[int, bytes | None, bytes | None, Headers]:
        """What came from Kafka: the same for ever."""
        return self.timestamp, self.key, self.value, self.headers

    @property
    def rank(self) -> tuple[str, str, str, bytes, str]:
        """What decides between two readings of the same record: a stored one beats a dead one, the higher order the lower."""
        return self.order, self.status, self.event_key, self.enriched or b"", self.reason


@dataclass(frozen=True)
class Rewrite:
    """What becomes of an object.

    Attributes:
        rows: All that it holds afterwards, by offset.
        changed: False where it holds just that already, and need not be written.
    """

    rows: tuple[Row, ...]
    changed: bool


def row_of(record: Record, outcome: Stored | Reason) -> Row:
    """Return the row of a record: of one that was stored with what was stored of it, of a dead one with the reason."""
    raw = (record.offset, record.timestamp, record.key, record.value, record.headers)
    if isinstance(outcome, Reason):
        return Row(*raw, status="dead", reason=outcome.value)
    return Row(*raw, order=outcome.order, event_key=outcome.key, enriched=outcome.body)


def object_of(topic: str, partition: int, offset: int, timestamp: int, *, block: int = BLOCK) -> ObjectId:
    """Return the object that a record lies in.

    Args:
        topic: Its topic.
        partition: Its partition.
        offset: Its offset.
        timestamp: Its time; before 1970 (Kafka has -1 for none) counts as 1970, after 9999 as the last hour of it.
        block: Offsets of a block; only tests have others.

    Raises:
        ValueError: Topic, partition or offset are none that Kafka has.
    """
    if not re.fullmatch(_TOPIC, topic) or partition < 0 or offset < 0:
        raise ValueError(f"no place of a record: {topic!r}, partition {partition}, offset {offset}")
    hour = min(max(timestamp // _HOUR, 0), _LAST_HOUR)
    return ObjectId(topic, partition, offset - offset % block, hour)


def parse_key(key: str) -> ObjectId | None:
    """Return the object of a key below the archive's prefix; None for a key that :attr:`ObjectId.key` does not give."""
    found = _KEY.fullmatch(key)
    if found is None:
        return None
    try:
        at = datetime.fromisoformat(f"{found['date']}T{found['hour']}:00:00+00:00")
    except ValueError:
        return None
    made = ObjectId(
        found["topic"], int(found["partition"]), int(found["start"]), int((at - _EPOCH) / timedelta(hours=1))
    )
    return made if made.key == key else None


def touched(topic: str, partition: int, rows: Iterable[Row], *, block: int = BLOCK) -> dict[ObjectId, list[Row]]:
    """Return which objects a batch of a partition touches, and with which rows; by block, then by hour.

    Each of them is read back before it is written: also one whose block begins in the batch may be there from an earlier try.
    """
    found: dict[ObjectId, list[Row]] = defaultdict(list)
    for row in rows:
        found[object_of(topic, partition, row.offset, row.timestamp, block=block)].append(row)
    return {place: found[place] for place in sorted(found)}


def superset(place: ObjectId, there: Iterable[Row], new: Iterable[Row], *, block: int = BLOCK) -> Rewrite:
    """Return what an object holds after a batch: all that it held, and all that came, each offset once.

    Any order, repetition and cutting of the same records ends in the same rows. Where a record was read twice with other transforms, or
    once before a fix and once after, the higher rank stays.

    Args:
        place: The object.
        there: What was read back from it; nothing where it is not there.
        new: What came.
        block: Offsets of a block.

    Raises:
        ArchiveConflict: One offset has two contents, or a row does not belong here.
    """
    found = list(there)
    before = _by_offset(place, found, block)
    after = dict(before)
    for offset, row in _by_offset(place, new, block).items():
        after[offset] = _one(place, after.get(offset), row)
    return Rewrite(
        tuple(after[offset] for offset in sorted(after)), changed=after != before or len(found) != len(before)
    )


def sealed(place: ObjectId, committed: int, *, block: int = BLOCK) -> bool:
    """Tell whether an object is whole: all offsets of its block are committed, so only a replay touches it."""
    return committed >= place.start + block


def content(rows: Iterable[Row]) -> bytes:
    """Return rows as canonical bytes, by which two archives are compared."""
    return encode([_texts(row) for row in rows])


def _by_offset(place: ObjectId, rows: Iterable[Row], block: int) -> dict[int, Row]:
    found: dict[int, Row] = {}
    for row in rows:
        if object_of(place.topic, place.partition, row.offset, row.timestamp, block=block) != place:
            raise _conflict(place, row.offset, f"it lies at time {row.timestamp}, outside of this object")
        found[row.offset] = _one(place, found.get(row.offset), row)
    return found


def _one(place: ObjectId, known: Row | None, row: Row) -> Row:
    if known is None:
        return row
    if known.raw != row.raw:
        raise _conflict(place, row.offset, "its key, value, headers or time are others than before")
    return row if known.rank < row.rank else known


def _conflict(place: ObjectId, offset: int, why: str) -> ArchiveConflict:
    return ArchiveConflict(
        f"offset {offset} of {place.topic}/{place.partition} has two contents in {place.key}: {why}",
        hint="a topic that was deleted and made anew needs another archive prefix; nothing was written",
        details={"key": place.key, "offset": offset},
    )


def _texts(row: Row) -> Mapping[str, object]:
    fields = {name: getattr(row, name) for name in Row.__dataclass_fields__ if name != "headers"}
    plain = {name: value.hex() if isinstance(value, bytes) else value for name, value in fields.items()}
    headers = [[name, None if value is None else value.hex()] for name, value in row.headers]
    return {**plain, "timestamp": str(row.timestamp), "headers": headers}


__all__ = [
    "BLOCK", "ArchiveConflict", "ObjectId", "Rewrite", "Row", "content", "object_of", "parse_key", "row_of", "sealed",
    "superset", "touched",
]  # fmt: skip
