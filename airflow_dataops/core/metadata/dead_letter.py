# SPDX-License-Identifier: Apache-2.0
"""Records that cannot be taken: kept byte for byte with the reason, and sent back once somebody has mended it.

A dead letter is a record of its own topic: key and value are the original's, unchanged, and so are its headers, each with a prefix before
its name; the reason and where the record came from stand in a header beside them. So nothing has to be decoded to find the original again,
and a dead letter that dies once more is one level deeper. Their topic takes larger records than the first one, by :data:`HEADER_BYTES` and
the prefixes, and is not compacted: a tombstone would delete others.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from typing import Any

from airflow_dataops.core.errors import InputError
from airflow_dataops.core.metadata.faults import EventRefused, FieldFault, Reason
from airflow_dataops.core.metadata.wire import TOPIC

Headers = tuple[tuple[str, bytes | None], ...]

DEAD_TOPIC = f"{TOPIC}.dead"
HEADER = "dataops-dead"  # what is told of the failure, as JSON
REPLAY = "dataops-replay"  # on a record that was sent back: where it came from, and how often it was tried
ORIGINAL = "dataops-dead-original."
CUT = "dataops-dead-cut"  # on a letter whose original no topic takes any more: its size and hash, as JSON
VERSION = 1
HEADER_BYTES = 24 << 10  # the most that :data:`HEADER` has
_MOST_FAULTS, _LONGEST, _LONGEST_KEY = 10, 100, 1024
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_MOST_ATTEMPTS = 2**31


@dataclass(frozen=True)
class Record:
    """A record of Kafka, as far as it matters here.

    Attributes:
        topic: Its topic.
        partition: Its partition.
        offset: Its offset.
        timestamp: Its time, milliseconds since 1970; negative where it has none.
        key: Its key; None for none, which is not the empty one.
        value: Its value; None for a tombstone.
        headers: Name and value, in order; a name may come again.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


@dataclass(frozen=True)
class Origin:
    """Where a record first failed; a replay keeps it.

    Attributes:
        topic: Topic of its first offset.
        partition: Partition there.
        offset: Offset there.
        timestamp: Its time there.
        first_failed: When it first failed, milliseconds since 1970.
        attempts: How often it was tried, from 1.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int
    first_failed: int
    attempts: int


@dataclass(frozen=True)
class DeadLetter:
    """A record that could not be taken.

    Attributes:
        record: What came, with its own headers alone.
        reason: Why, in one word.
        faults: Why, in detail; at most ten are kept, shortened.
        origin: Where and when it first failed.
        failed: When it failed this time, milliseconds since 1970.
    """

    record: Record
    reason: Reason
    faults: tuple[FieldFault, ...]
    origin: Origin
    failed: int


@dataclass(frozen=True)
class Outgoing:
    """A record to be produced: the topic's name, key, value and headers; Kafka gives it a place."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers


def bury(record: Record, error: EventRefused, *, now: int) -> DeadLetter:
    """Return the dead letter of a record.

    Args:
        record: What came; where it was sent back before, it says so in its header, and the count goes on.
        error: Why it cannot be taken.
        now: Milliseconds since 1970.
    """
    faults = tuple(FieldFault(*(_short(text) for text in (one.path, one.received, one.valid))) for one in error.faults)
    return DeadLetter(_bare(record), error.reason, faults[:_MOST_FAULTS], _origin(record, now), now)


def to_wire(letter: DeadLetter, topic: str = DEAD_TOPIC) -> Outgoing:
    """Return the record that carries a dead letter."""
    record, origin = letter.record, letter.origin
    told = {
        "version": VERSION,
        "reason": letter.reason.value,
        "faults": [fault.to_dict() for fault in letter.faults],
        "at": [record.topic, record.partition, record.offset, record.timestamp],
        "origin": _origin_document(origin),
        "failed": letter.failed,
    }
    original = tuple((ORIGINAL + name, value) for name, value in record.headers)
    return Outgoing(topic, record.key, record.value, ((HEADER, _json(told)), *original))


def cut(letter: Outgoing) -> Outgoing:
    """Return a dead letter without the original's value and headers, for a topic that refuses the whole one as too large.

    It still tells why and where: the record itself lies in its topic until that expires, and in the archive. A key of more than 1 KiB goes,
    too. It cannot be sent back.
    """
    value, key = letter.value, letter.key
    told = {
        "value_bytes": None if value is None else len(value),
        "value_sha256": None if value is None else hashlib.sha256(value).hexdigest(),
        "headers": sum(name.startswith(ORIGINAL) for name, _ in letter.headers),
    }
    ours = tuple((name, content) for name, content in letter.headers if name == HEADER)
    kept = key if key is None or len(key) <= _LONGEST_KEY else None
    return Outgoing(letter.topic, kept, None, ((CUT, _json(told)), *ours))


def is_cut(found: Record) -> bool:
    """Tell whether a dead letter is without its original (:func:`cut`)."""
    return bool(found.headers) and found.headers[0][0] == CUT


def from_wire(found: Record) -> DeadLetter:
    """Return the dead letter that a record of the dead letters' topic carries: what :func:`to_wire` was given.

    Raises:
        InputError: It is no dead letter of ours (``NO_DEAD_LETTER``).
    """
    told = _told(found)
    topic, partition, offset, timestamp = told["at"]
    headers = tuple((name.removeprefix(ORIGINAL), value) for name, value in found.headers if name.startswith(ORIGINAL))
    record = Record(topic, partition, offset, timestamp, found.key, found.value, headers)
    faults = tuple(FieldFault(**fault) for fault in told["faults"])
    return DeadLetter(record, Reason(told["reason"]), faults, Origin(**told["origin"]), told["failed"])


def sent_back(letter: DeadLetter, topic: str | None = None) -> Outgoing:
    """Return the record by which a dead letter goes back: key, value and headers of the original, and one header that counts.

    Args:
        letter: The dead letter.
        topic: Where to; None: where it first came from.
    """
    record = letter.record
    header = (REPLAY, _json(_origin_document(letter.origin)))
    return Outgoing(topic or letter.origin.topic, record.key, record.value, (*record.headers, header))


def _bare(record: Record) -> Record:
    """Return the record without the header of a replay; that of an older version of the record stays, since it is not the last one."""
    if record.headers and record.headers[-1][0] == REPLAY and _replay(record) is not None:
        return replace(record, headers=record.headers[:-1])
    return record


def _origin(record: Record, now: int) -> Origin:
    before = _replay(record)
    if before is not None:
        return replace(before, attempts=before.attempts + 1)
    return Origin(record.topic, record.partition, record.offset, record.timestamp, first_failed=now, attempts=1)


def _replay(record: Record) -> Origin | None:
    """Return what the header of a replay says; None where there is none, or somebody else's of the same name."""
    if not record.headers or record.headers[-1][0] != REPLAY:
        return None
    try:
        return Origin(**_checked_origin(json.loads(record.headers[-1][1] or b"")))
    except (ValueError, TypeError, RecursionError):
        return None


def _told(found: Record) -> dict[str, Any]:
    raw = next((value for name, value in found.headers if name == HEADER), None)
    place = f"record {found.offset} of {found.topic}/{found.partition}"
    try:
        told = json.loads(raw or b"")
        version, _, _ = told["version"], Reason(told["reason"]), _checked_origin(told["origin"])
        topic, *numbers = told["at"]
        sound = (
            isinstance(topic, str)
            and len(numbers) == 3
            and all(isinstance(one, int) for one in (*numbers, told["failed"]))
        )
        sound = sound and all(FieldFault(**fault) for fault in told["faults"])
    except (ValueError, TypeError, KeyError, RecursionError):
        raise _no_letter(place, f"its header {HEADER} is missing or not ours") from None
    if version != VERSION:
        raise _no_letter(place, f"its header {HEADER} is of version {version}; known is {VERSION}")
    if not sound:
        raise _no_letter(place, f"its header {HEADER} does not say where it came from")
    return dict(told)


def _no_letter(place: str, why: str) -> InputError:
    hint = "give the topic that the worker writes its dead letters to"
    return InputError(f"{place} is no dead letter: {why}", hint=hint, code="NO_DEAD_LETTER")


def _origin_document(origin: Origin) -> dict[str, Any]:
    return {name: getattr(origin, name) for name in Origin.__dataclass_fields__}


def _checked_origin(document: Any) -> dict[str, Any]:
    """Return the document of an origin. Whoever may write to the topic may write such a header, too: it is none that Kafka cannot have.

    Raises:
        ValueError: It is none.
    """
    kinds = {name: str if name == "topic" else int for name in Origin.__dataclass_fields__}
    if not isinstance(document, dict) or {name: type(value) for name, value in document.items()} != kinds:
        raise ValueError("not an origin")
    numbers = [value for name, value in document.items() if name != "topic"]
    if not _TOPIC.fullmatch(document["topic"]) or any(abs(number) > 2**63 for number in numbers):
        raise ValueError("not an origin of Kafka's")
    if not 0 < document["attempts"] < _MOST_ATTEMPTS:
        raise ValueError("not a count of attempts")
    return document


def _json(document: dict[str, Any]) -> bytes:
    """Return JSON with numbers of any size: a record's time may be anything that Kafka keeps."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace")  # half of a surrogate pair becomes the escape that JSON has for it


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


__all__ = [
    "CUT", "DEAD_TOPIC", "HEADER", "HEADER_BYTES", "ORIGINAL", "REPLAY", "DeadLetter", "Headers", "Origin", "Outgoing", "Record",
    "bury", "cut", "from_wire", "is_cut", "sent_back", "to_wire",
]  # fmt: skip
