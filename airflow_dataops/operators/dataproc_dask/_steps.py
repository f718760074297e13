# SPDX-License-Identifier: Apache-2.0
"""The steps that every Dask operator takes: read what is asked for, drive the machine or defer, tell what came of it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_dataops.operators._job import plain
from airflow_dataops.operators._refusal import fail, written
from airflow_dataops.operators._worker import Worker
from airflow_dataops.operators.dataproc_dask._tell import tell, tell_links

if TYPE_CHECKING:
    from airflow_dataops.core.dataproc_dask.budget import Estimate, RateCard
    from airflow_dataops.core.dataproc_dask.run import DaskRun
    from airflow_dataops.core.dataproc_dask.state import Goal
    from airflow_dataops.core.dataproc_dask.summary import Histories, Summary
    from airflow_dataops.core.dataproc_dask.turn import Step
    from airflow_dataops.core.identity import RunIdentity
    from airflow_dataops.triggers._dask_driven import DaskDriven

FAIL = "__fail__"  # what Airflow calls the next method of a task whose deferral timed out, or whose trigger broke
_SLACK = timedelta(minutes=10)


class Connected(Protocol):
    """What says as whom Google is asked."""

    gcp_conn_id: str | None
    impersonation_chain: str | Sequence[str] | None
    api_endpoint: str | None


class DaskOperator(Connected, Protocol):
    """What an operator has to have for these steps."""

    task_id: str
    policy: Any
    rate_card: Any
    instance: str | None
    deferrable: bool
    _worker: Worker[Any] | None

    @property
    def log(self) -> Any: ...

    def defer(self, *, trigger: Any, method_name: str, timeout: timedelta | None = None) -> NoReturn: ...


@dataclass(frozen=True)
class Wanted:
    """What one task wants.

    Attributes:
        run: Cluster, job and policy.
        identity: Whose.
        goal: Which part of it.
        cluster: Name and UUID of a cluster that another task made.
        dashboard: Address of that cluster's dashboard; empty where it is not known.
    """

    run: DaskRun
    identity: RunIdentity
    goal: Goal
    cluster: tuple[str, str] | None = None
    dashboard: str = ""


def run_of(operator: DaskOperator, cluster: Any, job: Any = None, policy: Any = None) -> DaskRun:
    """Return the run that a task's arguments describe, after Airflow has rendered them.

    Raises:
        AirflowFailException: They describe none; every fault is told.
    """
    from airflow_dataops.core.dataproc_dask.run import parse
    from airflow_dataops.core.errors import DataOpsError

    document = {"cluster": written(cluster), "job": job, "policy": written(policy or operator.policy or {})}
    try:
        return parse(plain(document))
    except DataOpsError as error:
        fail(error)


def goal_of(lifecycle: str, run: DaskRun) -> Goal:
    """Return what a task wants that has a cluster of its own.

    Args:
        lifecycle: Who makes and deletes it.
        run: What is asked for.

    Raises:
        AirflowFailException: There is no such way, or it cannot do what is asked for.
    """
    from airflow_dataops.core.dataproc_dask.state import Goal
    from airflow_dataops.core.dataproc_dask.workflow import check_workflow
    from airflow_dataops.core.errors import DataOpsError, SpecError

    try:
        if lifecycle not in ("airflow", "google"):
            message = f"lifecycle is {lifecycle!r}; valid are 'airflow' and 'google'"
            raise SpecError(message, hint='write lifecycle="airflow"', code="DASK_RUN_INVALID")
        if lifecycle == "google":
            check_workflow(run)
    except DataOpsError as error:
        fail(error)
    return Goal.WORKFLOW if lifecycle == "google" else Goal.RUN


def card_of(operator: DaskOperator) -> RateCard | None:
    """Return the prices; None where the operator was given none.

    Raises:
        AirflowFailException: They are no rate card.
    """
    from pydantic import ValidationError

    from airflow_dataops.core.dataproc_dask.budget import RateCard

    if not operator.rate_card:
        return None
    try:
        return RateCard.model_validate(plain(operator.rate_card))
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise AirflowFailException(f"RATE_CARD_INVALID: rate_card: {faults}") from error


def estimate_of(run: DaskRun, card: RateCard | None) -> Estimate | None:
    """Return what the cluster can cost at worst; None without prices.

    Raises:
        AirflowFailException: There is a budget without prices, or a machine without a price.
    """
    from airflow_dataops.core.dataproc_dask.budget import worst_case
    from airflow_dataops.core.errors import DataOpsError, SpecError

    try:
        if card is not None:
            return worst_case(run, card)
        if run.policy.budget is not None:
            raise SpecError(
                f"policy.budget is {run.policy.budget}, and there is no rate_card to reckon with",
                hint="give the operator rate_card={machines: …}, or take the budget out",
                code="RATE_CARD_MISSING",
            )
    except DataOpsError as error:
        fail(error)
    return None


def perform(operator: DaskOperator, context: Any, wanted: Wanted) -> Summary:
    """Drive the run to its end, or to where the triggerer takes over; returns how it ended.

    Raises:
        TaskDeferred: The triggerer goes on; ``execute_complete`` gets the summary.
        AirflowFailException: What is asked for cannot be.
        TransientError: The task was killed.
    """
    from airflow_dataops.core.dataproc_dask.summary import summarise
    from airflow_dataops.core.dataproc_dask.turn import End

    card = card_of(operator)
    step = first_step(operator, context, wanted, card)
    tell_links(context, wanted.run, step.state, wanted.dashboard)
    ended, histories = follow(operator, wanted.run, step, pauses=operator.deferrable)
    tell_links(context, wanted.run, ended.state, wanted.dashboard)
    if not isinstance(ended.action, End):
        leave_to_trigger(operator, context, wanted.run, ended, card)
    return summarise(wanted.run, ended.state, card, _now(), histories)


def first_step(operator: DaskOperator, context: Any, wanted: Wanted, card: RateCard | None) -> Step:
    """Return the first step of this try, and tell what it can cost.

    Raises:
        AirflowFailException: What is asked for cannot be.
    """
    from airflow_dataops.core.dataproc_dask.lifecycle import begin
    from airflow_dataops.core.dataproc_dask.state import Goal
    from airflow_dataops.core.errors import DataOpsError
    from airflow_dataops.operators._identity import tries_of

    number, since = tries_of(context)
    estimate = estimate_of(wanted.run, card) if wanted.goal in (Goal.RUN, Goal.CLUSTER, Goal.WORKFLOW) else None
    if estimate is not None:
        operator.log.info("a cluster costs %s", estimate.sentence)
    try:
        return begin(
            wanted.run,
            wanted.identity,
            goal=wanted.goal,
            now=_now(),
            attempt=str(uuid.uuid4()),
            try_number=number,
            since_try=since,
            cluster=wanted.cluster,
            estimate=estimate,
        )
    except DataOpsError as error:
        fail(error)


def follow(operator: DaskOperator, run: DaskRun, step: Step, *, pauses: bool) -> tuple[Step, Histories]:
    """Drive a run on this worker, where ``on_kill`` finds it; ``pauses`` stops at the first long wait.

    Returns the last step, and Google's account of the clusters that were seen.

    Raises:
        TransientError: The task was killed.
    """
    driven = driven_of(operator, run)
    worker = operator._worker = Worker(driven, say_of(operator), "the janitor or the cluster's time to live ends it")
    last = worker.follow(step, pauses=pauses)
    operator._worker = None
    return last, driven.client.histories


def leave_to_trigger(operator: DaskOperator, context: Any, run: DaskRun, step: Step, card: RateCard | None) -> NoReturn:
    """Defer; what would be needed to cancel a job on a shared cluster, or a workflow, is left in XCom.

    Raises:
        TaskDeferred: Always.
    """
    from airflow_dataops.core.dataproc_dask.state import Goal
    from airflow_dataops.operators.dataproc_dask._clean import remember
    from airflow_dataops.triggers.dataproc_dask import DataprocDaskTrigger

    if step.state.goal in (Goal.JOB, Goal.WORKFLOW):
        remember(context, run, step.state)
    trigger = DataprocDaskTrigger(
        run=run.model_dump(mode="json"),
        state=step.state.model_dump(mode="json"),
        connection=connection_of(operator),
        rate_card=card.model_dump(mode="json") if card is not None else None,
    )
    # The machine keeps its own deadlines; this one strikes where no triggerer has run it.
    longest = step.state.work_until - _now() + run.policy.deadlines.delete + _SLACK
    operator.defer(trigger=trigger, method_name="execute_complete", timeout=longest)


def finish(operator: DaskOperator, context: Any, summary: Summary) -> dict[str, Any]:
    """Tell how a run ended, and return what is worth keeping.

    Raises:
        AirflowFailException: It failed in a way that a retry does not help.
        TransientError: It failed in a way that may pass; Airflow retries.
    """
    from airflow_dataops.core.dataproc_dask.summary import failure_line, xcom_of
    from airflow_dataops.core.errors import TransientError

    tell(operator, context, summary)
    failure = summary.failure
    if failure is None:
        return xcom_of(summary)
    if failure.retryable:
        line = failure_line(failure).removeprefix(f"{failure.code}: ")
        raise TransientError(line, code=failure.code.value, details=failure.details)
    raise AirflowFailException(failure_line(failure))


def kill(operator: DaskOperator) -> None:
    """End what this worker drives; for ``on_kill``."""
    if operator._worker is not None:
        operator._worker.kill("the task was killed")


def driven_of(operator: DaskOperator, run: DaskRun) -> DaskDriven:
    """Return what drives a run here."""
    from airflow_dataops.hooks.dataproc_dask import DataprocDaskHook
    from airflow_dataops.triggers._dask_driven import DaskDriven

    settings = DataprocDaskHook(**connection_of(operator)).settings(run.cluster.project, run.cluster.region)
    return DaskDriven(settings, run, say_of(operator))


def connection_of(operator: Connected) -> dict[str, Any]:
    """Return the arguments of the hook, JSON-safe."""
    chain = operator.impersonation_chain
    return {
        "gcp_conn_id": operator.gcp_conn_id,
        "impersonation_chain": chain if chain is None or isinstance(chain, str) else list(chain),
        "api_endpoint": operator.api_endpoint,
    }


def say_of(operator: DaskOperator) -> Callable[[str], None]:
    """Return what takes a line for the task's log."""
    return lambda line: operator.log.info("%s", line)


def _now() -> Any:
    from airflow_dataops.clients.dataproc_dask.drive import utcnow

    return utcnow()
