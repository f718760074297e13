# SPDX-License-Identifier: Apache-2.0
"""Drivers that have ended, and that the trigger has left: the task tells the rest of their logs, says how the run ended, and deletes them.

Were they deleted before, a triggerer that dies in between would leave a run of which nobody knows any more how it ended. Were the rest told
by the trigger, lines would be lost: Airflow closes a trigger's log with its event, and lines that are still in the triggerer's pipe by then
come into no task's log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_dataops.core.spark_k8s.run import SparkRun
    from airflow_dataops.core.spark_k8s.state import Outcome


def tell_rest(operator: Any, run: SparkRun, outcome: Outcome) -> None:
    """Tell what the driver has written and the trigger has not told. Never raises: how the run ended is known."""
    if outcome.log is None or not outcome.summary.pod:
        return
    from airflow_dataops.operators.spark_k8s import _steps

    try:
        from airflow_dataops.clients.drive import run_blocking
        from airflow_dataops.triggers._spark_driven import secrets_if_known

        driven = _steps.driven_of(operator, run, secrets_if_known(run), outcome.log)
        run_blocking(driven.tell_rest(outcome.summary.pod))
    except Exception as error:  # noqa: BLE001  whatever it is, it changes nothing about the run
        operator.log.warning("what driver %s has written last cannot be read: %s", outcome.summary.pod, error)


def delete_left(operator: Any, context: Any, run: SparkRun, outcome: Outcome) -> None:
    """Delete what the trigger has left. Never raises: how the run ended is known."""
    if not outcome.left:
        return
    from airflow_dataops.operators.spark_k8s import _steps

    try:
        from airflow_dataops.clients.drive import utcnow
        from airflow_dataops.core.spark_k8s.lifecycle import drop_left

        step = drop_left(run, _steps.first_step(operator, context, run).state, outcome.left, utcnow())
        _steps.worker_of(operator, _steps.driven_of(operator, run, ())).follow(step, pauses=False)
    except Exception as error:  # noqa: BLE001  whatever it is, it changes nothing about the run
        names = ", ".join(one.name for one in outcome.left)
        operator.log.warning("driver %s has ended and could not be deleted: %s", names, error)
