# SPDX-License-Identifier: Apache-2.0
"""What a task does with a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from airflow_dataops.core.alert import AlertSeverity
from airflow_dataops.core.kafka_health.codes import Severity
from airflow_dataops.core.kafka_health.verdict import GroupVerdict


class Action(StrEnum):
    """How a task ends."""

    SUCCEED = "succeed"
    SKIP = "skip"
    FAIL = "fail"  # for good: Airflow's retries would see the same
    RETRY = "retry"  # as failed, and Airflow may try again


@dataclass(frozen=True)
class Outcome:
    """What a task does with a verdict.

    Attributes:
        action: How it ends.
        alert: Severity of the alert that it sends; None for none.
        event: Whether it emits an asset event: where the severity is another one than at the look before.
    """

    action: Action
    alert: AlertSeverity | None
    event: bool


def outcome_of(verdict: GroupVerdict, on_unknown: Literal["fail", "warn", "skip"]) -> Outcome:
    """Return what a task does.

    It succeeds with ``ok`` and ``warning``, fails for good with ``critical``, and does as told with ``unknown``: with ``fail`` it
    fails so that Airflow tries again, unless the brokers refuse the account, as they would go on to.

    Args:
        verdict: How the group does.
        on_unknown: What was asked for.
    """
    severity = verdict.severity
    if severity is Severity.CRITICAL:
        return Outcome(Action.FAIL, "critical", verdict.changed)
    if severity is Severity.UNKNOWN:
        failed = Action.RETRY if verdict.retryable else Action.FAIL
        action = {"fail": failed, "warn": Action.SUCCEED, "skip": Action.SKIP}[on_unknown]
        return Outcome(action, "warning", verdict.changed)
    return Outcome(Action.SUCCEED, "warning" if severity is Severity.WARNING else None, verdict.changed)


__all__ = ["Action", "Outcome", "outcome_of"]
