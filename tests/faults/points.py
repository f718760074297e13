# SPDX-License-Identifier: Apache-2.0
"""Which fault points each step of the walks comes to. A step of a job that is new has to be put in here, or the walks fail."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_dataops.core.faults import FaultPoint as P
from tests.faults.pipeline import VARIANTS, Variant

_JOB = (P.JOB_STARTED, P.JOB_WORKED, P.JOB_RECORDED)
_GATE = (
    *_JOB,
    P.GATE_OPENED,
    P.GATE_SCANNED,
    P.GATE_KEYS_COUNTED,
    P.GATE_ROWS_ASIDE,
    P.GATE_EXAMPLES_READ,
    P.GATE_COMMITTED,
)
_FINISH = (P.FINISH_MANIFEST_GONE, P.FINISH_STAGED_GONE, P.FINISH_FILED, P.FINISH_DONE)
_PUBLISH = (
    *_JOB, P.PUBLISH_LEASED, P.PUBLISH_RECOVERED, P.PUBLISH_CHECKED, P.PUBLISH_BAD_ROWS_JOINED, P.PUBLISH_BAD_ROWS,
    P.TABLE_INDEX_DROPPED, P.PUBLISH_REWRITTEN, P.PUBLISH_PLANNED, P.PUBLISH_NOTED, P.PUBLISH_MARKED, P.TABLE_JOINED, P.PUBLISH_COMMITTED,
    P.PUBLISH_INDEXED, *_FINISH, P.PUBLISH_UNMARKED, P.PUBLISH_STEP_DONE, P.PUBLISH_CLEANED,
)  # fmt: skip
_MAINTAIN = (
    *_JOB, P.COMPACT_LEASED, P.COMPACT_WRITTEN, P.COMPACT_NOTED, P.COMPACT_MARKED, P.TABLE_JOINED, P.COMPACT_COMMITTED,
    P.COMPACT_INDEXED, P.FINISH_STAGED_GONE, P.FINISH_FILED, P.FINISH_DONE,
    P.COMPACT_UNMARKED, P.MAINTAIN_COMPACTED, P.MAINTAIN_VACUUMED, P.MAINTAIN_STAGING, P.MAINTAIN_QUARANTINE,
)  # fmt: skip
_ONLY_PARQUET = {"publish": (P.TABLE_LEFT,), "maintain": (P.TABLE_LEFT,)}
_ONLY_DELTA = {"publish": (P.PUBLISH_COLUMNS, P.PUBLISH_LEASE_CHECKED)}
_STEPS = {
    "alone": _GATE,
    "gate": _GATE,
    "refine": (
        *_JOB, P.REFINE_MANIFEST_GONE, P.REFINE_CLEARED, P.REFINE_OPENED, P.REFINE_COUNTED, P.REFINE_ROWS_ASIDE,
        P.REFINE_DEDUPLICATED, P.REFINE_WRITTEN, P.REFINE_PROFILED, P.REFINE_STAGED,
    ),
    "silver": (*_GATE, P.GATE_FILES_CUT, P.GATE_CUT_NOTED, P.GATE_CUT_IN_FORCE),
    "publish": _PUBLISH,
    "report": (*_JOB, P.REPORT_FILED, P.REPORT_SHOWN),
    "maintain": _MAINTAIN,
}  # fmt: skip

# Where a publish is cut short, so that the next one has to finish it; and where that one dies in its turn.
CUT_SHORT = {
    "parquet": (
        P.PUBLISH_MARKED,
        P.TABLE_JOINED,
        P.TABLE_LEFT,
        P.PUBLISH_COMMITTED,
        P.FINISH_MANIFEST_GONE,
        P.FINISH_FILED,
    ),
    "delta": (P.PUBLISH_MARKED, P.PUBLISH_COMMITTED, P.FINISH_MANIFEST_GONE, P.FINISH_STAGED_GONE, P.FINISH_FILED),
}
RECOVERY = (P.RECOVERY_BEGUN, P.RECOVERY_DONE, P.RECOVERY_UNMARKED, P.PUBLISH_RECOVERED)
# What a gate on the staged table comes to when an earlier try of it was killed after its cut.
CUT_AGAIN = (P.GATE_CUT_UNDONE, P.GATE_FILES_CUT, P.GATE_CUT_IN_FORCE)
TAKEN_BACK = (P.RECOVERY_BEGUN, P.TABLE_TAKEN_BACK, P.RECOVERY_DONE, P.RECOVERY_UNMARKED, P.PUBLISH_RECOVERED)


@dataclass(frozen=True)
class Case:
    """One way to die, and what happens before the run is done again.

    Attributes:
        variant: Kind of table.
        kind: ``rerun``: the step is done again. ``other``: another date publishes first. ``anew``: the source changes, and all is done
            again. ``recovery``: the retry is killed too. ``taken_back``: all is done again, and its publish is killed too.
        step: Step that is killed.
        point: Where.
        second: Of the last two kinds: where the second one is killed.
    """

    variant: Variant
    kind: str
    step: str
    point: P
    second: P | None = None

    def __str__(self) -> str:
        return "-".join(str(part) for part in (self.variant, self.kind, self.step, self.point, self.second) if part)


def points_of(step: str, variant: Variant) -> tuple[P, ...]:
    """Return the points that a step comes to in an undisturbed run."""
    more = (_ONLY_PARQUET if variant.format == "parquet" else _ONLY_DELTA).get(step, ())
    if step == "publish" and variant.slice == "first":
        more = () if variant.format == "parquet" else (*more, P.PUBLISH_FORMAT_NOTED)
    return (*_STEPS[step], *more)


def cut_short(variant: Variant) -> list[P]:
    """Return where a publish is cut short so that the next one has to finish it."""
    return [point for point in CUT_SHORT[variant.format] if point in points_of("publish", variant)]


def steps() -> tuple[str, ...]:
    """Return the names of all steps."""
    return tuple(_STEPS)


def cases() -> list[Case]:
    """Return every case that is known without running anything, in a fixed order."""
    found = []
    for variant in VARIANTS:
        for step in _STEPS:
            found += [Case(variant, "rerun", step, point) for point in points_of(step, variant)]
        for kind in ("other", "anew"):
            found += [Case(variant, kind, "publish", point) for point in points_of("publish", variant)]
        for first in cut_short(variant):
            found += [Case(variant, "recovery", "publish", first, second) for second in RECOVERY]
        found += [Case(variant, "recovery", "silver", P.GATE_CUT_IN_FORCE, second) for second in CUT_AGAIN]
        if variant.format == "parquet":
            found += [Case(variant, "taken_back", "publish", P.PUBLISH_MARKED, second) for second in TAKEN_BACK]
    return found


def covered() -> set[P]:
    """Return every point that some case arms."""
    return {point for case in cases() for point in (case.point, case.second) if point is not None}
