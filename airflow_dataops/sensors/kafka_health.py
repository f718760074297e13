# SPDX-License-Identifier: Apache-2.0
"""Waits until a Kafka consumer group is healthy."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    conf,
)

from airflow_dataops.operators import _kafka_steps as steps

if TYPE_CHECKING:
    from airflow_dataops.core.kafka_health.check import HealthCheck
    from airflow_dataops.core.kafka_health.course import Course
    from airflow_dataops.core.kafka_health.hand_over import HealthReport

LOOKS = 3  # by then a group is seen to stand still


class KafkaConsumerHealthSensor(BaseSensorOperator):
    """Wait until a consumer group is healthy: nothing waits, or so many looks in a row were good (``looks`` of the check, 3 without).

    What is not known is waited for, too, but for an account that the brokers refuse: that fails at once. When the time is over, the error
    says why the group is not healthy yet. ``deferrable=True`` takes no worker's slot between the looks; mode ``reschedule`` would forget
    them, and is refused.

    Args:
        group: The consumer group.
        topics: Topics, or patterns such as ``clicks-*``; None for all that the group has commits for.
        check: All else that is asked for: fields of :class:`~airflow_dataops.core.kafka_health.check.HealthCheck`.
        until: ``ok``, or ``warning`` where a warning is good enough.
        kafka_config_id: Connection of type ``kafka``, as the provider apache-kafka has it.
        aws_conn_id: Connection of type ``aws``, for Amazon MSK by IAM.
        ssh_conn_id: Connection of type ``ssh``, for brokers that only a bastion reaches, and whose names only it resolves.
        partition_metrics: Whether each partition gets a metric of its own.
        deferrable: Wait in the triggerer; the first look is the worker's.
        kwargs: Arguments of every sensor: ``poke_interval`` is the time between looks (an ``interval`` in the check goes before it),
            ``timeout`` when to give up, ``soft_fail`` whether to be skipped then.
    """

    template_fields: Sequence[str] = ("group", "topics", "check", "kafka_config_id", "aws_conn_id", "ssh_conn_id")
    template_fields_renderers: ClassVar[dict[str, str]] = {"check": "json"}
    ui_color = "#efe9f7"
    ui_fgcolor = "#231f20"

    def __init__(
        self,
        *,
        group: str,
        topics: Sequence[str] | None = None,
        check: HealthCheck | dict[str, Any] | None = None,
        until: Literal["ok", "warning"] = "ok",
        kafka_config_id: str = "kafka_default",
        aws_conn_id: str | None = None,
        ssh_conn_id: str | None = None,
        partition_metrics: bool = False,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.group = group
        self.topics = topics
        self.check = check
        self.until = until
        self.kafka_config_id = kafka_config_id
        self.aws_conn_id = aws_conn_id
        self.ssh_conn_id = ssh_conn_id
        self.partition_metrics = partition_metrics
        self.deferrable = deferrable

    def execute(self, context: Any) -> dict[str, Any]:
        """Wait; returns the last look's severity, counts and worst partitions.

        Raises:
            TaskDeferred: The triggerer goes on.
            AirflowSensorTimeout: The time is over; why the group is not healthy yet.
            AirflowSkipException: That, with ``soft_fail``.
            AirflowFailException: The account is refused, or an argument is not valid.
        """
        if self.mode == "reschedule" and not self.deferrable:
            raise AirflowFailException(
                "KAFKA_SENSOR_MODE: mode='reschedule' forgets what earlier looks saw -> write deferrable=True, or mode='poke'"
            )
        check = steps.check_of(self, **self._defaults())
        ends_at = time.time() + float(self.timeout)
        begun = steps.Begun(check, self._course(check), ends_at=ends_at)
        return self._concluded(context, steps.looked(self, context, begun, "execute_complete"))

    def execute_complete(self, context: Any, event: dict[str, Any]) -> dict[str, Any]:
        """Tell what the triggerer saw; returns and raises as :meth:`execute`."""
        return self._concluded(context, steps.report_in(self, event))

    def _defaults(self) -> dict[str, Any]:
        interval = max(1.0, float(self.poke_interval))
        return {"looks": LOOKS, "interval": f"{interval:g}s", "min_distance": f"{min(10.0, interval):g}s"}

    def _course(self, check: HealthCheck) -> Course:
        from airflow_dataops.core.kafka_health.codes import Severity
        from airflow_dataops.core.kafka_health.course import Course, Goal

        if self.until not in ("ok", "warning"):
            raise AirflowFailException(f"KAFKA_CHECK_INVALID: until is {self.until!r}; known are ok, warning")
        return Course(Goal.HEALTHY, check.looks, Severity(self.until))

    def _concluded(self, context: Any, report: HealthReport) -> dict[str, Any]:
        if report.healthy:
            return report.document
        context["ti"].xcom_push(key="return_value", value=report.document)
        self.log.error("%s", report.line)
        raise self._why_not(report)

    def _why_not(self, report: HealthReport) -> Exception:
        if self.soft_fail or getattr(self, "never_fail", False):
            return AirflowSkipException(report.why)
        if report.over:
            return AirflowFailException(f"{report.code}: {report.why}")
        return AirflowSensorTimeout(f"not healthy after {float(self.timeout):g} s: {report.why}")


__all__ = ["KafkaConsumerHealthSensor"]
