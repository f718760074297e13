# SPDX-License-Identifier: Apache-2.0
"""What is left to do for a task whose deferral timed out or whose trigger broke: delete what was made for it, and wait for that."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_dataops.core.dataproc_dask.run import DaskRun
    from airflow_dataops.core.dataproc_dask.state import State
    from airflow_dataops.core.dataproc_dask.turn import Step
    from airflow_dataops.operators.dataproc_dask._steps import DaskOperator, Wanted

_STATE_KEY = "dataops_dask_deferred"
_WHY = "the task's deferral timed out, or its trigger broke"


def clean_up(operator: DaskOperator, context: Any, wanted: Callable[[], Wanted]) -> None:
    """Delete the run's clusters, found by their labels, and wait until they are gone. Never raises: the task fails for another reason.

    Args:
        operator: The operator.
        context: Airflow's context.
        wanted: Says what the task wanted; its job does not count.
    """

    def first() -> tuple[DaskRun, Step]:
        from airflow_dataops.core.dataproc_dask.run import DaskRun
        from airflow_dataops.core.dataproc_dask.state import Goal
        from airflow_dataops.operators.dataproc_dask._steps import Wanted, first_step

        was = wanted()
        run = DaskRun(cluster=was.run.cluster, policy=was.run.policy)
        return run, first_step(operator, context, Wanted(run, was.identity, Goal.GONE), None)

    _end(operator, first)


def cancel_job(operator: DaskOperator, context: Any) -> None:
    """Cancel the job that a task left on a shared cluster, and wait for its end. Never raises."""
    if not end_what_was_left(operator, context):
        operator.log.warning("nothing is known of the job; it ends with its cluster")


def end_what_was_left(operator: DaskOperator, context: Any) -> bool:
    """Cancel the job, or stop the workflow, that a task left, and wait for its end; False where nothing is known of it. Never raises."""
    kept = context["ti"].xcom_pull(task_ids=operator.task_id, key=_STATE_KEY)
    if not kept:
        return False

    def first() -> tuple[DaskRun, Step]:
        from airflow_dataops.clients.dataproc_dask.drive import utcnow
        from airflow_dataops.core.dataproc_dask.lifecycle import stop
        from airflow_dataops.core.dataproc_dask.run import DaskRun
        from airflow_dataops.core.dataproc_dask.state import State

        run = DaskRun.model_validate(kept["run"])
        return run, stop(run, State.model_validate(kept["state"]), utcnow(), why=_WHY, wait=True)

    _end(operator, first)
    return True


def remember(context: Any, run: DaskRun, state: State) -> None:
    """Leave what :func:`end_what_was_left` needs."""
    kept = {"run": run.model_dump(mode="json"), "state": state.model_dump(mode="json")}
    context["ti"].xcom_push(key=_STATE_KEY, value=kept)


def _end(operator: DaskOperator, first: Callable[[], tuple[DaskRun, Step]]) -> None:
    from airflow_dataops.core.dataproc_dask.summary import failure_line
    from airflow_dataops.operators.dataproc_dask._steps import follow

    operator.log.warning("%s; what was made for it is ended", _WHY)
    try:
        ended, _ = follow(operator, *first(), pauses=False)
    except Exception:
        operator.log.exception("the clean-up failed; the janitor or the time to live ends what is left")
        return
    outcome = ended.state.outcome
    if outcome is not None and outcome.failure is not None:
        operator.log.error("%s", failure_line(outcome.failure))
