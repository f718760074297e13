# SPDX-License-Identifier: Apache-2.0
"""Kill a step of a run at a place, do it again as a scheduler would, and compare with a run that nothing disturbed."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from airflow_dataops.core.tables import EngineName
from tests.faults.arming import LEASE_WAITS, Plan
from tests.faults.forks import NO_PLAN, Ended, Forks, in_session, read_trace
from tests.faults.pipeline import DAY, SALT, STEPS, Pipeline, Variant
from tests.faults.place import FolderPlace, Place
from tests.faults.points import Case, points_of
from tests.faults.reader import judge, looks, windows
from tests.faults.tables import ABSENT, Seen, digest, is_there, read_table
from tests.faults.tally import TALLY

OTHER = 3


class Walk:
    """One kind of table, with a copy of its lake before each step of a run.

    Args:
        root: Folder of this machine.
        variant: Kind of table.
        forks: Starts the jobs.
        place: Where the lake and its copies lie; in ``root`` when omitted.
        engine: Engine of the steps that are killed, and of what is done after them.
        before: Engine of the run that nothing disturbs, and of the table's history.
    """

    def __init__(
        self,
        root: Path,
        variant: Variant,
        forks: Forks,
        place: Place | None = None,
        *,
        engine: EngineName = "duckdb",
        before: EngineName = "duckdb",
    ) -> None:
        self._engine, self._before = engine, before
        self._killed: list[int] = []
        self._place = place or FolderPlace(root)
        self.pipeline, self.forks = Pipeline(root / "now", variant, self._place.address), forks
        self.pipeline.root.mkdir(exist_ok=True)
        self._trace: list[tuple[str, int]] = []
        self._expected: dict[str, Seen] = {}
        self._tables: dict[str, set[str]] = {}
        with self._undisturbed():
            self._prepare()

    def _prepare(self) -> None:
        """A table with a history: others wrote to it, and our run of the day was done once with an earlier delivery."""
        for day in (1, DAY, OTHER):
            self.pipeline.deliver(day, more=2 if day == DAY else 0)
        self.pipeline.found_table()
        if self.pipeline.variant.slice != "first":
            self.run_all(STEPS)
        self.pipeline.deliver(DAY)
        for step in (*STEPS, "maintain"):
            if step == "maintain":
                self._expected["rerun"] = self.pipeline.seen()
                self.pipeline.scatter()
            if step == "publish":
                # Of another version, or half of it: what it tells is only a help, and is made anew.
                self.pipeline.storage.write_bytes(self.pipeline.index, b"{")
            self._place.keep(step)
            before = self.table_now()
            ended = self.run(step)
            self._tables[step] = {before, self.table_now()}
            missing = set(points_of(step, self.pipeline.variant)) ^ _points(ended)
            assert not missing, (
                f"{step} of {self.pipeline.variant} comes to other points than tests/faults/points.py says: {missing}"
            )
        self._expected["maintain"] = self.pipeline.seen()

    def points(self, step: str) -> list[tuple[str, int]]:
        """Return each point that a step comes to, with the times that it does: the first, the second and the last."""
        self.restore(step)
        return _times([name for name, _ in self.run(step).trace])

    def changes(self, step: str) -> int:
        """Return the number of file-system changes that Python makes in a step."""
        self.restore(step)
        ended = self.run(step, Plan(point=None))
        return sum(1 for name, _ in ended.trace if name.startswith("change:"))

    def case(self, case: Case, nth: int = 1) -> None:
        """Carry out a case and compare.

        Raises:
            AssertionError: A place was never reached, or the lake is another one than after a run that nothing disturbed.
        """
        second = Plan(point=case.second.value) if case.second else None
        self.kill_and_check(case.kind, case.step, Plan(point=case.point.value, nth=nth), second)

    def points_of_recovery(self, kind: str, plan: Plan) -> list[tuple[str, int]]:
        """Return the points that a publish comes to while it finishes one that was cut short, or takes it back."""
        self.restore("publish")
        self.kill("publish", plan)
        if kind == "taken_back":
            self.pipeline.deliver(DAY, more=3)
            self.run_all(STEPS[: STEPS.index("publish")])
        names = [name for name, _ in self.run("publish").trace]
        return _times(names[: names.index("publish.recovered") + 1])

    def kill_and_check(self, kind: str, step: str, plan: Plan, second: Plan | None = None) -> None:
        """Kill a step, do what ``kind`` says (see :class:`~tests.faults.points.Case`), and compare."""
        like = {"recovery": "rerun", "taken_back": "anew"}.get(kind, kind)
        expected = self.expected("maintain" if step == "maintain" else like)
        self.restore(step)
        days = (DAY, OTHER) if kind == "other" else (DAY,)
        allowed = self._tables[step] | self._tables.get(like, set())
        with self.watched(allowed if step in ("publish", "maintain") else None):
            self.kill(step, plan)
            self._as_a_reader_finds_it(allowed)
            if kind == "rerun":
                self.run_all(STEPS[STEPS.index(step) :] if step in STEPS else [step])
            elif kind == "recovery" and second:
                self.kill(step, second)
                self.run_all(STEPS[STEPS.index(step) :])
            elif kind == "other":
                self.run_all(STEPS, OTHER)
                self.run_all(("publish", "report"))
            else:
                self.pipeline.deliver(DAY, more=3)
                if second:
                    self.run_all(STEPS[: STEPS.index("publish")])
                    self.kill("publish", second)
                self.run_all(("publish", "report") if second else STEPS)
        self._compare(expected, days, exact=kind in ("rerun", "recovery"))
        self.all_gone()
        TALLY.points.add(f"{self.pipeline.variant} {step} {plan.point or f'change {plan.change}'} {plan.nth}")
        TALLY.equal += 1

    def twice_at_once(self, step: str, point: str) -> list[str]:
        """Let one try of the run wait at a place, let another do all of the run, then let the first go on: as after a lost contact.

        Returns:
            Codes of the errors with which either ended; the table must be right then, and after one more try.
        """
        expected = self.expected("rerun")
        self.restore(step)
        go = self.pipeline.root / "go"
        first = self.forks.begin(self.pipeline.step(step), SALT, Plan(point=point, meet=str(go)))
        while not any(name == "waiting" for name, _ in read_trace(first[1] / "trace")):
            time.sleep(0.002)
        # Whoever waits for the table does so behind the first one.
        second, codes = self._until_held_up(STEPS[1:])
        go.touch()
        ended = [self.forks.wait(first), *([self.forks.wait(second)] if second else [])]
        codes += [code for one in ended if (code := _code(one))]
        if not any(map(_code, ended)):
            codes += self._go_on(STEPS[STEPS.index(step) + 1 :])
        assert self.table_now() in self._tables["publish"]
        self.run_all(STEPS)
        self._compare(expected, (DAY,), exact=False)
        return codes

    def _until_held_up(self, steps: Sequence[str]) -> tuple[tuple[int, Path] | None, list[str]]:
        """Run steps until one fails, or waits for the lease; return the one that waits, and the codes of errors."""
        for step in steps:
            started = self.forks.begin(self.pipeline.step(step), SALT)
            while not (ended := self.forks.look(started)):
                if step in ("refine", "publish") and _waits(started[1]):
                    return started, []
                time.sleep(0.005)
            if _code(ended):
                return None, [_code(ended)]
        return None, []

    def _go_on(self, steps: Sequence[str]) -> list[str]:
        for step in steps:
            ended = self.forks.run(self.pipeline.step(step), SALT)
            if _code(ended):
                return [_code(ended)]
        return []

    def expected(self, kind: str) -> Seen:
        """Return what must be there at the end: made once, by a run that nothing disturbs."""
        if kind not in self._expected:
            with self._undisturbed():
                self._expect(kind)
        return self._expected[kind]

    def _expect(self, kind: str) -> None:
        self.restore("publish")
        if kind == "other":
            self.run_all(STEPS, OTHER)
            self._tables[kind] = {self.table_now()}
            self.run_all(("publish", "report"))
        else:
            self.pipeline.deliver(DAY, more=3)
            self.run_all(STEPS)
        self._tables.setdefault(kind, set()).add(self.table_now())
        self._expected[kind] = self.pipeline.seen(*((DAY, OTHER) if kind == "other" else (DAY,)))

    @contextlib.contextmanager
    def _undisturbed(self) -> Iterator[None]:
        self.pipeline.engine = self._before
        try:
            yield
        finally:
            self.pipeline.engine = self._engine

    def all_gone(self, seconds: float = 300) -> None:
        """See that nothing is left that a killed job had started, such as a Java process; it may take a moment.

        Raises:
            AssertionError: Something is.
        """
        deadline = time.monotonic() + seconds
        while (left := [one for pid in self._killed for one in in_session(pid)]) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not left, f"of killed jobs there are still: {left}"
        self._killed.clear()

    def publish_over(self, files: int) -> float:
        """Publish over a table of many small files, with a reader, and kill nothing; return the seconds in which the reader saw a mix."""
        self.restore("publish")
        self.pipeline.scatter(files)
        TALLY.window = 0.0
        with self.watched({self.table_now()} | self._tables["publish"]):
            self.run("publish")
        return TALLY.window

    def check(self, kind: str) -> None:
        """Compare the lake with one that nothing disturbed."""
        self._compare(self.expected(kind), (DAY, OTHER) if kind == "other" else (DAY,), exact=kind == "rerun")

    def run_all(self, steps: Sequence[str], day: int = DAY) -> None:
        """Run steps, each of which must end well."""
        for step in steps:
            self.run(step, day=day)

    def run(self, step: str, plan: Plan = NO_PLAN, day: int = DAY) -> Ended:
        """Run one step to its end, which must be a good one."""
        ended = self.forks.run(self.pipeline.step(step, day), SALT, plan)
        self._trace += ended.trace
        assert ended.code == 0, f"{step} of day {day} ended with {ended.code}: {ended.said()}"
        TALLY.rename = max(TALLY.rename, ended.document().get("rename_seconds") or 0.0)
        return ended

    def kill(self, step: str, plan: Plan, day: int = DAY) -> Ended:
        """Run one step that must be killed on its way."""
        ended = self.forks.run(self.pipeline.step(step, day), SALT, plan)
        self._trace += ended.trace
        came_to = [name for name, _ in ended.trace]
        assert ended.killed, f"{plan} was armed in {step} and never reached; it came to {came_to}. {ended.said()}"
        self._killed.append(ended.pid)
        TALLY.kills += 1
        return ended

    def kill_when(self, step: str, due: Callable[[], bool]) -> None:
        """Run one step and kill it from outside as soon as something is so, which must come before its end."""
        started = self.forks.begin(self.pipeline.step(step), SALT)
        while not due():
            ended = self.forks.look(started)
            assert ended is None, f"{step} ended before it was killed: {ended.said()}"
            time.sleep(0.002)
        os.kill(started[0], signal.SIGKILL)
        assert self.forks.wait(started).killed
        self._killed.append(started[0])
        TALLY.kills += 1

    def table_now(self) -> str:
        """Return the digest of the table."""
        path, table_format = self.pipeline.table, self.pipeline.variant.format
        return digest(read_table(path, table_format)) if is_there(path, table_format) else ABSENT

    @contextlib.contextmanager
    def watched(self, allowed: set[str] | None) -> Iterator[None]:
        """Have a reader poll the table meanwhile; None for none."""
        self._trace = []
        if allowed is None:
            yield
            return
        kills = TALLY.kills
        started = self.forks.start("reader", table=self.pipeline.table, format=self.pipeline.variant.format)
        while not (started[1] / "ready").exists():
            time.sleep(0.002)
        try:
            yield
        finally:
            (started[1] / "stop").touch()
            ended = self.forks.wait(started)
        assert ended.code == 0, ended.said()
        judged = judge(looks(started[1]), allowed, self._trace, table_format=self.pipeline.variant.format)
        assert judged.reads >= 2 or self.pipeline.variant.slice == "first"
        assert not judged.wrong, f"a reader saw what is neither the table before nor the one after: {judged.wrong[:3]}"
        TALLY.read(judged, whole=kills == TALLY.kills)

    def restore(self, step: str) -> None:
        """Put the lake back to where it was before a step."""
        self._place.restore(step)

    def _as_a_reader_finds_it(self, allowed: set[str]) -> None:
        """Between a kill and the retry: a Delta table is whole; a parquet table is, unless its renames were cut short."""
        cut_short = self.pipeline.variant.format == "parquet" and any(shut == 2**63 for _, shut in windows(self._trace))
        if not cut_short:
            assert self.table_now() in allowed

    def _compare(self, expected: Seen, days: Sequence[int], *, exact: bool) -> None:
        found = self.pipeline.seen(*days)
        assert found.table == expected.table, _difference(found.table, expected.table)
        assert found.bad == expected.bad
        assert _numbers(found.counts, exact) == _numbers(expected.counts, exact)
        assert '"pending":null' in self.pipeline.lease


def _times(names: Sequence[str]) -> list[tuple[str, int]]:
    return [(name, nth) for name, count in Counter(names).items() for nth in sorted({1, min(2, count), count})]


def _code(ended: Ended) -> str:
    """The code of the error with which a job ended; nothing where it ended well."""
    return "" if ended.code == 0 else str((ended.document().get("error") or {}).get("code", ended.said()))


def _waits(folder: Path) -> bool:
    """Whether a job waits for a lease."""
    trace = read_trace(folder / "trace")
    return bool(trace) and trace[-1][0] == LEASE_WAITS


def _points(ended: Ended) -> set[str]:
    return {name for name, _ in ended.trace}


def _numbers(counts: dict[str, Any], exact: bool) -> dict[str, Any]:
    """Without what depends on the order in which runs came to the table, where that was another one."""
    left_out = {"compacted"} if exact else {"compacted", "rows_removed"}
    return {
        day: {
            name: {key: value for key, value in found.items() if key not in left_out}
            for name, found in documents.items()
        }
        for day, documents in counts.items()
    }


def _difference(found: Sequence[Any], expected: Sequence[Any]) -> str:
    one, other = Counter(found), Counter(expected)
    return f"too many: {sorted(one - other, key=repr)}; missing: {sorted(other - one, key=repr)}"
