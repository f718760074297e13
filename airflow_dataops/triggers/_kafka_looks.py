# SPDX-License-Identifier: Apache-2.0
"""Looks at a consumer group in a task or a trigger: each is told in the task's log and in Airflow's metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import Stats

if TYPE_CHECKING:
    from airflow_dataops.clients.kafka_health.watch import Watch
    from airflow_dataops.core.kafka_health.spec import CheckParts
    from airflow_dataops.core.kafka_health.verdict import GroupVerdict


class Teller:
    """Tells verdicts.

    Args:
        log: Takes the lines.
        task_instance: Whose looks these are; None for nobody's.
        by_partition: Whether each partition has a metric of its own.
    """

    def __init__(self, log: Any, task_instance: Any, *, by_partition: bool = False) -> None:
        self._log, self._by_partition = log, by_partition
        names = {"dag_id": "dag_id", "task_id": "task_id"}
        found = {tag: getattr(task_instance, name, None) for tag, name in names.items()}
        self._tags = {tag: str(value) for tag, value in found.items() if value is not None}

    def __call__(self, verdict: GroupVerdict) -> None:
        """Tell a verdict: a good one in a line, what is wrong with what to do about it."""
        from airflow_dataops.core.kafka_health.codes import Severity
        from airflow_dataops.core.kafka_health.report import lines_of, metrics_of

        tell = self._log.info if verdict.severity is Severity.OK else self._log.warning
        for line in lines_of(verdict):
            tell("%s", line)
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
    from airflow_dataops.clients.kafka_health import probe
    from airflow_dataops.clients.kafka_health.watch import Watch
    from airflow_dataops.triggers._kafka_access import SHARED

    return Watch(check, lambda: SHARED.get(connection), tell, probes=probe.PROBES)
