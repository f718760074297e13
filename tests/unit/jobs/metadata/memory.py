# SPDX-License-Identifier: Apache-2.0
"""A log, a producer, a store and an archive in memory, which keep the contracts of the ports and fail where a test wants it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from airflow_dataops.clients.metadata.ports import EventsRefused, Fenced, Fetched
from airflow_dataops.core.errors import InputError, TransientError
from airflow_dataops.core.metadata.archive import ObjectId, Row, superset, touched
from airflow_dataops.core.metadata.dead_letter import Outgoing, Record
from airflow_dataops.core.metadata.drain import Offsets, PartitionId
from airflow_dataops.core.metadata.upsert import Stored, merge

TOPIC = "gpu-metadata"
Fault = Callable[[str], None]  # called with what is done next; may raise


def no_fault(_what: str) -> None:
    """All goes well."""


@dataclass
class Broker:
    """What outlives workers.

    Attributes:
        records: Of each partition; offsets may have gaps.
        ends: Offset behind the last, gaps at the end included.
        committed: By the group.
        fault: See :data:`Fault`.
    """

    records: dict[PartitionId, list[Record]]
    ends: dict[PartitionId, int]
    committed: dict[PartitionId, int] = field(default_factory=dict)
    fault: Fault = no_fault


class MemoryLog:
    """A reader of a :class:`Broker`; ``share`` are the partitions that it gets when it subscribes."""

    topic, group = TOPIC, "worker"

    def __init__(self, broker: Broker, share: Collection[PartitionId] | None = None) -> None:
        self._broker = broker
        self.share = set(broker.records if share is None else share)
        self._at: dict[PartitionId, int] = {}
        self.fenced = False
        self.on_lost: Callable[[Collection[PartitionId]], None] | None = None

    def offsets(self) -> dict[PartitionId, Offsets]:
        return {p: Offsets(self._broker.committed.get(p), 0, end) for p, end in self._broker.ends.items()}

    def assign(self, begin: Mapping[PartitionId, int]) -> None:
        self._at = dict(begin)

    def subscribe(self, on_lost: Callable[[Collection[PartitionId]], None]) -> None:
        self.on_lost = on_lost
        self._at = {p: self._broker.committed.get(p, 0) for p in self.share}

    def lose(self, partition: PartitionId) -> None:
        """Give a partition to another member, as within a poll."""
        if self._at.pop(partition, None) is not None and self.on_lost is not None:
            self.on_lost([partition])

    def poll(self, *, records: int, size: int, seconds: float) -> Fetched:
        self._broker.fault("poll")
        found: dict[PartitionId, list[Record]] = defaultdict(list)
        for partition in sorted(self._at):
            for record in self._broker.records[partition]:
                if record.offset >= self._at[partition] and records > 0:
                    found[partition].append(record)
                    records -= 1
            if records > 0:
                self._at[partition] = max(self._broker.ends[partition], self._at[partition])
            elif found[partition]:
                self._at[partition] = found[partition][-1].offset + 1
        return Fetched({p: rows for p, rows in found.items() if rows}, dict(self._at))

    def seek(self, positions: Mapping[PartitionId, int]) -> None:
        self._at.update({p: at for p, at in positions.items() if p in self._at})

    def commit(self, positions: Mapping[PartitionId, int]) -> None:
        self._broker.fault("commit")
        if self.fenced:
            raise Fenced("another reader has them")
        self._broker.committed.update(positions)

    def read(self, partition: PartitionId, begin: int, stop: int) -> Iterator[Record]:
        return (record for record in self._broker.records[partition] if begin <= record.offset < stop)

    def close(self) -> None:
        self._at = {}


@dataclass
class MemoryPublisher:
    """Keeps what was sent; refuses what is larger than ``most``."""

    sent: list[Outgoing] = field(default_factory=list)
    most: int = 10**9
    fault: Fault = no_fault

    def send(self, record: Outgoing) -> Future[None]:
        self.fault("send")
        done: Future[None] = Future()
        if len(record.value or b"") > self.most:
            done.set_exception(InputError("too large", code="KAFKA_RECORD_TOO_LARGE"))
        else:
            self.sent.append(record)
            done.set_result(None)
        return done

    def flush(self, seconds: float) -> int:
        return 0

    def close(self) -> None:
        pass


@dataclass
class MemoryStore:
    """The newest of each key; never takes an event that ``refuses`` says no to."""

    kept: dict[str, Stored] = field(default_factory=dict)
    refuses: Callable[[Stored], bool] = lambda event: False
    fault: Fault = no_fault
    largest: int = 0

    def prepare(self) -> None:
        pass

    def upsert(self, events: Sequence[Stored]) -> int:
        self.fault("upsert")
        self.largest = max(self.largest, len(events))
        assert len({event.key for event in events}) == len(events)
        bad = {event.key: "no" for event in events if self.refuses(event)}
        changed = 0
        for number, event in enumerate(events):
            if number == len(events) // 2:
                self.fault("half an upsert")
            if event.key not in bad:
                before = self.kept.get(event.key)
                self.kept[event.key] = merge(before, event)
                changed += self.kept[event.key] != before
        if bad:
            raise EventsRefused(bad, changed)
        return changed

    def orders(self) -> Iterator[tuple[str, str]]:
        return ((key, self.kept[key].order) for key in sorted(self.kept))

    def get(self, keys: Sequence[str]) -> dict[str, Stored]:
        return {key: self.kept[key] for key in keys if key in self.kept}

    def remove(self, key: str, order: str) -> bool:
        there = key in self.kept and self.kept[key].order == order
        if there:
            del self.kept[key]
        return there

    def findings(self) -> list[str]:
        return []

    def close(self) -> None:
        pass


@dataclass
class MemoryArchive:
    """The core's rule, in memory."""

    objects: dict[ObjectId, tuple[Row, ...]] = field(default_factory=dict)
    fault: Fault = no_fault

    def write(self, topic: str, partition: int, rows: Sequence[Row]) -> int:
        written = 0
        for place, new in touched(topic, partition, rows).items():
            self.fault("write")
            made = superset(place, self.objects.get(place, ()), new)
            if made.changed:
                self.objects[place] = made.rows
                written += 1
        return written

    def rows(self, topic: str, partition: int, begin: int, stop: int) -> Iterator[Row]:
        found = [
            row
            for place, rows in self.objects.items()
            if (place.topic, place.partition) == (topic, partition)
            for row in rows
        ]
        return (row for row in sorted(found, key=lambda row: row.offset) if begin <= row.offset < stop)

    def close(self) -> None:
        pass


def away(what: str) -> TransientError:
    """The error of a server that does not answer."""
    return TransientError(f"{what}: no answer")
