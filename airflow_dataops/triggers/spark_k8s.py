# SPDX-License-Identifier: Apache-2.0
"""The trigger of Spark on Kubernetes."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from airflow_dataops.triggers._machine import _MachineTrigger

if TYPE_CHECKING:
    from airflow_dataops.core.spark_k8s.state import State
    from airflow_dataops.core.spark_k8s.turn import Step
    from airflow_dataops.triggers._kept import Kept
    from airflow_dataops.triggers._spark_driven import SparkDriven

CURSOR_KEY = "dataops_spark_log"
_SECONDS_TO_LEAVE = 5.0


class SparkKubernetesTrigger(_MachineTrigger):
    """Go on with a run where a task left it, and fire one event with its :class:`~airflow_dataops.core.spark_k8s.state.Outcome` as JSON.

    A triggerer that restarts makes the trigger anew with the same arguments: it looks at what is there, makes nothing twice and deletes
    nothing that is still wanted; it tells the driver's log from where the last one stopped, or, where that one was killed, from at most a
    minute before. What a driver has written right before its end it leaves to the task. A task that a person marks or clears ends its run,
    and closes the one in MLflow as killed.

    Args:
        run: The run as JSON; it has references to secrets, and no secret.
        state: What is remembered, as JSON.
        connection: Arguments of :class:`~airflow_dataops.hooks.spark_k8s.SparkKubernetesHook`.
        cursor: How far the driver's log has been told, as JSON; None for not at all.
        mlflow: The run in MLflow that is to be closed where a person ends the task; None where none was begun.
    """

    _else_ended_by = "the driver's own deadline ends it, or the next try takes it over"

    def __init__(
        self,
        run: dict[str, Any],
        state: dict[str, Any],
        connection: dict[str, Any],
        cursor: dict[str, Any] | None = None,
        mlflow: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.run_document = run
        self.state_document = state
        self.connection = connection
        self.cursor = cursor
        self.mlflow = mlflow
        self._driven: SparkDriven | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the path of this class and its arguments."""
        arguments = {
            "run": self.run_document,
            "state": self.state_document,
            "connection": self.connection,
            "cursor": self.cursor,
            "mlflow": self.mlflow,
        }
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    async def on_kill(self) -> None:
        """Send what ends the run, and close the one in MLflow; neither waits for the other, nor for the end."""
        from airflow_dataops.triggers._mlflow import close_killed

        closing = asyncio.create_task(close_killed(self.mlflow, self.log)) if self.mlflow else None
        try:
            await super().on_kill()
        finally:
            if closing is not None:
                await closing

    def _open(self) -> SparkDriven:
        from airflow_dataops.core.spark_k8s.log_cursor import LogCursor
        from airflow_dataops.core.spark_k8s.spec import RunParts
        from airflow_dataops.hooks.spark_k8s import SparkKubernetesHook
        from airflow_dataops.triggers._log_budget import SHARED
        from airflow_dataops.triggers._spark_driven import SparkDriven, secrets_if_known

        run = RunParts.model_validate(self.run_document)
        settings = SparkKubernetesHook(**self.connection).settings(run.target.namespace)
        kept = self._kept()
        cursor = LogCursor.model_validate(kept.read() or self.cursor or {})
        secrets = secrets_if_known(run)
        return SparkDriven(
            settings,
            run,
            lambda line: self.log.info("%s", line),
            secrets=secrets,
            cursor=cursor,
            keep=lambda told: kept.write(told.model_dump(mode="json")),
            budget=SHARED,
        )

    def _kept(self) -> Kept:
        from airflow_dataops.triggers._kept import Kept

        return Kept(self.task_instance, CURSOR_KEY)

    async def _leave(self) -> None:
        if self._driven is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._driven.listener.aclose(), _SECONDS_TO_LEAVE)

    def _state(self) -> State:
        from airflow_dataops.core.spark_k8s.state import State

        return State.model_validate(self.state_document)

    def _is_told_first(self, step: Step) -> bool:
        """Leave a driver that has ended to the task: a triggerer that dies before its event is kept has to find it again."""
        from airflow_dataops.core.spark_k8s.turn import Call

        # While an earlier request to create it may still come true, the driver is not to be deleted, and the step is a pause.
        return step.state.only_leftovers and isinstance(step.action, Call)

    def _told(self, ended: Step) -> dict[str, Any]:
        driven = self._driven or self._open()
        left = ended.state.doomed if self._is_told_first(ended) else ()
        handed = {"left": left, "log": driven.listener.left(ended.state)}
        return driven.outcome(ended.state).model_copy(update=handed).model_dump(mode="json")


__all__ = ["SparkKubernetesTrigger"]
