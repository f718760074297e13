# SPDX-License-Identifier: Apache-2.0
"""Looks at a consumer group in a task or a trigger: each is told in the task's log and in Airflow's metrics."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import Stats

from airflow_dataops.core.pacing import LINE

if TYPE_CHECKING:
    from airflow_dataops.clients.kafka_health.watch import Watch
    from airflow_dataops.core.kafka_health.spec import CheckParts
    from airflow_dataops.core.kafka_health.verdict import GroupVerdict
    from airflow_dataops.triggers._log_budget import LogBudget

_SECONDS_TO_TELL = 5.0


class Teller:
    """Tells verdicts.

    Args:
        log: Takes the lines.
        task_instance: Whose looks these are; None for nobody's.
        by_partition: Whether each partition has a metric of its own.
        budget: In a trigger, what all triggers of this process may write together: it tells changes only, in a line each.
    """

    def __init__(
        self, log: Any, task_instance: Any, *, by_partition: bool = False, budget: LogBudget | None = None
    ) -> None:
        self._log, self._by_partition, self._budget = log, by_partition, budget
        found = {tag: getattr(task_instance, tag, None) for tag in ("dag_id", "task_id")}
        self._tags = {tag: str(value) for tag, value in found.items() if value is not None}
        self._told: object = None

    async def __call__(self, verdict: GroupVerdict) -> None:
        """Tell a verdict: a good one in a line, what is wrong with what to do about it."""
        from airflow_dataops.core.kafka_health.report import lines_of

        self._measure(verdict)
        if self._budget is None:
            self._say(verdict, lines_of(verdict))
            return
        news = (verdict.severity, sorted(verdict.counts))
        text = " | ".join(lines_of(verdict, 1)[:2])
        if news != self._told and await self._budget.take(len(text) + LINE, time.monotonic() + _SECONDS_TO_TELL):
            self._told = news
            self._say(verdict, [text])

    def _say(self, verdict: GroupVerdict, lines: list[str]) -> None:
        from airflow_dataops.core.kafka_health.codes import Severity

        tell = self._log.info if verdict.severity is Severity.OK else self._log.warning
        for line in lines:
            tell("%s", line)

    def _measure(self, verdict: GroupVerdict) -> None:
        from airflow_dataops.core.kafka_health.report import metrics_of

        for metric in metrics_of(verdict, self._tags, by_partition=self._by_partition):
            if metric.kind == "incr":
                Stats.incr(metric.name, int(metric.value), tags=metric.tags)
            else:
                getattr(Stats, metric.kind)(metric.name, metric.value, tags=metric.tags)


def watch_of(check: CheckParts, connection: dict[str, Any], tell: Teller) -> Watch:
    """Return who looks by an Airflow connection.

    Args:
        check: What is looked for.
        connection: Arguments of :class:`~airflow_dataops.hooks.kafka_health.KafkaHealthHook`.
        tell: Hears each verdict.
    """
    from airflow_dataops.clients.kafka_health.watch import Watch
    from airflow_dataops.triggers._kafka_access import SHARED

    return Watch(check, lambda: SHARED.get(connection), tell)
