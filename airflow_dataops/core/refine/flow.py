# SPDX-License-Identifier: Apache-2.0
"""Where each row of a run went: from the source through every step to the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from airflow_dataops.core.tables import JobResult

_WRITING = ("refine", "publish", "metadata_drain")
# Steps of a metadata pipeline beside the drain: no row goes through them.
_ASIDE = ("metadata_preflight", "metadata_health", "metadata_reconcile", "metadata_round_trip")
Way = Literal["quarantined", "dropped", "deduplicated", "unaccounted"]


@dataclass(frozen=True)
class Exit:
    """Rows that left the main stream.

    Attributes:
        way: What became of them; ``unaccounted`` where two steps disagree and no step says why.
        label: The cause of a drop; else empty.
        rows: How many, above 0.
    """

    way: Way
    label: str
    rows: int


@dataclass(frozen=True)
class Stage:
    """One step of the stream.

    Attributes:
        task: Id of the step.
        job: Stem of its job.
        rows_in: Rows that came to it.
        exits: What left the stream here.
        rows_out: Rows that went on.
        ok: Whether the step succeeded, and the gate did not stop the run.
    """

    task: str
    job: str
    rows_in: int
    exits: tuple[Exit, ...]
    rows_out: int
    ok: bool


@dataclass(frozen=True)
class RowFlow:
    """The stream of a run.

    Attributes:
        read: Rows of the source.
        stages: The steps, in order.
    """

    read: int
    stages: tuple[Stage, ...]

    @property
    def written(self) -> int:
        """Rows behind the last step; 0 where no step wrote."""
        wrote = any(stage.job in _WRITING and stage.ok for stage in self.stages)
        return self.stages[-1].rows_out if wrote else 0

    @property
    def dropped(self) -> dict[str, int]:
        """Cause -> rows that were dropped for it."""
        causes: dict[str, int] = {}
        for way_out in self.exits():
            if way_out.way == "dropped":
                causes[way_out.label] = causes.get(way_out.label, 0) + way_out.rows
        return causes

    def exits(self) -> list[Exit]:
        """Return what left the stream, in order."""
        return [way_out for stage in self.stages for way_out in stage.exits]

    def total(self, way: Way) -> int:
        """Return how many rows left by ``way``."""
        return sum(way_out.rows for way_out in self.exits() if way_out.way == way)


def row_flow(steps: Mapping[str, JobResult]) -> RowFlow:
    """Return the stream of a run.

    A gate puts aside what it says, but never more than is missing where the next step takes the stream up (two gates may have put the
    same row aside). What is missing beyond that is ``unaccounted``: shown, never hidden.

    Args:
        steps: Task id -> result, in the order in which the steps ran.
    """
    steps = {task: step for task, step in steps.items() if step.job not in _ASIDE}
    current = read = _source_rows(list(steps.values()))
    stages: list[Stage] = []
    for place, (task, step) in enumerate(steps.items()):
        came = max(current, step.rows.read) if step.job == "refine" and step.status == "ok" else current
        arrival = _next_arrival(list(steps.values())[place + 1 :])
        exits, left = _leave(step, came, arrival)
        held = step.status == "ok" and getattr(step, "verdict", "") != "failed"
        stages.append(Stage(task, step.job, came, exits, left, held))
        current = left
    return RowFlow(read, tuple(stages))


def _source_rows(steps: list[JobResult]) -> int:
    """Rows of the source; a gate in front does not see those that have no moment and so belong to no run."""
    first = next((step for step in steps if step.rows.read), None)
    if first is None:
        return 0
    unseen = 0 if first.job == "refine" else sum(_without_moment(step) for step in steps)
    return first.rows.read + unseen


def _without_moment(step: JobResult) -> int:
    return sum(rows for cause, rows in step.rows.dropped.items() if cause.startswith("no_window("))


def _next_arrival(following: list[JobResult]) -> int:
    for step in following:
        if step.status == "ok" and step.job in ("refine", "publish"):
            return step.rows.read if step.job == "refine" else step.rows.written
    return 0


def _leave(step: JobResult, came: int, arrival: int) -> tuple[tuple[Exit, ...], int]:
    if step.job == "dq_gate":  # also one that stopped the run: what it found is kept for whoever looks into it
        aside = min(step.rows.quarantined, max(came - arrival, 0))
        return _exits(("quarantined", "", aside)), came - aside
    if step.status != "ok" or step.job not in _WRITING:
        return (), came
    if step.job == "metadata_drain":
        return _exits(("quarantined", "", step.rows.quarantined)), came - step.rows.quarantined
    if step.job == "publish":
        return _exits(("unaccounted", "", came - step.rows.written)), step.rows.written
    rows = step.rows
    known = rows.quarantined + sum(rows.dropped.values()) + rows.deduplicated + rows.written
    exits = _exits(
        ("quarantined", "", rows.quarantined),
        *(("dropped", cause, count) for cause, count in rows.dropped.items()),
        ("deduplicated", "", rows.deduplicated),
        ("unaccounted", "", came - known),
    )
    return exits, rows.written


def _exits(*found: tuple[Way, str, int]) -> tuple[Exit, ...]:
    return tuple(Exit(way, label, rows) for way, label, rows in found if rows > 0)
