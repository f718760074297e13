# SPDX-License-Identifier: Apache-2.0
"""How many looks a task takes: as many as it was asked for, or until the group is healthy."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from airflow_dataops.core.kafka_health.codes import Code, Severity, rank
from airflow_dataops.core.kafka_health.spec import CheckParts
from airflow_dataops.core.kafka_health.verdict import GroupVerdict
from airflow_dataops.core.kafka_health.window import Key, Window

# Another look a minute later sees the same; a wrong password that is tried again and again locks an account out.
_FOR_GOOD = frozenset({Code.DENIED, Code.PROBE_NOT_INSTALLED, Code.PROBE_SETTINGS, Code.UNAUTHENTICATED})


class Goal(StrEnum):
    """What ends a course."""

    LOOKS = "looks"
    HEALTHY = "healthy"


@dataclass(frozen=True)
class Course:
    """The looks of one task.

    Attributes:
        goal: ``looks``: so many were taken. ``healthy``: so many in a row were good, or nothing waits any more.
        looks: How many.
        accept: With ``healthy``: the worst severity that is good.
        done: Looks that were taken.
        well: Good ones in a row.
        over: Nothing more is to be looked at.
    """

    goal: Goal
    looks: int
    accept: Severity = Severity.OK
    done: int = 0
    well: int = 0
    over: bool = False

    @property
    def healthy(self) -> bool:
        """True where it has ended well; one of ``looks`` always does, and its verdict says the rest."""
        return self.over and (self.goal is Goal.LOOKS or self.well > 0)

    def after(self, verdict: GroupVerdict) -> Course:
        """Return the course after a look."""
        done = self.done + 1
        good = rank(verdict.severity) <= rank(self.accept)
        well = self.well + 1 if good else 0
        reached = done >= self.looks
        if self.goal is Goal.HEALTHY:
            # Records may wait at the first look at a group that stands still, and only the next ones see that it does.
            reached = good and (well >= self.looks or verdict.total_lag == 0)
        return replace(self, done=done, well=well, over=reached or is_refused(verdict))

    def document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)


def read_course(document: dict[str, Any]) -> Course:
    """Return what :meth:`Course.document` was made of."""
    return Course(**{**document, "goal": Goal(document["goal"]), "accept": Severity(document["accept"])})


def course_of(check: CheckParts) -> Course:
    """Return the course of a task that looks as often as a check says."""
    return Course(Goal.LOOKS, check.looks)


def is_refused(verdict: GroupVerdict) -> bool:
    """Tell whether nothing is known, and another look would not change that."""
    return verdict.severity is Severity.UNKNOWN and any(one.code in _FOR_GOOD for one in verdict.all_findings)


def seen_in(window: Window) -> list[Key]:
    """Return the partitions of which an earlier look has read a waiting record: they are read again last."""
    return sorted(key for key, one in window.partitions.items() if one.first is not None)


__all__ = ["Course", "Goal", "course_of", "is_refused", "read_course", "seen_in"]
