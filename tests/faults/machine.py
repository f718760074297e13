# SPDX-License-Identifier: Apache-2.0
"""Random days of a table: deliveries, runs, kills, reruns, backfills, upkeep, in any order, against the model.

Half of the walks are aimed: they stay with what a publish that was cut short can spoil. It is killed at a named place, looked at,
overtaken by other dates, staged anew, killed again while the next one recovers. Publishes of dates that are staged cost little, so that
such a walk has many kills.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from airflow_dataops.core.faults import FaultPoint
from tests.faults.model import FIRST, TOO_MUCH, Kind, Row, Work, publish
from tests.faults.model_lake import STEPS, Lake
from tests.faults.steps import Running, Stop, start
from tests.faults.table_state import CLEAR, DAYS, TableState

_POINTS = 64
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
in_publish = st.sampled_from(
    [point.value for point in FaultPoint if point.value.partition(".")[0] in ("publish", "table", "finish", "recovery")]
)
in_recovery = st.sampled_from([point.value for point in FaultPoint if point.value.startswith(("recovery", "finish"))])
while_staging = st.sampled_from(["gate.committed", "refine.manifest_gone", "refine.written", "refine.staged"])
anywhere = st.integers(0, _POINTS) | in_publish


def _rows(*values: int | None) -> st.SearchStrategy[list[Any]]:
    row = st.tuples(st.integers(0, 6), st.sampled_from(values), st.integers(0, 3), st.integers(0, 23))
    return st.lists(row, max_size=5)


# A table of whole days is refused for one row that is too much: most deliveries have none.
good_rows = _rows(1, 1, 2, 3, 5, 8, -1, None)
some_rows = good_rows | good_rows | good_rows | _rows(1, 2, None, TOO_MUCH)
free = precondition(lambda machine: not machine.aimed)


class TableMachine(RuleBasedStateMachine):
    """One table through random days.

    Attributes:
        kinds: Kinds of pipeline to choose from.
        aim: True for aimed walks only; None: every other one.
        bug: See :mod:`tests.faults.planted`.
    """

    kinds: Sequence[Kind] = KINDS
    aim: bool | None = None
    bug: str | None = None

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="dataops-model-"))
        self.processes = 0
        self.aimed = False

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        self.aimed = data.draw(st.booleans()) if self.aim is None else self.aim
        self.open(data.draw(st.sampled_from(list(self.kinds))), [data.draw(some_rows) for _ in range(DAYS)])

    def open(self, kind: Kind, deliveries: Sequence[list[Any]]) -> None:
        """Begin with a table that is not there yet, and a delivery for each date."""
        self.kind, self.grown = kind, False
        self.lake = Lake(self.root, kind)
        self.state = TableState(self.lake, kind)
        for day, rows in enumerate(deliveries):
            self._deliver(day, rows)

    def teardown(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)

    @rule(day=days, rows=some_rows)
    def a_delivery_comes(self, day: int, rows: list[Any]) -> None:
        self._deliver(day, rows)

    @free
    @rule(day=days)
    def withdraw(self, day: int) -> None:
        self.state.bronze.files.pop(day, None)
        self.lake.withdraw(day)

    @free
    @precondition(lambda self: not self.grown and not self.kind.csv)
    @rule()
    def a_column_comes(self) -> None:
        self.grown = True

    @rule(day=days, by_hand=st.booleans())
    def run(self, day: int, by_hand: bool) -> None:
        work = self.state.bronze.work(day)
        self.state.whole(work, self._start(day, by_hand=by_hand).ended())
        self.state.look()

    @rule(day=days)
    def stage(self, day: int) -> None:
        """All of a run but its publish, which may come much later."""
        work = self.state.bronze.work(day)
        self.state.stages(work, self._start(day, last="silver").ended())
        self.state.look()

    @rule(day=days, where=in_publish)
    def publish_killed(self, day: int, where: str) -> None:
        self._publish_killed(day, where)

    @rule(day=days, other=days, where=in_publish, again=in_recovery)
    def publish_killed_and_the_next_one_too(self, day: int, other: int, where: str, again: str) -> None:
        self._publish_killed(day, where)
        self._publish_killed(other, again)

    @rule(day=days, other=days, where=in_publish, rows=some_rows)
    def publish_killed_before_another_run(self, day: int, other: int, where: str, rows: list[Any]) -> None:
        """Of the same date there is a new delivery."""
        self._publish_killed(day, where)
        if other == day:
            self._deliver(day, rows)
        self.run(other, by_hand=False)

    @rule(day=days)
    def publish_done_again(self, day: int) -> None:
        """As a scheduler does after a kill: that task only."""
        work = self._staged(day)
        if work is not None:
            self.state.publishes(work, self._start(day, "publish", "publish").ended())
            self.state.look()

    @rule(day=days, other=days, where=in_publish)
    def publish_asleep(self, day: int, other: int, where: str) -> None:
        """A publish stands still for so long that its lease is taken over, and then goes on as if nothing had happened."""
        work = self._staged(day)
        if work is None:
            return
        go, state = self.root / f"go-{self.processes}", self.state
        slow = self._start(day, "publish", "publish", stop=Stop(where, str(go), far=True))
        slow.wait_until_it_waits()
        time.sleep(0.06)
        # What it has done by now may be in the table; what it does later may not be.
        state.perhaps(work)
        overtaking = state.bronze.work(other)
        fast = self._start(other).ended()
        go.touch()
        ended = slow.ended()
        if overtaking.publishes:
            assert not set(ended.codes) - CLEAR, ended.results
            state.staged.pop(day, None)
            state.whole(overtaking, fast)
        else:
            state.publishes(work, ended)
            state.judge(overtaking, fast)
        state.look()

    @rule(day=days, before=some_rows, rows=some_rows, where=while_staging, first=st.sampled_from(STEPS[2:4]))
    def killed_while_staging_and_cleared(
        self, day: int, before: list[Any], rows: list[Any], where: str, first: str
    ) -> None:
        """The gates have let another delivery pass, and somebody clears the tasks after the one that died."""
        if day not in self.state.done:
            self._deliver(day, before)
            self.run(day, by_hand=False)
        self._deliver(day, rows)
        self._killed(day, where)
        self._cleared(day, first)

    @rule(day=days, where=st.lists(anywhere, min_size=1, max_size=3))
    def killed(self, day: int, where: list[int | str]) -> None:
        """One kill or several in a row, the next ones while what the one before left is put right."""
        for place in where:
            self._killed(day, place)

    @rule(day=days, first=st.sampled_from(STEPS[1:4]), change=st.none() | some_rows)
    def cleared_from(self, day: int, first: str, change: list[Any] | None) -> None:
        """Somebody clears the last tasks of a run only, perhaps after the source has changed."""
        if change is not None:
            self._deliver(day, change)
        self._cleared(day, first)

    @free
    @rule()
    def backfill(self) -> None:
        for day in range(DAYS):
            work = self.state.bronze.work(day)
            self.state.whole(work, self._start(day).ended())
        self.state.look()

    @free
    @rule(chosen=st.sets(days, min_size=2, max_size=3))
    def dates_at_once(self, chosen: set[int]) -> None:
        state = self.state
        works = {day: state.bronze.work(day) for day in chosen}
        running = {day: self._start(day) for day in chosen}
        before, state.allowed = state.allowed, set()
        ends = {day: one.ended() for day, one in running.items()}
        for order in _orders(sorted(chosen)):
            worlds = before
            for day in order:
                worlds = {publish(self.kind, world, works[day]) for world in worlds}
            state.allowed |= worlds
        for day, ended in ends.items():
            state.judge(works[day], ended)
        state.look()

    @free
    @rule(day=days)
    def the_same_run_twice_at_once(self, day: int) -> None:
        work = self.state.bronze.work(day)
        self.state.staged.pop(day, None)
        both = [one.ended() for one in [self._start(day), self._start(day, by_hand=True)]]
        for ended in both:
            assert not ended.killed
            self.state.perhaps(work, ended)
        if any(ended.published for ended in both):
            self.state.apply(work)
        self.state.look()

    @free
    @rule(day=days, other=days, number=st.integers(0, _POINTS), change=st.none() | some_rows)
    def overtaken(self, day: int, other: int, number: int, change: list[Any] | None) -> None:
        """A run stops anywhere without the lease; meanwhile a delivery changes, and another run, or the same, goes from start to end."""
        state = self.state
        work = state.bronze.work(day)
        state.staged.pop(day, None)
        go = self.root / f"go-{self.processes}"
        slow = self._start(day, stop=Stop(number, str(go)))
        waits = slow.wait_until_it_waits()
        if change is not None:
            self._deliver(day, change)
        later = [work, state.bronze.work(day)]
        fast, overtaking = self._start(other).ended(), state.bronze.work(other)
        if waits:
            slow.go_on()
        first = state.allowed
        state.perhaps(later[0], slow.ended())
        state.perhaps(later[1])
        if other == day:
            state.perhaps(overtaking, fast)
        else:
            state.whole(overtaking, fast)
            worlds = {publish(self.kind, world, overtaking) for world in first}
            state.allowed |= {publish(self.kind, world, one) for world in worlds for one in later} | worlds
        state.look()

    @rule(late=st.booleans(), kill=st.none() | st.integers(0, 24))
    def upkeep(self, late: bool, kill: int | None) -> None:
        self.processes += 1
        folder = self.root / "said" / str(self.processes)
        ended = start(self.lake.upkeep(late=late), folder, None if kill is None else Stop(kill), self.bug).ended()
        assert not ended.codes, ended.results
        self.state.follow(ended)
        if late:
            self.state.staged.clear()
        self.state.look()

    @rule()
    def forget_index(self) -> None:
        self.lake.forget_index()

    def _staged(self, day: int) -> Work | None:
        """Return what is staged for a date, after staging it where nothing is; None where there is nothing to publish."""
        if day not in self.state.staged:
            self.stage(day)
        return self.state.staged.get(day)

    def _publish_killed(self, day: int, where: str) -> None:
        work = self._staged(day)
        if work is None:
            return
        ended = self._start(day, "publish", "publish", stop=Stop(where)).ended()
        if ended.killed:
            self.state.perhaps(work, ended)
        else:
            self.state.publishes(work, ended)
        self.state.look()

    def _killed(self, day: int, where: int | str) -> None:
        work = self.state.bronze.work(day)
        ended = self._start(day, stop=Stop(where)).ended()
        if ended.killed:
            self.state.staged.pop(day, None)
            self.state.perhaps(work, ended)
        else:
            self.state.whole(work, ended)
        self.state.look()

    def _cleared(self, day: int, first: str) -> None:
        self.state.staged.pop(day, None)
        ended = self._start(day, first).ended()
        assert not ended.killed
        self.state.perhaps(self.state.bronze.work(day), ended)
        self.state.look()

    def _deliver(self, day: int, drawn: Iterable[Any]) -> None:
        """Rows of a delivery lie in its date or in the day before; each has a moment of its own, so that the last one is known."""
        rows = []
        for place, (ident, value, more, hour) in enumerate(drawn):
            at = FIRST + timedelta(days=day - (more == 3), hours=hour, minutes=place, seconds=day)
            rows.append(Row(ident, at, value, more % 2, place if self.grown else None))
        self.state.bronze.files[day] = tuple(rows)
        self.lake.deliver(day, tuple(rows), grown=self.grown)

    def _start(
        self, day: int, first: str = "gate", last: str = "report", *, by_hand: bool = False, stop: Stop | None = None
    ) -> Running:
        self.processes += 1
        steps = self.lake.steps(day, first, last, by_hand=by_hand)
        return start(steps, self.root / "said" / str(self.processes), stop, self.bug)


def walk(
    kinds: Sequence[Kind], *, examples: int, steps: int, aim: bool | None = None, bug: str | None = None, **more: Any
) -> None:
    """Take a table of one of ``kinds`` through ``examples`` walks of at most ``steps`` random steps."""
    run_state_machine_as_test(
        type("Walk", (TableMachine,), {"kinds": kinds, "aim": aim, "bug": bug}),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            report_multiple_bugs=False,
            phases=_PHASES,
            suppress_health_check=_SLOW,
            **more,
        ),
    )


def _orders(chosen: Sequence[int]) -> list[list[int]]:
    if len(chosen) < 2:
        return [list(chosen)]
    return [[one, *rest] for one in chosen for rest in _orders([other for other in chosen if other != one])]


__all__ = ["KINDS", "TableMachine", "walk"]
