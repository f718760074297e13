# SPDX-License-Identifier: Apache-2.0
"""Random days of a table: deliveries, runs, kills, reruns, backfills, upkeep, in any order, against the model.

After a kill the table may be the one before or the one after, and nobody can say which without a look. So the machine keeps every table
that is allowed by now, applies each run to each of them, and strikes out those that a look disproves.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from tests.faults.model import FIRST, TOO_MUCH, Bronze, Kind, Row, Table, Work, publish, visible
from tests.faults.model_lake import STEPS, Lake
from tests.faults.steps import Ended, Stop, start

DAYS = 4
_POINTS = 64
# What a run may say that was overtaken by another one, or that begins in the middle of what an earlier one left.
_CLEAR = {
    "GATE_MISSING", "GATE_NOT_PASSED", "GATE_STALE", "GATE_FAILED", "NOTHING_STAGED", "QUARANTINE_GONE", "SOURCE_CHANGED", "SOURCE_MISSING",
    "STAGE_MISSING", "STAGED_FILES_CHANGED", "STORAGE", "RUN_CONFLICT",
}  # fmt: skip

KINDS = [
    Kind(fmt, owned, merge=merge, lookback=back, partitioned=by, csv=csv)
    for fmt in ("parquet", "delta")
    for owned, merge, back, by, csv in (
        ("window", False, 0, False, False),
        ("window", False, 1, True, False),
        ("window", True, 1, False, False),
        ("full", False, 0, True, False),
        ("run", False, 0, False, True),
        ("run", False, 0, True, False),
        ("run", True, 0, False, False),
        ("partitions", False, 0, False, False),
    )
]
# A failure is told as it was found: to shrink it means hundreds of runs, and their processes.
_PHASES = [Phase.explicit, Phase.reuse, Phase.generate]
_SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
days = st.integers(0, DAYS - 1)
# Most of what a kill can spoil lies in the publish, which is the second half of the places.
points = st.integers(0, _POINTS) | st.integers(_POINTS // 2, _POINTS - 8)
some_rows = st.lists(
    st.tuples(
        st.integers(0, 6),
        st.sampled_from([1, 1, 2, 3, 5, 8, -1, None, TOO_MUCH]),
        st.integers(0, 3),
        st.integers(0, 23),
    ),
    max_size=6,
)


class TableMachine(RuleBasedStateMachine):
    """One table through random days. Subclasses may fix the kinds.

    Attributes:
        kinds: Kinds of pipeline to choose from.
    """

    kinds: Sequence[Kind] = KINDS

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="dataops-model-"))
        self.processes = 0

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        self.kind: Kind = data.draw(st.sampled_from(list(self.kinds)))
        self.lake, self.bronze = Lake(self.root, self.kind), Bronze(self.kind)
        self.allowed: set[Table] = {()}
        self.mixed = False
        # Run -> step -> bad rows that may be there; and what tries of it since its last end might still publish.
        self.aside: list[dict[str, set[tuple[Row, ...]]]] = [{} for _ in range(DAYS)]
        self.tries: list[set[Work]] = [set() for _ in range(DAYS)]
        self.grown = False
        for day in range(DAYS):
            self._deliver(day, data.draw(some_rows))

    def teardown(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)

    @rule(day=days, rows=some_rows)
    def deliver(self, day: int, rows: list[Any]) -> None:
        self._deliver(day, rows)

    @rule(day=days)
    def withdraw(self, day: int) -> None:
        self.bronze.files.pop(day, None)
        self.lake.withdraw(day)

    @precondition(lambda self: not self.grown and not self.kind.csv)
    @rule()
    def a_column_comes(self) -> None:
        self.grown = True

    @rule(day=days, by_hand=st.booleans())
    def run(self, day: int, by_hand: bool) -> None:
        work = self.bronze.work(day)
        self._whole(work, self._start(day, by_hand=by_hand).ended())
        self.look()

    @rule()
    def backfill(self) -> None:
        for day in range(DAYS):
            work = self.bronze.work(day)
            self._whole(work, self._start(day).ended())
        self.look()

    @rule(day=days, where=st.lists(points, min_size=1, max_size=3))
    def killed(self, day: int, where: list[int]) -> None:
        """One kill or several in a row, the next ones while what the one before left is put right."""
        for number in where:
            work = self.bronze.work(day)
            ended = self._start(day, stop=Stop(number)).ended()
            if ended.killed:
                self._perhaps(work)
            else:
                self._whole(work, ended)
            self.look()

    @rule(day=days, first=st.sampled_from(STEPS[1:4]), change=st.none() | some_rows)
    def cleared_from(self, day: int, first: str, change: list[Any] | None) -> None:
        """Somebody clears the last tasks of a run only, perhaps after the source has changed."""
        if change is not None:
            self._deliver(day, change)
        self._perhaps(self.bronze.work(day), self._start(day, first).ended())
        self.look()

    @rule(chosen=st.sets(days, min_size=2, max_size=3))
    def dates_at_once(self, chosen: set[int]) -> None:
        works = {day: self.bronze.work(day) for day in chosen}
        running = {day: self._start(day) for day in chosen}
        before, self.allowed = self.allowed, set()
        ends = {day: one.ended() for day, one in running.items()}
        for order in _orders(sorted(chosen)):
            tables = before
            for day in order:
                tables = {publish(self.kind, table, works[day]) for table in tables}
            self.allowed |= tables
        for day, ended in ends.items():
            self._judge(works[day], ended)
        self.look()

    @rule(day=days)
    def the_same_run_twice_at_once(self, day: int) -> None:
        work = self.bronze.work(day)
        both = [one.ended() for one in [self._start(day), self._start(day, by_hand=True)]]
        for ended in both:
            self._perhaps(work, ended)
        if any(ended.published for ended in both):
            self.allowed = {publish(self.kind, table, work) for table in self.allowed}
        self.look()

    @rule(day=days, other=days, number=points, change=st.none() | some_rows)
    def overtaken(self, day: int, other: int, number: int, change: list[Any] | None) -> None:
        """A run stops anywhere without the lease; meanwhile a delivery changes, and another run, or the same, goes from start to end."""
        work = self.bronze.work(day)
        go = self.root / f"go-{self.processes}"
        slow = self._start(day, stop=Stop(number, str(go)))
        waits = slow.wait_until_it_waits()
        if change is not None:
            self._deliver(day, change)
        later = [work, self.bronze.work(day)]
        fast, overtaking = self._start(other).ended(), self.bronze.work(other)
        if waits:
            slow.go_on()
        first = self.allowed
        self._perhaps(later[0], slow.ended())
        self._perhaps(later[1])
        if other == day:
            self._perhaps(overtaking, fast)
        else:
            self._whole(overtaking, fast)
            tables = {publish(self.kind, table, overtaking) for table in first}
            self.allowed |= {publish(self.kind, table, one) for table in tables for one in later} | tables
        self.look()

    @rule(late=st.booleans(), kill=st.none() | st.integers(0, 24))
    def upkeep(self, late: bool, kill: int | None) -> None:
        stop = None if kill is None else Stop(kill)
        ended = self._process(self.lake.upkeep(late=late), stop)
        assert not ended.codes, ended.results
        self.mixed = (self.mixed or ended.killed) and (ended.killed or not self._upkept(ended))
        self.look()

    @rule()
    def forget_index(self) -> None:
        self.lake.forget_index()

    def look(self) -> None:
        """Compare the lake with the model, and strike out what is not so."""
        if self.kind.format == "delta" or not self.mixed:
            seen = self.lake.rows()
            fitting = {table for table in self.allowed if visible(table) == seen}
            assert fitting, f"the table holds {seen}; allowed are {[visible(table) for table in self.allowed]}"
            self.allowed = fitting
        found = self.lake.bad_rows()
        for day in range(DAYS):
            key = self.lake.run(day).key
            for step in ("gate", "silver", "refine"):
                rows = found.pop((key, step), ())
                known = self.aside[day].get(step, {()})
                assert rows in known, f"bad rows of {key} {step}: {rows}; allowed are {known}"
                self.aside[day][step] = {rows}
        assert not found

    def _deliver(self, day: int, drawn: Iterable[Any]) -> None:
        """Rows of a delivery lie in its date or in the day before; each has a moment of its own, so that the last one is known."""
        rows = []
        for place, (ident, value, more, hour) in enumerate(drawn):
            at = FIRST + timedelta(days=day - (more == 3), hours=hour, minutes=place, seconds=day)
            rows.append(Row(ident, at, value, more % 2, place if self.grown else None))
        self.bronze.files[day] = tuple(rows)
        self.lake.deliver(day, tuple(rows), grown=self.grown)

    def _start(self, day: int, first: str = "gate", *, by_hand: bool = False, stop: Stop | None = None) -> Any:
        self.processes += 1
        return start(self.lake.steps(day, first, by_hand=by_hand), self.root / "said" / str(self.processes), stop)

    def _process(self, specs: Any, stop: Stop | None) -> Ended:
        self.processes += 1
        return start(specs, self.root / "said" / str(self.processes), stop).ended()

    def _whole(self, work: Work, ended: Ended) -> None:
        """A run went from its start to its end, and nobody came between."""
        self.allowed = {publish(self.kind, table, work) for table in self.allowed}
        self._judge(work, ended)

    def _judge(self, work: Work, ended: Ended) -> None:
        assert not ended.killed
        assert ended.published == work.publishes, (work, ended.results)
        before = self.aside[work.day]
        self.aside[work.day] = _kept(work, before)
        if work.publishes:
            self.mixed = False
            self.tries[work.day] = set()
            _numbers_add_up(work, ended)

    def _perhaps(self, work: Work, ended: Ended | None = None) -> None:
        """A run may have come to its end or not; so may what its earlier tries had staged."""
        self.tries[work.day].add(work)
        works = self.tries[work.day]
        self.allowed |= {publish(self.kind, table, one) for table in self.allowed for one in works}
        before = self.aside[work.day]
        for one in works:
            for step, rows in _kept(one, before).items():
                self.aside[work.day] = {**self.aside[work.day], step: self.aside[work.day].get(step, {()}) | rows}
        if ended is None:
            self.mixed = True
            return
        assert not ended.killed
        strange = set(ended.codes) - _CLEAR
        assert not strange, [one["error"] for one in ended.results if one["error"]]
        if ended.published:
            self.mixed = False

    def _upkept(self, ended: Ended) -> bool:
        """Whether upkeep held the table's lease; a table that is not there yet has none to hold."""
        return bool(ended.results)


def walk(kinds: Sequence[Kind], *, examples: int, steps: int) -> None:
    """Take a table of one of ``kinds`` through ``examples`` walks of at most ``steps`` random steps."""
    run_state_machine_as_test(
        type("Walk", (TableMachine,), {"kinds": kinds}),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            report_multiple_bugs=False,
            phases=_PHASES,
            suppress_health_check=_SLOW,
        ),
    )


def _kept(work: Work, before: dict[str, set[tuple[Row, ...]]]) -> dict[str, set[tuple[Row, ...]]]:
    """Return step -> bad rows that may be there after a run that came to its end."""
    now = work.aside({})
    after = {step: {tuple(sorted(rows, key=repr))} for step, rows in now.items()}
    if work.publishes:
        return {step: after.get(step, {()}) for step in {*before, *after}}
    return {**before, **after}


def _numbers_add_up(work: Work, ended: Ended) -> None:
    gate, refine, published = (ended.result(task) or {} for task in ("gate", "refine", "publish"))
    assert (gate["rows"]["read"], gate["rows"]["quarantined"]) == (work.read, len(work.bad))
    rows = refine["rows"]
    assert (sum(rows["dropped"].values()), rows["deduplicated"], rows["written"]) == (
        work.dropped,
        work.repeated,
        len(work.rows),
    )
    assert published["rows"]["written"] == len(work.rows)
    assert published["already_done"] is False
    report = ended.result("report") or {}
    assert report["published"] is True
    flow = report["rows"]
    assert (
        flow["read"]
        == work.read
        == flow["quarantined"] + sum(flow["dropped"].values()) + flow["deduplicated"] + flow["written"]
    )


def _orders(chosen: Sequence[int]) -> list[list[int]]:
    if len(chosen) < 2:
        return [list(chosen)]
    return [[one, *rest] for one in chosen for rest in _orders([other for other in chosen if other != one])]
