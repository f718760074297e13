# SPDX-License-Identifier: Apache-2.0
"""What is left of a task's looks when they are over, as JSON: a trigger hands it to its task."""

from __future__ import annotations

from typing import Any

from airflow_dataops.core.alert import AlertSeverity
from airflow_dataops.core.kafka_health.course import Course
from airflow_dataops.core.kafka_health.outcome import Action, outcome_of
from airflow_dataops.core.kafka_health.packing import pack
from airflow_dataops.core.kafka_health.report import alert_line, document_of, lines_of
from airflow_dataops.core.kafka_health.spec import CheckParts
from airflow_dataops.core.kafka_health.verdict import GroupVerdict
from airflow_dataops.core.kafka_health.window import Window
from airflow_dataops.core.model import Model

_REASONS = 3


class HealthReport(Model):
    """The end of a task's looks.

    Attributes:
        over: False where the time was over first.
        healthy: See :attr:`~airflow_dataops.core.kafka_health.course.Course.healthy`.
        action: How a check ends.
        alert: Severity of the alert; None for none.
        event: Whether the group is better or worse than at the task before.
        document: What is kept in XCom.
        why: The worst finding and what to do, in one line; what is missing where there is none.
        code: Code of the worst finding; empty where there is none.
        line: The line that alerts count.
        lines: What a log tells of the last look.
        window: What the next looks go on from, packed.
    """

    over: bool
    healthy: bool
    action: Action
    alert: AlertSeverity | None
    event: bool
    document: dict[str, Any]
    why: str
    code: str
    line: str
    lines: list[str]
    window: str


def report_of(check: CheckParts, verdict: GroupVerdict, window: Window, course: Course) -> HealthReport:
    """Return what the looks came to.

    Args:
        check: What was asked for.
        verdict: The last one; ``before`` in it is what the looks of the task before came to.
        window: After the last look.
        course: After the last look.
    """
    outcome = outcome_of(verdict, check.on_unknown)
    found = verdict.all_findings
    reasons = [f"{one.code.value}: {one.message}" for one in found[:_REASONS]]
    return HealthReport(
        over=course.over,
        healthy=course.healthy,
        action=outcome.action,
        alert=outcome.alert,
        event=outcome.event,
        document={**document_of(verdict, check.worst), "looks": course.done, "reasons": reasons},
        why=_why(verdict, course),
        code=found[0].code.value if found else "",
        line=alert_line(verdict),
        lines=lines_of(verdict),
        window=pack(window),
    )


def _why(verdict: GroupVerdict, course: Course) -> str:
    found = verdict.all_findings
    if not found:
        told = f"{verdict.severity.value}, lag {verdict.total_lag}"
        return f"group {verdict.group}: {told}; {course.well} of {course.looks} good looks in a row so far"
    first, more = found[0], len(found) - 1
    rest = f" (and {more} findings more)" if more else ""
    return (
        f"group {verdict.group} is {verdict.severity.value}: {first.code.value}: {first.message}{rest} -> {first.hint}"
    )


__all__ = ["HealthReport", "report_of"]
