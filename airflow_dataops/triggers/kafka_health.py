# SPDX-License-Identifier: Apache-2.0
"""Triggers that look at Kafka consumer groups; all of a triggerer share at most eight processes that ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers import base
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_dataops.triggers._kafka_looks import Teller, watch_of
from airflow_dataops.triggers._log_budget import SHARED

# Airflow 2 has no event triggers: the class is there, and says so where one is made.
_EventBase: Any = getattr(base, "BaseEventTrigger", BaseTrigger)
_STATE_KEY = "dataops_kafka_severity"


class KafkaConsumerHealthTrigger(BaseTrigger):
    """Go on with the looks that a task began, and fire one event with the report as JSON, or with the error that ended them.

    It knows connections by their ids, and holds no secret. A triggerer that restarts begins anew with what the task had seen.

    Args:
        check: Document of a :class:`~airflow_dataops.core.kafka_health.check.HealthCheck`.
        connection: Arguments of :class:`~airflow_dataops.hooks.kafka_health.KafkaHealthHook`.
        course: Document of a :class:`~airflow_dataops.core.kafka_health.course.Course`: how many looks, or until when.
        window: What has been seen, packed; None for nothing.
        before: Severity that the task before left; None where there was none.
        ends_at: No look begins after that, in seconds since 1970.
        wait: Whether the first look comes after the check's interval.
        by_partition: Whether each partition has a metric of its own.
    """

    def __init__(
        self,
        check: dict[str, Any],
        connection: dict[str, Any],
        course: dict[str, Any],
        window: str | None = None,
        *,
        before: str | None = None,
        ends_at: float | None = None,
        wait: bool = True,
        by_partition: bool = False,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.check = check
        self.connection = connection
        self.course = course
        self.window = window
        self.before = before
        self.ends_at = ends_at
        self.wait = wait
        self.by_partition = by_partition

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the path of this class and its arguments."""
        names = ("check", "connection", "course", "window", "before", "ends_at", "wait", "by_partition")
        arguments = {name: getattr(self, name) for name in names}
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until the course is over; yields one event."""
        from airflow_dataops.core.errors import DataOpsError

        try:
            payload = await self._looked()
        except DataOpsError as error:
            payload = {"error": error.to_dict()}
        yield TriggerEvent(payload)  # type: ignore[no-untyped-call]

    async def _looked(self) -> dict[str, Any]:
        from airflow_dataops.core.kafka_health.check import parse
        from airflow_dataops.core.kafka_health.course import read_course
        from airflow_dataops.core.kafka_health.packing import unpack

        check = parse(self.check)
        tell = Teller(self.log, self.task_instance, by_partition=self.by_partition, budget=SHARED)
        watch = watch_of(check, self.connection, tell)
        if self.wait:
            await watch.sleep(check.interval.total_seconds())
        # Beside the event loop: a window of 5,000 partitions takes a second to be packed.
        window = await asyncio.to_thread(unpack, self.window)
        watched = await watch.follow(read_course(self.course), window, ends_at=self.ends_at)
        report = await asyncio.to_thread(watched.since(self.before).report, check)
        return report.model_dump(mode="json")


class KafkaConsumerHealthEventTrigger(_EventBase):  # type: ignore[misc]
    """Fire an event whenever a consumer group becomes better or worse: for an ``AssetWatcher``, on Airflow 3.

    The first look fires where the group is not ``ok``, or other than the last time that this asset's state tells of. An event carries the
    small document of ``KafkaConsumerHealthOperator``, with ``severity`` and ``before``.

    Args:
        check: Document of a :class:`~airflow_dataops.core.kafka_health.check.HealthCheck`; ``interval`` is the time between two looks.
        kafka_config_id: Connection of type ``kafka``.
        aws_conn_id: Connection of type ``aws``, for MSK by IAM.
        ssh_conn_id: Connection of type ``ssh``, for brokers behind a bastion.

    Raises:
        RuntimeError: This Airflow has no event triggers.
    """

    def __init__(
        self,
        check: dict[str, Any],
        kafka_config_id: str = "kafka_default",
        aws_conn_id: str | None = None,
        ssh_conn_id: str | None = None,
    ) -> None:
        if _EventBase is BaseTrigger:
            raise RuntimeError("this Airflow has no event triggers; use KafkaConsumerHealthOperator, or Airflow 3")
        super().__init__()
        self.check = check
        self.kafka_config_id = kafka_config_id
        self.aws_conn_id = aws_conn_id
        self.ssh_conn_id = ssh_conn_id

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the path of this class and its arguments."""
        return f"{type(self).__module__}.{type(self).__qualname__}", {"check": self.check, **self._connection()}

    def _connection(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("kafka_config_id", "aws_conn_id", "ssh_conn_id")}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look for ever; yields an event at each change.

        Raises:
            SpecError: The check or the connection is not valid.
        """
        from airflow_dataops.core.errors import TransientError
        from airflow_dataops.core.kafka_health.check import parse
        from airflow_dataops.core.kafka_health.report import document_of

        check = parse(self.check)
        watch = watch_of(check, self._connection(), Teller(self.log, None, budget=SHARED))
        window = await self._remembered()
        while True:
            try:
                verdict, window = await watch.look(window)
            except TransientError as error:
                self.log.warning("%s", error)
            else:
                if verdict.changed:
                    yield TriggerEvent(document_of(verdict, check.worst))  # type: ignore[no-untyped-call]
                    await self._remember(verdict.severity.value)  # after it: an event may come twice, and is never lost
            await watch.sleep(check.interval.total_seconds())

    async def _remembered(self) -> Any:
        from airflow_dataops.core.kafka_health.codes import Severity
        from airflow_dataops.core.kafka_health.window import Window

        store = getattr(self, "asset_state_store", None)
        try:
            found = None if store is None else await store.aget(_STATE_KEY)
            return Window(severity=Severity(found)) if found else Window()
        except Exception as error:  # noqa: BLE001  without it the group's state is told once more
            self.log.warning("the state before is not known: %s", error)
            return Window()

    async def _remember(self, severity: str) -> None:
        store = getattr(self, "asset_state_store", None)
        try:
            if store is not None:
                await store.aset(_STATE_KEY, severity)
        except Exception as error:  # noqa: BLE001
            self.log.warning("the state is not kept: %s", error)


__all__ = ["KafkaConsumerHealthEventTrigger", "KafkaConsumerHealthTrigger"]
