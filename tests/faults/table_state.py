# SPDX-License-Identifier: Apache-2.0
"""What may be in a table after what has happened to it by now, and the comparison with what is there.

After a kill the table may be the one before or the one after, and nobody can say which without a look. So every table that is allowed
is kept, each run is applied to each of them, and those that a look disproves are struck out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tests.faults.model import Bronze, Kind, Row, Work, World, publish, visible
from tests.faults.model_lake import Lake
from tests.faults.steps import Ended

DAYS = 3
# What a run may say that was overtaken by another one, or that begins in the middle of what an earlier one left.
CLEAR = {
    "COMMIT_CONFLICT", "GATE_MISSING", "GATE_NOT_PASSED", "GATE_STALE", "GATE_FAILED", "NOTHING_STAGED", "QUARANTINE_GONE", "SOURCE_CHANGED",
    "SOURCE_MISSING", "STAGE_MISSING", "STAGED_FILES_CHANGED", "STORAGE", "RUN_CONFLICT",
}  # fmt: skip
# Between these a parquet table may be a mix of before and after.
_OPENS = {"publish.marked", "recovery.begun", "compact.marked"}
_CLOSES = {"publish.committed", "publish.recovered", "recovery.done", "compact.committed"}


class TableState:
    """The model of one table beside the real one.

    Attributes:
        lake: The real one.
        bronze: The deliveries.
        allowed: Worlds of which each may be the true one.
        mixed: Whether a parquet table may be half one of them and half another.
        staged: Date -> what waits for its publish, which must end well.
        done: Dates that were published.
    """

    def __init__(self, lake: Lake, kind: Kind) -> None:
        self.kind, self.lake, self.bronze = kind, lake, Bronze(kind)
        self.allowed = {World()}
        self.mixed = False
        self.staged: dict[int, Work] = {}
        self.done: set[int] = set()
        # Run -> step -> bad rows that may be there; and what tries of it since its last end might still publish.
        self._aside: list[dict[str, set[tuple[Row, ...]]]] = [{} for _ in range(DAYS)]
        self._tries: list[set[Work]] = [set() for _ in range(DAYS)]

    def whole(self, work: Work, ended: Ended) -> None:
        """A run went from its start to its end, and nobody came between."""
        self.apply(work)
        self.judge(work, ended)

    def apply(self, work: Work) -> None:
        """A run has surely come to its end."""
        self.allowed = {publish(self.kind, world, work) for world in self.allowed}

    def judge(self, work: Work, ended: Ended) -> None:
        """Compare what a whole run says of itself."""
        assert not ended.killed
        assert ended.published == work.publishes, (work, ended.results)
        self.staged.pop(work.day, None)
        self.follow(ended)
        if work.publishes:
            _numbers_add_up(work, ended)
        self._over(work)

    def stages(self, work: Work, ended: Ended) -> None:
        """All of a run but its publish went from its start to its end."""
        assert not ended.killed
        self.staged.pop(work.day, None)
        self.allowed = {world.staged(work.day) for world in self.allowed}
        if work.publishes:
            assert [one["task"] for one in ended.results] == ["gate", "refine", "silver"], ended.results
            assert not ended.codes, ended.results
            self.staged[work.day] = work
            self._tries[work.day].add(work)
        else:
            self._over(work)

    def publishes(self, work: Work, ended: Ended) -> None:
        """The publish of what was staged, the first try of it or another one, has come to its end."""
        assert not ended.killed
        result = ended.result("publish")
        assert result is not None
        assert result["status"] == "ok", result["error"]
        assert result["rows"]["written"] == len(work.rows)
        self.staged.pop(work.day, None)
        if result["already_done"]:
            # An earlier try had come to its end; what others have published since then stays as it is.
            self.allowed = {world for world in self.allowed if work in world.came}
            assert self.allowed, f"date {work.day} is said to be published: none of its rows came into the table"
        else:
            self.apply(work)
        self.follow(ended)
        self._over(work)

    def perhaps(self, work: Work, ended: Ended | None = None) -> None:
        """A run may have come to its end or not; so may what its earlier tries had staged."""
        self._tries[work.day].add(work)
        works = self._tries[work.day]
        self.allowed |= {publish(self.kind, world, one) for world in self.allowed for one in works}
        before = self._aside[work.day]
        for one in works:
            for step, rows in _kept(one, before).items():
                before = {**before, step: before.get(step, {()}) | rows}
        self._aside[work.day] = before
        if ended is None:
            return
        self.follow(ended)
        strange = set(ended.codes) - CLEAR
        assert not strange, [one["error"] for one in ended.results if one["error"]]

    def follow(self, ended: Ended) -> None:
        """See from the places that a process came to whether it left a mix."""
        for point in ended.trace:
            self.mixed = self.kind.format == "parquet" and (self.mixed or point in _OPENS) and point not in _CLOSES

    def look(self) -> None:
        """Compare the lake with the model, and strike out what is not so."""
        seen = self.lake.rows()
        if self.mixed:
            self._compare_mix(seen)
        else:
            fitting = {world for world in self.allowed if visible(world.table) == seen}
            assert fitting, f"the table holds {seen}; allowed are {[visible(world.table) for world in self.allowed]}"
            self.allowed = fitting
        found = self.lake.bad_rows()
        for day in range(DAYS):
            key = self.lake.run(day).key
            for step in ("gate", "silver", "refine"):
                rows = found.pop((key, step), ())
                known = self._aside[day].get(step, {()})
                assert rows in known, f"bad rows of {key} {step}: {rows}; allowed are {known}"
                self._aside[day][step] = {rows}
        assert not found

    def _compare_mix(self, seen: Iterable[Row]) -> None:
        """New files join before old ones leave: nothing is missing at any time, and nothing is there that nobody has published."""
        rows = Counter(seen)
        tables = [Counter(visible(world.table)) for world in self.allowed]
        assert any(table <= rows for table in tables), f"rows are missing: {rows}; allowed are {tables}"
        strange = set(rows).difference(*tables)
        assert not strange, f"rows of nobody: {strange}; allowed are {tables}"

    def _over(self, work: Work) -> None:
        self._aside[work.day] = _kept(work, self._aside[work.day])
        if work.publishes:
            self._tries[work.day] = set()
            self.done.add(work.day)
            litter = self.lake.litter(work.day)
            assert not litter, f"left behind: {litter}"


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
