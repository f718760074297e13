# SPDX-License-Identifier: Apache-2.0
"""How a Kafka consumer group does: one task, one verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.providers.common.compat.sdk import BaseOperator, conf

from airflow_dataops.operators import _kafka_steps as steps

if TYPE_CHECKING:
    from airflow_dataops.core.kafka_health.check import HealthCheck


class KafkaConsumerHealthOperator(BaseOperator):
    """Look at a consumer group, and end as it does: ``ok`` and ``warning`` succeed, ``critical`` fails for good.

    What could not be read is ``unknown`` and never a pass: the task fails and Airflow tries again, or it warns or is skipped
    (``on_unknown`` of the check). An account that the brokers refuse is not tried again. The looks of earlier runs are remembered, so that
    one look a run sees what stands still or grows; with ``looks`` in the check a task takes several. Nothing joins the group or commits.

    Args:
        group: The consumer group.
        topics: Topics, or patterns such as ``clicks-*``; None for all that the group has commits for.
        check: All else that is asked for: fields of :class:`~airflow_dataops.core.kafka_health.check.HealthCheck`, such as
            ``{"lag": {"critical": 10000}, "delay": {"warning": "5m"}, "policy": "strict"}``.
        kafka_config_id: Connection of type ``kafka``, as the provider apache-kafka has it.
        aws_conn_id: Connection of type ``aws``, for Amazon MSK by IAM; None for whom AWS's own tools find.
        ssh_conn_id: Connection of type ``ssh``, for brokers that only a bastion reaches, and whose names only it resolves.
        remember: ``runs``: the looks of earlier runs count. ``task``: those of this task alone.
        asset: An asset that stands for the group. It gets an event when the group becomes better or worse, and not at each run; on
            Airflow 3.3 its state keeps the looks. Airflow takes no events from a task that fails.
        on_warning: Called with the context, as callbacks and notifiers are, where the task succeeds and somebody should know.
        partition_metrics: Whether each partition gets a metric of its own.
        deferrable: Wait between looks in the triggerer; the first look is the worker's.
        kwargs: Arguments of every task.
    """

    template_fields: Sequence[str] = ("group", "topics", "check", "kafka_config_id", "aws_conn_id", "ssh_conn_id")
    template_fields_renderers: ClassVar[dict[str, str]] = {"check": "json"}
    ui_color = "#e4dcf1"
    ui_fgcolor = "#231f20"

    def __init__(
        self,
        *,
        group: str,
        topics: Sequence[str] | None = None,
        check: HealthCheck | dict[str, Any] | None = None,
        kafka_config_id: str = "kafka_default",
        aws_conn_id: str | None = None,
        ssh_conn_id: str | None = None,
        remember: Literal["runs", "task"] = "runs",
        asset: Any = None,
        on_warning: Callable[[Any], Any] | Sequence[Callable[[Any], Any]] = (),
        partition_metrics: bool = False,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs if asset is None else steps.with_asset(kwargs, asset))
        self.group = group
        self.topics = topics
        self.check = check
        self.kafka_config_id = kafka_config_id
        self.aws_conn_id = aws_conn_id
        self.ssh_conn_id = ssh_conn_id
        self.remember = remember
        self.asset = asset
        self.on_warning = on_warning
        self.partition_metrics = partition_metrics
        self.deferrable = deferrable

    def execute(self, context: Any) -> dict[str, Any]:
        """Look; returns severity, counts, the worst findings and the worst partitions. XCom has them also when the task fails.

        Raises:
            TaskDeferred: The triggerer goes on.
            AirflowFailException: The group is critical, the account is refused, or an argument is not valid.
            AirflowSkipException: Nothing is known, and ``on_unknown`` is ``skip``.
            TransientError: Nothing is known, and another try may know more. Airflow retries.
        """
        from airflow_dataops.core.kafka_health.course import course_of

        check = steps.check_of(self)
        memory = steps.memory_of(self, context)
        begun = steps.Begun(check, course_of(check), memory.read() if memory else None)
        report = steps.looked(self, context, begun, "execute_complete")
        return steps.conclude(self, context, report, memory)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> dict[str, Any]:
        """Tell what the triggerer saw; returns and raises as :meth:`execute`."""
        return steps.conclude(self, context, steps.report_in(self, event), steps.memory_of(self, context))


__all__ = ["KafkaConsumerHealthOperator"]
