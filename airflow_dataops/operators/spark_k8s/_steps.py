# SPDX-License-Identifier: Apache-2.0
"""The operator's steps: read what is asked for, drive the machine or defer, tell what came of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeVar

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_dataops.operators._job import plain
from airflow_dataops.operators._refusal import fail, written
from airflow_dataops.operators._worker import Worker
from airflow_dataops.operators.spark_k8s._left import delete_left, tell_rest
from airflow_dataops.operators.spark_k8s._tell import tell, tell_links

if TYPE_CHECKING:
    from airflow_dataops.clients.spark_k8s.submit import SubmitProcess
    from airflow_dataops.core.spark_k8s.log_cursor import LogCursor
    from airflow_dataops.core.spark_k8s.run import SparkRun
    from airflow_dataops.core.spark_k8s.spec import RunParts
    from airflow_dataops.core.spark_k8s.state import Outcome
    from airflow_dataops.core.spark_k8s.turn import Step
    from airflow_dataops.hooks.spark_k8s import SparkKubernetesHook
    from airflow_dataops.operators.spark_k8s._mlflow import Tracked
    from airflow_dataops.triggers._spark_driven import SparkDriven

_Run = TypeVar("_Run", bound="RunParts")

FAIL = "__fail__"  # what Airflow calls the next method of a task whose deferral timed out, or whose trigger broke
_SLACK = timedelta(minutes=10)
_ELSE = "the driver's own deadline ends it, or the next try takes it over"
_BROKEN = "the task's deferral timed out, or its trigger broke"


class SparkArguments(Protocol):
    """What says which run is meant."""

    app: Any
    target: Any
    policy: Any
    mode: Any
    kubernetes_conn_id: str | None
    aws_conn_id: str | None


class SparkOperator(SparkArguments, Protocol):
    """What the operator has."""

    instance: str | None
    deferrable: bool
    _worker: Worker[Any] | None
    _child: SubmitProcess | None
    mlflow: Any
    openlineage_inject_parent_job_info: bool
    openlineage_inject_transport_info: bool
    _tracked: Tracked | None

    @property
    def log(self) -> Any: ...

    def defer(self, *, trigger: Any, method_name: str, timeout: timedelta | None = None) -> NoReturn: ...


def run_of(operator: SparkArguments) -> SparkRun:
    """Return the run that the task's arguments and connections describe, after Airflow has rendered them.

    Raises:
        AirflowFailException: They describe none; every fault is told.
    """
    from airflow_dataops.core.spark_k8s.run import parse

    return asked_for(operator, parse)


def asked_for(operator: SparkArguments, read: Callable[[Mapping[str, Any]], _Run]) -> _Run:
    """Return the same, read in another way.

    Args:
        operator: Has the arguments.
        read: Makes a run of its document.

    Raises:
        AirflowFailException: They describe none; every fault is told.
    """
    from airflow_dataops.core.errors import DataOpsError
    from airflow_dataops.hooks.spark_k8s import SparkKubernetesHook

    hook = SparkKubernetesHook(**connection_of(operator))
    try:
        parts = {name: plain(written(getattr(operator, name) or {})) for name in ("app", "target", "policy")}
        target = {**parts["target"], "mode": _mode(operator, parts["target"])}
        if target["mode"] != "standalone" and "namespace" not in target and (namespace := hook.namespace()) is not None:
            target["namespace"] = namespace
        return _with_s3(read({**parts, "target": target}), hook, read)
    except DataOpsError as error:
        fail(error)


def perform(operator: SparkOperator, context: Any, run: SparkRun) -> Outcome:
    """Drive the run to its end, or to where the triggerer takes over; returns how it ended.

    Raises:
        TaskDeferred: The triggerer goes on; ``execute_complete`` gets the outcome.
        AirflowFailException: What is asked for cannot be.
        TransientError: The task was killed.
    """
    from airflow_dataops.core.errors import TransientError
    from airflow_dataops.operators.spark_k8s._mlflow import Tracked

    tracked = operator._tracked = Tracked(operator, context)
    try:
        return _performed(operator, context, tracked.begin(run))
    except TransientError:
        raise  # the next try goes on with the run in MLflow; of a task that was killed it is closed already
    except Exception:
        tracked.abandon()
        raise


def _performed(operator: SparkOperator, context: Any, run: SparkRun) -> Outcome:
    from airflow_dataops.core.errors import DataOpsError
    from airflow_dataops.core.spark_k8s.turn import End
    from airflow_dataops.operators.spark_k8s._openlineage import with_lineage
    from airflow_dataops.operators.spark_k8s._standalone import run_here
    from airflow_dataops.triggers._spark_driven import secrets_of

    run = with_lineage(operator, context, run)
    if run.target.mode == "standalone":
        return run_here(operator, run)
    step = first_step(operator, context, run)
    try:
        driven = driven_of(operator, run, secrets_of(run))
    except DataOpsError as error:
        fail(error)
    worker = worker_of(operator, driven)
    ended = worker.follow(step, pauses=True)
    tell_links(context, run, ended.state)
    if not isinstance(ended.action, End):
        if operator.deferrable:
            leave_to_trigger(operator, run, ended, driven)
        ended = worker.follow(driven.resume(ended.state), pauses=False)
    return driven.outcome(ended.state)


def first_step(operator: SparkOperator, context: Any, run: RunParts) -> Step:
    """Return the first step of this try.

    In mode direct each try has numbers of its own for its drivers, so that a try never asks for a name that an earlier one may have
    deleted without a trace. In mode crd the name is what keeps a request of a dead process from making a second driver.

    Raises:
        AirflowFailException: The run has used up its drivers.
    """
    from airflow_dataops.clients.drive import utcnow
    from airflow_dataops.core.errors import DataOpsError
    from airflow_dataops.core.spark_k8s.lifecycle import begin
    from airflow_dataops.operators._identity import identity_of, tries_of

    number, since = tries_of(context)
    attempt = (number - 1) * max(1, run.policy.attempts) + 1 if run.target.mode == "direct" else 1
    identity = identity_of(context, operator.instance)
    try:
        return begin(run, identity, now=utcnow(), try_number=number, since_try=since, attempt=attempt)
    except DataOpsError as error:
        fail(error)


def driven_of(
    operator: SparkOperator, run: RunParts, secrets: Collection[str], cursor: LogCursor | None = None
) -> SparkDriven:
    """Return what drives a run here, and tells the driver's log from where that has been told."""
    from airflow_dataops.hooks.spark_k8s import SparkKubernetesHook
    from airflow_dataops.triggers._spark_driven import SparkDriven

    settings = SparkKubernetesHook(**connection_of(operator)).settings(run.target.namespace)
    return SparkDriven(settings, run, lambda line: operator.log.info("%s", line), secrets=secrets, cursor=cursor)


def worker_of(operator: SparkOperator, driven: SparkDriven) -> Worker[Step]:
    """Return what drives a run on this worker; ``on_kill`` finds it there for as long as the task lives."""
    worker = Worker(driven, lambda line: operator.log.info("%s", line), _ELSE)
    operator._worker = worker
    return worker


def leave_to_trigger(operator: SparkOperator, run: SparkRun, step: Step, driven: SparkDriven) -> NoReturn:
    """Defer; the trigger goes on with the log where this process has stopped.

    Raises:
        TaskDeferred: Always.
    """
    from airflow_dataops.clients.drive import utcnow
    from airflow_dataops.triggers.spark_k8s import SparkKubernetesTrigger

    trigger = SparkKubernetesTrigger(
        run=run.model_dump(mode="json"),
        state=step.state.model_dump(mode="json"),
        connection=connection_of(operator),
        cursor=driven.listener.cursor.model_dump(mode="json"),
        mlflow=operator._tracked.handed if operator._tracked is not None else None,
    )
    # The machine keeps its own deadlines; this one strikes where no triggerer has run it.
    longest = step.state.work_until - utcnow() + run.policy.delete_timeout + _SLACK
    operator.defer(trigger=trigger, method_name="execute_complete", timeout=longest)


def resumed(operator: SparkOperator, event: dict[str, Any]) -> tuple[SparkRun, Outcome]:
    """Return the run and how it ended, as the trigger says, and tell what that has left of the driver's log.

    Raises:
        AirflowFailException: The task's arguments describe no run any more.
    """
    from airflow_dataops.core.spark_k8s.state import Outcome

    run, outcome = run_of(operator), Outcome.model_validate(event)
    tell_rest(operator, run, outcome)
    return run, outcome


def finish(operator: SparkOperator, context: Any, run: SparkRun, outcome: Outcome) -> dict[str, Any]:
    """Tell how a run ended, and return what is worth keeping.

    Raises:
        AirflowFailException: It failed in a way that a retry does not help.
        TransientError: It failed in a way that may pass; Airflow retries.
    """
    from airflow_dataops.core.errors import TransientError
    from airflow_dataops.core.spark_k8s.report import failure_line

    kept = tell(operator, context, run, outcome)
    delete_left(operator, context, run, outcome)
    failure = outcome.failure
    if failure is None:
        return kept
    line = failure_line(failure)
    if failure.retryable:
        raise TransientError(line.removeprefix(f"{failure.code.value}: "), code=failure.code.value)
    raise AirflowFailException(line)


def clean_up(operator: SparkOperator, context: Any) -> None:
    """Delete the run's drivers, found by their labels, and wait until they are gone. Never raises: the task fails for another reason."""
    from airflow_dataops.operators.spark_k8s._mlflow import Tracked

    operator.log.warning("%s; what was made for it is deleted", _BROKEN)
    try:
        from airflow_dataops.clients.drive import utcnow
        from airflow_dataops.core.spark_k8s.lifecycle import stop
        from airflow_dataops.core.spark_k8s.run import parse_parts
        from airflow_dataops.triggers._spark_driven import secrets_if_known

        run = asked_for(
            operator, parse_parts
        )  # it breaks a rule, maybe, that it kept when it began; its labels are the same
        ending = stop(run, first_step(operator, context, run).state, utcnow(), why=_BROKEN, wait=True)
        worker_of(operator, driven_of(operator, run, secrets_if_known(run))).follow(ending, pauses=False)
    except Exception:
        operator.log.exception("the clean-up failed; %s", _ELSE)
    Tracked(operator, context).abandon()


def connection_of(operator: SparkArguments) -> dict[str, Any]:
    """Return the arguments of the hook, JSON-safe."""
    return {"kubernetes_conn_id": operator.kubernetes_conn_id, "aws_conn_id": operator.aws_conn_id}


def _mode(operator: SparkArguments, target: dict[str, Any]) -> Any:
    from airflow_dataops.core.errors import SpecError

    said = target.get("mode")
    if operator.mode is not None and said is not None and operator.mode != said:
        raise SpecError(
            f"mode is {operator.mode!r}, and target.mode is {said!r}",
            hint="leave one of them out",
            code="SPARK_MODE",
        )
    return operator.mode or said or "direct"


def _with_s3(run: _Run, hook: SparkKubernetesHook, read: Callable[[Mapping[str, Any]], _Run]) -> _Run:
    """Return the run with what S3A needs of the connection; what the program itself says goes before."""
    from airflow_dataops.core.spark_k8s.storage import with_storage

    settings = hook.s3()
    if settings is None:
        return run
    app = with_storage(run.app, *settings.for_s3a(run.app.spark_version))
    return read({**written(run), "app": written(app)})
