# SPDX-License-Identifier: Apache-2.0
"""The way of events from the log into store and archive: one for the bounded drain of a DAG and for the service that never ends.

A cycle reads, takes (decode, transform), stores, sends dead letters, archives and commits, in this order, and each part is durable before
the next. So a worker that dies anywhere leaves nothing committed that is not done, and whoever comes next does the same again, which
changes nothing: the store keeps the newest of a key, the archive the union. Dead letters alone may be there twice.

What may pass is tried again: the cycle is read anew, after a wait that doubles. So nothing is held in memory meanwhile, and a group that is
rebalanced in an outage finds its members alive. What will not pass ends the worker, with nothing skipped.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from airflow_dataops.clients.metadata.ports import (
    Archive,
    EventLog,
    EventsRefused,
    Fenced,
    Fetched,
    Publisher,
    Store,
)
from airflow_dataops.core.errors import TransientError
from airflow_dataops.core.faults import reached
from airflow_dataops.core.metadata.dead_letter import DEAD_TOPIC, Record, bury, to_wire
from airflow_dataops.core.metadata.drain import Bounds, PartitionId, remaining
from airflow_dataops.core.metadata.faults import EventRefused
from airflow_dataops.core.metadata.upsert import Stored, fold
from airflow_dataops.jobs.metadata.burying import bury_all
from airflow_dataops.jobs.metadata.taking import Taken, Taker, store_refused
from airflow_dataops.jobs.metadata.watching import Drained, Limits, Part, Watch, WorkerPoint

Batch = dict[PartitionId, list[Taken]]


class Stopped(Exception):  # no error: somebody asked for it
    """A drain was told to stop; what it had done is committed."""


class Worker:
    """Brings events from a log into a store and an archive.

    Args:
        log: Where they come from.
        store: Where the newest of each key goes.
        archive: Where each record goes; None for nowhere.
        dead: Sends the dead letters.
        dead_topic: Where to.
        taker: Reads and transforms.
        now: Milliseconds since 1970.
        limits: How much at once, and how long.
        watch: Hears of it.
        stop: Set by whoever wants it to end, after the cycle that it is in.
    """

    def __init__(
        self,
        log: EventLog,
        store: Store,
        archive: Archive | None,
        dead: Publisher,
        *,
        dead_topic: str = DEAD_TOPIC,
        taker: Taker | None = None,
        now: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        limits: Limits | None = None,
        watch: Watch | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self._log, self._store, self._archive, self._dead = log, store, archive, dead
        self._dead_topic, self._taker, self._now, self._limits = dead_topic, taker or Taker(), now, limits or Limits()
        self._watch, self._stop = watch or Watch(), stop or threading.Event()
        self._at: dict[PartitionId, int] = {}  # where each partition that is read has come to, committed
        self._mine: set[PartitionId] = set()  # partitions that the last poll read
        self._failures, self._changed, self._moved = 0, 0, 0.0

    def drain(self, bounds: Mapping[PartitionId, Bounds]) -> Drained:
        """Bring all records within bounds, and end; what a producer sends meanwhile is left for the next time.

        Args:
            bounds: As :func:`airflow_dataops.core.metadata.drain.plan` returns them.

        Raises:
            GroupInUse: Somebody else reads as this group.
            TransientError: Something that may pass has lasted longer than the patience, or no record came for so long (``DRAIN_STALLED``).
            Stopped: It was told to stop before the end.
            DataOpsError: Something that will not pass.
        """
        ahead = {partition: one for partition, one in bounds.items() if one.has_work}
        done = Drained({partition: Part(one.begin, one.stop) for partition, one in sorted(bounds.items())})
        self._at = {partition: one.begin for partition, one in ahead.items()}
        self._failures, self._moved = 0, time.monotonic()
        reading: set[PartitionId] = set()
        while left := remaining(ahead, self._at):
            if self._stop.is_set():
                raise Stopped
            if left.keys() != reading:
                self._log.assign({partition: self._at[partition] for partition in left})
                reading = set(left)
            before = dict(self._at)
            self._attempt(done, ahead)
            self._be_patient(before, left)
        return done

    def run(self) -> Drained:
        """Bring records until told to stop; returns what was done since the start. Raises what will not pass."""
        done = Drained()
        self._failures = 0
        self._log.subscribe(self._forget)
        seen = 0.0
        while not self._stop.is_set():
            self._attempt(done, None)
            if time.monotonic() - seen >= self._limits.lag_every:
                self._tell_lag()
                seen = time.monotonic()
        return done

    def _attempt(self, done: Drained, bounds: Mapping[PartitionId, Bounds] | None) -> None:
        """Do one cycle; what may pass only costs a wait, and is read again."""
        begin: dict[PartitionId, int] = {}
        try:
            self._cycle(done, bounds, begin)
            self._failures = 0
        except Fenced as error:
            if bounds is not None:
                raise
            # All of it is stored and archived. Where a partition stayed here, the next commit tells; else its new reader does it again.
            self._forget(begin)
            self._watch.failed(error, 0.0)
        except TransientError as error:
            if bounds is not None and time.monotonic() - self._moved > self._limits.patience:
                raise
            self._failures += 1
            done.failures += 1
            wait = self._limits.wait(self._failures)
            self._watch.failed(error, wait)
            self._log.seek(begin)
            self._stop.wait(wait)

    def _cycle(self, done: Drained, bounds: Mapping[PartitionId, Bounds] | None, begin: dict[PartitionId, int]) -> None:
        with self._timed("read"):
            limits = self._limits
            fetched = self._log.poll(records=limits.records, size=limits.size, seconds=limits.seconds)
            self._mine = set(fetched.positions)
            records = _within(fetched, bounds)
            self._watch.waiting({p: rows[0].timestamp for p, rows in records.items() if rows[0].timestamp >= 0})
            begin.update({partition: rows[0].offset for partition, rows in fetched.records.items() if rows})
        if records:
            reached(WorkerPoint.READ)
        with self._timed("transform"):
            batch = {partition: self._taker.take(rows, now=self._now()) for partition, rows in records.items()}
        if records:
            self._put(batch, done)
        self._commit(fetched.positions, bounds)
        changed, self._changed = self._changed, 0
        if not records:
            return
        for partition, taken in batch.items():
            _count(done.partitions.setdefault(partition, Part(taken[0].record.offset, 0)), taken, bounds is None)
        dead = sum(isinstance(one.outcome, EventRefused) for taken in batch.values() for one in taken)
        self._watch.cycle(stored=sum(map(len, batch.values())) - dead, dead=dead, changed=changed)

    def _put(self, batch: Batch, done: Drained) -> None:
        """Make a batch durable."""
        everything = [one for taken in batch.values() for one in taken]
        with self._timed("store"):
            self._store_all(everything, done)
            reached(WorkerPoint.STORED)
        with self._timed("bury"):
            done.cut += self._buried(everything)
            reached(WorkerPoint.BURIED)
        with self._timed("archive"):
            for (topic, partition), taken in batch.items():
                if self._archive is not None:
                    done.objects += self._archive.write(topic, partition, [one.row() for one in taken])
            reached(WorkerPoint.ARCHIVED)

    def _store_all(self, taken: Sequence[Taken], done: Drained) -> None:
        """Store the newest of each key; where it is refused, the newest of those that are left."""
        waiting = _newest(taken)
        while waiting:
            refused: dict[str, tuple[Stored, str]] = {}
            for bulk in _bulks(list(waiting.values()), self._limits.bulk):
                changed, never = self._upserted(bulk)
                done.changed += changed
                self._changed += changed
                refused |= {key: (waiting[key], why) for key, why in never.items()}
            for one in taken if refused else ():
                if isinstance(one.outcome, Stored) and one.outcome.key in refused:
                    worst, why = refused[one.outcome.key]
                    one.outcome = store_refused(why) if one.outcome == worst else one.outcome
            waiting = {key: kept for key, kept in _newest(taken).items() if key in refused} if refused else {}

    def _upserted(self, bulk: Sequence[Stored]) -> tuple[int, Mapping[str, str]]:
        try:
            return self._store.upsert(bulk), {}
        except EventsRefused as error:
            return error.changed, error.refused

    def _buried(self, taken: Sequence[Taken]) -> int:
        letters = [
            to_wire(bury(one.record, one.outcome, now=self._now()), self._dead_topic)
            for one in taken
            if isinstance(one.outcome, EventRefused)
        ]
        return bury_all(self._dead, letters) if letters else 0

    def _commit(self, positions: Mapping[PartitionId, int], bounds: Mapping[PartitionId, Bounds] | None) -> None:
        wanted = {p: at if bounds is None else bounds[p].commit(at) for p, at in positions.items()}
        news = {partition: at for partition, at in wanted.items() if self._at.get(partition) != at}
        if news:
            with self._timed("commit"):
                self._log.commit(news)
            self._at.update(news)
            self._moved = time.monotonic()
            reached(WorkerPoint.COMMITTED)

    def _be_patient(self, before: Mapping[PartitionId, int], left: Mapping[PartitionId, int]) -> None:
        waited = time.monotonic() - self._moved
        if self._at == before and waited > self._limits.patience:
            shown = ", ".join(f"{topic}/{number} {count}" for (topic, number), count in left.items())
            raise TransientError(
                f"no record came for {waited:.0f} s, and offsets are still ahead: {shown}",
                hint="is the broker up, and an open transaction in the way? The next drain goes on here",
                code="DRAIN_STALLED",
            )

    def _forget(self, partitions: Collection[PartitionId]) -> None:
        for partition in partitions:
            self._at.pop(partition, None)
            self._mine.discard(partition)
        self._watch.lost()

    def _tell_lag(self) -> None:
        try:
            seen = self._log.offsets()
        except TransientError as error:
            self._watch.failed(error, 0.0)
            return
        # What is committed, and not what was read: where nothing can be stored, all of it still waits.
        here = ((partition, seen[partition]) for partition in self._mine if partition in seen)
        self._watch.lag({partition: max(one.end - max(one.start, one.committed or 0), 0) for partition, one in here})

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        begin = time.monotonic()
        yield
        self._watch.stage(stage, time.monotonic() - begin)


def _within(fetched: Fetched, bounds: Mapping[PartitionId, Bounds] | None) -> dict[PartitionId, list[Record]]:
    found = {
        partition: [row for row in rows if bounds is None or bounds[partition].holds(row.offset)]
        for partition, rows in fetched.records.items()
    }
    return {partition: rows for partition, rows in found.items() if rows}


def _newest(taken: Sequence[Taken]) -> dict[str, Stored]:
    return fold(one.outcome for one in taken if isinstance(one.outcome, Stored))


def _bulks(events: Sequence[Stored], size: int) -> Iterator[Sequence[Stored]]:
    for begin in range(0, len(events), size):
        yield events[begin : begin + size]


def _count(part: Part, taken: Sequence[Taken], is_open: bool) -> None:
    dead = sum(isinstance(one.outcome, EventRefused) for one in taken)
    part.read += len(taken)
    part.dead += dead
    part.stored += len(taken) - dead
    if is_open:
        part.stop = taken[-1].record.offset + 1


__all__ = ["Stopped", "Worker"]
