# SPDX-License-Identifier: Apache-2.0
"""The worker over parts in memory: whatever is repeated, cut, refused or killed, store and archive end as the model."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_dataops.clients.metadata.ports import Fenced
from airflow_dataops.core.errors import DataOpsError, StorageDenied, TransientError
from airflow_dataops.core.faults import armed
from airflow_dataops.core.metadata.archive import row_of
from airflow_dataops.core.metadata.dead_letter import Record, from_wire, is_cut
from airflow_dataops.core.metadata.drain import plan
from airflow_dataops.core.metadata.faults import EventRefused, Reason
from airflow_dataops.core.metadata.upsert import Stored, fold
from airflow_dataops.jobs.metadata.taking import Taker
from airflow_dataops.jobs.metadata.watching import Drained, Limits, Watch, WorkerPoint
from airflow_dataops.jobs.metadata.worker import Stopped, Worker
from tests.unit.core.metadata.events import bytes_of, event
from tests.unit.jobs.metadata.memory import TOPIC, Broker, MemoryArchive, MemoryLog, MemoryPublisher, MemoryStore, away

NOW = 1_800_000_000_000
QUICK = Limits(seconds=0.0, first_wait=0.0, longest_wait=0.0, patience=60.0, lag_every=0.0)


class Died(BaseException):
    """A process that is no more."""


@dataclass
class World:
    """What outlives workers."""

    broker: Broker
    store: MemoryStore = field(default_factory=MemoryStore)
    archive: MemoryArchive = field(default_factory=MemoryArchive)
    dead: MemoryPublisher = field(default_factory=MemoryPublisher)

    def worker(self, **more: object) -> Worker:
        log = more.pop("log", None) or MemoryLog(self.broker)
        limits = more.pop("limits", QUICK)
        return Worker(log, self.store, self.archive, self.dead, now=lambda: NOW, limits=limits, **more)  # type: ignore[arg-type]

    def drain(self, **more: object) -> Drained:
        log = MemoryLog(self.broker)
        return self.worker(log=log, **more).drain(plan(log.offsets()))

    def faulty(self, fault: Callable[[str], None]) -> None:
        for part in (self.broker, self.store, self.archive, self.dead):
            part.fault = fault  # type: ignore[attr-defined]


def value(key: str, minute: int, note: int = 0) -> bytes:
    return bytes_of(
        event(
            idempotency_key=key,
            extracted_at=f"2026-01-31T12:{minute:02d}:00Z",
            extracted={"metrics": [{"name": "n", "value": note}]},
        )
    )


def world(*partitions: Sequence[bytes | None], gap: int = 0) -> World:
    """Records at offsets ``gap`` apart, with as many behind the last."""
    records = {
        (TOPIC, number): [
            Record(TOPIC, number, place * (gap + 1), NOW + place * 1_800_000, None, each)
            for place, each in enumerate(values)
        ]
        for number, values in enumerate(partitions)
    }
    return World(Broker(records, {p: len(rows) * (gap + 1) for p, rows in records.items()}))


def expected(broker: Broker) -> tuple[dict[str, Stored], dict[tuple[int, int], object]]:
    """The model: the newest of each key, and the row of each record."""
    taken = [one for rows in broker.records.values() for one in Taker().take(rows, now=NOW)]
    kept = fold(one.outcome for one in taken if isinstance(one.outcome, Stored))
    rows = {
        (one.record.partition, one.record.offset): row_of(
            one.record, one.outcome.reason if isinstance(one.outcome, EventRefused) else one.outcome
        )
        for one in taken
    }
    return kept, rows


def check(world: World) -> None:
    kept, rows = expected(world.broker)
    assert world.store.kept == kept
    found = [(place.partition, row) for place, there in world.archive.objects.items() for row in there]
    assert len(found) == len(rows)
    assert {(partition, row.offset): row for partition, row in found} == rows
    assert world.broker.committed == {p: end for p, end in world.broker.ends.items() if end}
    dead = {place for place, row in rows.items() if row.status == "dead"}  # type: ignore[attr-defined]
    assert {(one.record.partition, one.record.offset) for one in letters(world)} == dead


def letters(world: World) -> list:  # type: ignore[type-arg]
    return [
        from_wire(Record("dead", 0, number, 0, out.key, out.value, out.headers))
        for number, out in enumerate(world.dead.sent)
    ]


values = st.one_of(
    st.builds(value, st.sampled_from("abcdef"), st.integers(0, 5), st.integers(0, 2)),
    st.sampled_from([None, b"", b"{", b"[]", b"\xff"]),
)
# What goes wrong: how many times the work may come to a place before it dies or fails there.
mishaps = st.lists(st.tuples(st.sampled_from(["die", "fail"]), st.integers(0, 12)), max_size=6)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(values, max_size=25), min_size=1, max_size=3),
    st.integers(1, 9),
    st.integers(1, 4),
    st.integers(0, 2),
    mishaps,
)
def test_any_cutting_failing_and_dying_ends_in_the_model(
    partitions: list[list[bytes | None]], records: int, bulk: int, gap: int, wrong: list[tuple[str, int]]
) -> None:
    here, left = world(*partitions, gap=gap), list(wrong)
    limits = Limits(records=records, bulk=bulk, seconds=0.0, first_wait=0.0, longest_wait=0.0)

    def met(what: object) -> None:
        if not left:
            return
        how, count = left[0]
        left[0] = (how, count - 1)
        if count == 0:
            left.pop(0)
            if how == "die" or isinstance(what, StrEnum):
                raise Died
            raise away(str(what))

    here.faulty(met)
    while True:
        try:
            with armed(met):
                here.drain(limits=limits)
            break
        except Died:
            pass
    check(here)
    left.clear()
    before = dict(here.store.kept), dict(here.archive.objects), len(here.dead.sent)
    here.broker.committed.clear()
    again = here.drain(limits=limits)  # all of it once more
    assert (again.changed, again.objects) == (0, 0)
    assert (here.store.kept, here.archive.objects) == before[:2]


def test_each_point_of_a_cycle_is_come_to_in_order() -> None:
    met: list[StrEnum] = []
    with armed(met.append):
        world([value("a", 1)]).drain()
    assert met == list(WorkerPoint)


@pytest.mark.parametrize("point", list(WorkerPoint))
def test_who_dies_at_a_point_has_committed_nothing_that_is_not_done(point: WorkerPoint) -> None:
    here = world([value("a", 1), b"{", value("a", 2)])

    def die(at: StrEnum) -> None:
        if at is point:
            raise Died

    with armed(die), pytest.raises(Died):
        here.drain()
    assert bool(here.broker.committed) is (point is WorkerPoint.COMMITTED)
    here.drain()
    check(here)


def test_a_drain_counts_by_partition_and_ends_at_the_ends_of_its_start() -> None:
    here = world([value("a", 1), value("a", 2), b"{"], [value("b", 1)])
    bounds = plan(MemoryLog(here.broker).offsets())
    here.broker.records[TOPIC, 0].append(Record(TOPIC, 0, 3, NOW, None, value("late", 1)))
    here.broker.ends[TOPIC, 0] = 4
    done = here.worker().drain(bounds)
    assert {p: (part.begin, part.stop, part.read, part.stored, part.dead) for p, part in done.partitions.items()} == {
        (TOPIC, 0): (0, 3, 3, 2, 1),
        (TOPIC, 1): (0, 1, 1, 1, 0),
    }
    assert (done.read, done.stored, done.dead, done.changed) == (4, 3, 1, 2)
    assert here.broker.committed == {(TOPIC, 0): 3, (TOPIC, 1): 1}
    assert "late" not in here.store.kept


def test_events_are_written_in_bulks_and_polls_are_cut() -> None:
    here = world([value(f"k{number}", 1) for number in range(25)])
    here.drain(limits=Limits(records=10, bulk=4, seconds=0))
    assert here.store.largest == 4
    check(here)


def test_a_failure_in_a_cycle_is_read_again_and_counted_once() -> None:
    here, left = world([value("a", 1), b"{"]), ["poll", "upsert", "send", "write", "commit"]

    def fail(what: str) -> None:
        if left and what == left[0]:
            left.pop(0)
            raise away(what)

    here.faulty(fail)
    done = here.drain()
    assert (done.read, done.failures, left) == (2, 4, [])  # a producer that is full is flushed and asked again at once
    check(here)


def test_a_drain_gives_up_when_what_may_pass_does_not() -> None:
    here = world([value("a", 1)])
    here.faulty(lambda what: (_ for _ in ()).throw(away(what)) if what == "upsert" else None)
    with pytest.raises(TransientError, match="upsert: no answer"):
        here.drain(limits=Limits(patience=0.0, first_wait=0.0, seconds=0.0))
    assert here.broker.committed == {}


def test_a_drain_gives_up_where_no_record_comes() -> None:
    here = world([value("a", 1)])
    bounds = plan(MemoryLog(here.broker).offsets())
    here.broker.records[TOPIC, 0].clear()
    here.broker.ends[TOPIC, 0] = 0
    with pytest.raises(TransientError) as stalled:
        here.worker(limits=Limits(patience=0.0, seconds=0.0)).drain(bounds)
    assert stalled.value.code == "DRAIN_STALLED"


def test_what_will_not_pass_ends_the_worker_with_nothing_committed() -> None:
    here = world([value("a", 1)])

    def denied(what: str) -> None:
        if what == "write":
            raise StorageDenied("no")

    here.faulty(denied)
    with pytest.raises(StorageDenied):
        here.drain()
    assert here.broker.committed == {}


def test_an_event_that_the_store_refuses_is_dead_and_an_older_one_of_its_key_is_kept() -> None:
    here = world([value("a", 1), value("a", 3), value("a", 2), value("b", 1), value("a", 3)])
    here.store.refuses = lambda one: one.key == "a" and b"12:03" in one.body
    done = here.drain()
    assert (done.stored, done.dead) == (3, 2)
    assert b"12:02" in here.store.kept["a"].body
    assert {(one.record.offset, one.reason) for one in letters(here)} == {
        (1, Reason.STORE_REFUSED),
        (4, Reason.STORE_REFUSED),
    }
    (place,) = {offset for there in here.archive.objects.values() for offset in there if offset.offset == 4}
    assert (place.status, place.reason) == ("dead", "STORE_REFUSED")


def test_a_dead_letter_that_is_too_large_is_cut_and_stops_nothing() -> None:
    here = world([b"{" * 1000, b"{", value("a", 1)])
    here.dead.most = 10
    done = here.drain()
    assert (done.dead, done.cut) == (2, 1)
    big = next(out for out in here.dead.sent if is_cut(Record("dead", 0, 0, 0, out.key, out.value, out.headers)))
    assert big.value is None
    assert letters(here)[0].record.offset in (0, 1)
    raw = {row.offset: row.value for rows in here.archive.objects.values() for row in rows}
    assert raw[0] == b"{" * 1000


def test_a_reader_that_breaks_makes_a_dead_letter() -> None:
    class Broken(Taker):
        @property
        def transforms(self) -> object:  # type: ignore[override]
            raise KeyError("a bug")

    here = world([value("a", 1)])
    taken = Taker.take(Broken.__new__(Broken), here.broker.records[TOPIC, 0], now=NOW)
    assert isinstance(taken[0].outcome, EventRefused)


def test_the_short_way_without_transforms_stores_the_same() -> None:
    from airflow_dataops.core.metadata.event import document_of
    from airflow_dataops.core.metadata.upsert import stored_of
    from tests.unit.core.metadata.events import read

    one = read(idempotency_key="a")
    (taken,) = Taker().take([Record(TOPIC, 0, 0, NOW, None, one.wire)], now=NOW)
    assert taken.outcome == stored_of(one, document_of(one.event), 0)  # type: ignore[arg-type]


class Heard(Watch):
    def __init__(self) -> None:
        self.stages: Counter[str] = Counter()
        self.lags: list[dict[tuple[str, int], int]] = []
        self.errors: list[str] = []
        self.waits: list[dict[tuple[str, int], int]] = []

    def stage(self, name: str, seconds: float) -> None:
        self.stages[name] += 1

    def lag(self, records: object) -> None:
        self.lags.append(dict(records))  # type: ignore[call-overload]

    def waiting(self, since: object) -> None:
        self.waits.append(dict(since))  # type: ignore[call-overload]

    def failed(self, error: DataOpsError, wait: float) -> None:
        self.errors.append(error.code)


def run_until(here: World, log: MemoryLog, done: Callable[[], bool], heard: Heard | None = None) -> Drained:
    """Run a continuous worker until something is so."""
    stop = threading.Event()
    fault = here.broker.fault

    def polled(what: str) -> None:
        if what == "poll" and done():
            stop.set()
        fault(what)

    here.broker.fault = polled
    return here.worker(log=log, stop=stop, watch=heard).run()


def test_a_continuous_worker_ends_after_the_batch_with_its_commit() -> None:
    here, heard = world([value("a", 1), b"{"], [value("b", 2)]), Heard()
    done = run_until(here, MemoryLog(here.broker), lambda: True, heard)
    check(here)
    assert done.read == 3
    assert set(heard.stages) == {"read", "transform", "store", "bury", "archive", "commit"}
    assert heard.lags[-1] == {(TOPIC, 0): 0, (TOPIC, 1): 0}
    assert heard.waits == [{(TOPIC, 0): NOW, (TOPIC, 1): NOW}]


def test_the_lag_is_told_while_nothing_can_be_stored() -> None:
    here, heard = world([value("a", 1), value("b", 2)], [value("c", 3)], []), Heard()
    here.broker.committed[TOPIC, 0] = 1

    def refused(what: str) -> None:
        raise away(what)

    here.store.fault = refused
    run_until(here, MemoryLog(here.broker), lambda: len(heard.errors) > 1, heard)
    assert set(heard.errors) == {"TRANSIENT"}
    assert heard.lags[-1] == {(TOPIC, 0): 1, (TOPIC, 1): 1, (TOPIC, 2): 0}
    assert heard.waits[-1] == {(TOPIC, 0): NOW + 1_800_000, (TOPIC, 1): NOW}


def test_the_lag_of_partitions_that_went_away_is_told_no_more() -> None:
    here, heard = world([value("a", 1)], [value("b", 2)]), Heard()
    log = MemoryLog(here.broker)

    def lose(what: str) -> None:
        if what == "poll" and heard.lags:
            log.lose((TOPIC, 1))

    here.broker.fault = lose
    run_until(here, log, lambda: len(heard.lags) > 2, heard)
    assert heard.lags[0] == {(TOPIC, 0): 0, (TOPIC, 1): 0}
    assert heard.lags[-1] == {(TOPIC, 0): 0}


def test_a_worker_that_was_fenced_goes_on_and_another_does_its_part_again() -> None:
    here, heard = world([value("a", 1)], [value("b", 2)]), Heard()
    log = MemoryLog(here.broker)
    log.fenced = True
    run_until(here, log, lambda: bool(heard.errors), heard)
    assert set(heard.errors) == {"READER_FENCED"}
    assert here.broker.committed == {}
    run_until(here, MemoryLog(here.broker), lambda: True)
    check(here)


def test_a_drain_that_is_fenced_says_so() -> None:
    here = world([value("a", 1)])
    log = MemoryLog(here.broker)
    log.fenced = True
    with pytest.raises(Fenced):
        here.worker(log=log).drain(plan(log.offsets()))


def test_a_drain_that_is_told_to_stop_stops() -> None:
    here, stop = world([value("a", 1)]), threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        here.drain(stop=stop)


def test_waits_double_up_to_the_longest() -> None:
    limits = Limits(first_wait=0.5, longest_wait=30.0)
    assert [limits.wait(number) for number in (1, 2, 3, 7, 1000)] == [0.5, 1.0, 2.0, 30.0, 30.0]
