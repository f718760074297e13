# SPDX-License-Identifier: Apache-2.0
"""A workflow of Google's, from its start until its cluster is gone: what differs from a run whose cluster is ours to make and delete.

The operation of the workflow says how far it is, and ends when Google has deleted the cluster. A later try, which does not know it, goes
by the labels of cluster and job instead, and deletes the cluster itself.
"""

from __future__ import annotations

from datetime import datetime

from airflow_dataops.core.dataproc_dask import names
from airflow_dataops.core.dataproc_dask.diagnosis import Failure, Reason, diagnose_call, diagnose_create, is_transient
from airflow_dataops.core.dataproc_dask.finding import remember_job
from airflow_dataops.core.dataproc_dask.observation import (
    CLUSTER_RUNS,
    JOB_ENDED,
    JOB_FAILED,
    JOB_STOPS,
    ClusterView,
    JobView,
    Look,
    OperationView,
)
from airflow_dataops.core.dataproc_dask.state import Life, Patience, Phase
from airflow_dataops.core.dataproc_dask.turn import CallKind, Next, Step, Turn
from airflow_dataops.core.dataproc_dask.workflow import stop_request, workflow_request
from airflow_dataops.core.dataproc_dask.working import late, work
from airflow_dataops.core.durations import told
from airflow_dataops.core.machine import KILLED_TIME, Accepted, CallError, Gone

_MOST_ERRORS = 5


def ask(turn: Turn) -> Next:
    """Start the workflow."""
    state = turn.state
    if turn.now >= state.make_until or state.execution > names.MOST_GENERATIONS:
        message = f"no workflow of {state.base!r} was started, and there is no time left for it"
        hint = "run again, or give policy.deadlines more time"
        return turn.settle(Failure(code=Reason.DEADLINE, message=message, hint=hint, retryable=True))
    again = state.unsure and state.asked_at is not None
    turn.set(
        phase=Phase.MAKE, asked_at=state.asked_at if again else turn.now, unsure=True, doubtful=again, stopped=False
    )
    turn.set(uuid="", cluster="", operation="", job_id="", job_state="", submitted_at=None, runs_since=None)
    turn.set(job_log=None)
    turn.note("START", f"starting workflow {names.job_id(state.base, state.job_name, state.execution)}")
    return _send(turn)


def make(turn: Turn) -> Next:
    """Follow the workflow from its start until its job is there."""
    reply = turn.seen.reply
    if isinstance(reply, CallError):
        return _refused(turn, reply)
    if isinstance(reply, OperationView) and _is_stale(turn, reply):
        turn.note(
            "STALE_REQUEST", f"Google answered for workflow {turn.state.execution}, which is over; the next one follows"
        )
        turn.set(execution=turn.state.execution + 1, unsure=False)
        return Phase.ASK
    _learn(turn)
    return _follow(turn) if turn.state.operation else _by_labels(turn)


def watch(turn: Turn) -> Next:
    """Watch the job, until it has ended or is to end."""
    _learn(turn)
    job, read = turn.seen.job, turn.seen.operation
    if isinstance(read, Gone) or (isinstance(read, OperationView) and read.done):
        return _over(turn, read)
    if isinstance(job, JobView) and job.state in JOB_STOPS:
        # Google's own time-out, or a person in the console; what it was shows when it has ended.
        return late(turn) or turn.poll(Look.JOB)
    if isinstance(job, JobView) and job.state in JOB_ENDED:
        return _judged(turn)
    return work(turn)


def cancel(turn: Turn) -> Next:
    """Tell Google to stop the workflow, and wait until it has."""
    state, limits = turn.state, turn.run.policy.deadlines
    step = _told(turn)
    if step is not None:
        return step
    if turn.state.patience is Patience.SEND:
        return turn.settle(turn.state.cancel_for)
    _learn(turn)
    read, since = turn.seen.operation, state.cancel_at or turn.now
    if isinstance(read, Gone) or (isinstance(read, OperationView) and read.done):
        return _over(turn, read)
    if turn.now - since >= limits.cancel + limits.delete:
        turn.note("DELETE_SLOW", "Google has not ended the workflow; its cluster is deleted by this run")
        turn.set(operation="", looked=False)
    step = _again(turn, read) if isinstance(read, CallError) else None
    if not turn.state.operation:
        return turn.settle(turn.state.cancel_for)
    return step or turn.poll(*_looks(turn))


def close(turn: Turn) -> Next:
    """Wait until Google has deleted the cluster of a workflow that is over or told to be; where it does not, delete it."""
    if turn.state.job_state not in JOB_ENDED:
        step = _told(turn)
        if step is not None:
            return step
    if turn.state.patience is Patience.SEND and turn.state.operation:
        return Phase.END
    _learn(turn)
    read, until = turn.seen.operation, turn.state.drop_until
    if isinstance(read, Gone) or (isinstance(read, OperationView) and read.done):
        _forget(turn)
    elif until is not None and turn.now >= until:
        turn.note("DELETE_SLOW", "Google has not ended the workflow; its cluster is deleted by this run")
        turn.set(operation="", looked=False, drop_until=turn.now + turn.run.policy.deadlines.delete)
    elif isinstance(read, CallError):
        return _again(turn, read) or Phase.FIND
    elif turn.state.operation:
        return turn.look(*_looks(turn)) if read is None else turn.poll(*_looks(turn))
    return Phase.FIND


def _send(turn: Turn) -> Step:
    state = turn.state
    labels = state.own | {names.TRY: f"n{state.try_number}", names.ATTEMPT: state.attempt}
    sent = state.asked_at or turn.now
    request = workflow_request(turn.run, base=state.base, labels=labels, execution=state.execution, now=sent)
    return turn.call(CallKind.START, request)


def _follow(turn: Turn) -> Next:
    """Go by the workflow's operation."""
    read = turn.seen.reply if isinstance(turn.seen.reply, OperationView) else turn.seen.operation
    if read is None:
        return turn.look(*_looks(turn))
    if isinstance(read, CallError):
        failure = diagnose_call(read, f"look at workflow {turn.state.operation}")
        return _overdue(turn) or _again(turn, read) or turn.settle(failure)
    if isinstance(read, Gone) or read.done:
        return _over(turn, read)
    return Phase.WORK if turn.state.job_id else _overdue(turn) or turn.poll(*_looks(turn))


def _refused(turn: Turn, error: CallError) -> Next:
    """Decide after the request to start was not taken, or nobody knows whether it was."""
    if is_transient(error) or error.code == "ALREADY_EXISTS":
        # It is looked for before it is asked for again: of a workflow that is over by then, Google would start another one.
        turn.set(doubtful=True, phase=Phase.FIND)
        return _overdue(turn) or turn.again(Look.CLUSTERS, Look.JOBS)
    turn.set(unsure=turn.state.doubtful)
    return turn.settle(diagnose_create(error)[0])


def _is_stale(turn: Turn, reply: OperationView) -> bool:
    """Tell whether the answer is a workflow that had ended before this run asked: the first answer to a request knows no end."""
    if not reply.done:
        return False
    asked = turn.state.asked_at
    return not turn.state.doubtful or (reply.started_at is not None and asked is not None and reply.started_at < asked)


def _learn(turn: Turn) -> None:
    """Take down what was seen of the workflow, its cluster and its job."""
    cluster, job = turn.seen.cluster, turn.seen.job
    if isinstance(cluster, ClusterView) and cluster.uuid == turn.state.uuid and cluster.state in CLUSTER_RUNS:
        _ready(turn, cluster.since or turn.now)
    for read in (turn.seen.reply, turn.seen.operation):
        if isinstance(read, OperationView):
            _learn_operation(turn, read)
    if isinstance(job, JobView):
        remember_job(turn, job)
    elif isinstance(job, Gone):
        turn.set(job_state="")


def _learn_operation(turn: Turn, read: OperationView) -> None:
    state = turn.state
    turn.set(operation=read.name, unsure=False, resend=False, cluster=read.cluster_name or state.cluster)
    if read.cluster_uuid and read.cluster_uuid != state.uuid:
        life = Life(name=turn.name, uuid=read.cluster_uuid, asked_at=_asked_at(turn, read.started_at))
        turn.set(uuid=read.cluster_uuid, lives=(*state.lives, life))
        turn.note("CREATE", f"Google makes cluster {turn.name}")
    if read.job_id and not state.job_id:
        _ready(turn, read.work_began_at or turn.now)  # it was, when its job was sent
        turn.set(job_id=read.job_id, submitted_at=read.work_began_at or turn.now)
        turn.note("SUBMITTED", f"Google runs job {read.job_id}")


def _asked_at(turn: Turn, started: datetime | None) -> datetime:
    """Return since when the cluster of a workflow counts; that of an earlier try's workflow was asked for before this try began."""
    asked = turn.state.asked_at or turn.now
    return started if started is not None and started < turn.state.began_at - turn.run.policy.poll else asked


def _ready(turn: Turn, at: datetime) -> None:
    state = turn.state
    if any(life.uuid == state.uuid and life.ready_at is None for life in state.lives):
        turn.note("READY", f"cluster {turn.name} runs")
        ready = (
            life.model_copy(update={"ready_at": at}) if life.uuid == state.uuid and life.ready_at is None else life
            for life in state.lives
        )
        turn.set(lives=tuple(ready))


def _by_labels(turn: Turn) -> Next:
    """Look for the job of a cluster that an earlier try's workflow made; nobody here knows the operation."""
    step = _overdue(turn)
    if step is not None:
        return step
    turn.set(phase=Phase.FIND)
    return turn.poll(Look.CLUSTERS, Look.JOBS)


def _looks(turn: Turn) -> list[Look]:
    state = turn.state
    looks = [Look.OPERATION]
    if state.cluster and not any(life.uuid == state.uuid and life.ready_at for life in state.lives):
        looks.append(Look.CLUSTER)
    if state.job_id and state.job_state not in JOB_ENDED:
        looks.append(Look.JOB)
    return looks


def _overdue(turn: Turn) -> Next | None:
    """Give a workflow up whose job does not come."""
    limits, asked = turn.run.policy.deadlines, turn.state.asked_at
    if asked is None or turn.now - asked < limits.create + limits.submit:
        return None
    message = f"the workflow has no cluster with a job on it after {told(limits.create + limits.submit)}"
    hint = "give policy.deadlines.create more time, or look at the workflow in the console"
    turn.note(Reason.CREATE_TIMEOUT, message)
    failure = Failure(code=Reason.CREATE_TIMEOUT, message=message, hint=hint, retryable=True)
    turn.set(cancel_for=failure, cancel_at=None, stopped=False)
    return Phase.CANCEL


def _again(turn: Turn, error: CallError) -> Step | None:
    """Look once more after an error; None where that does not help, and the workflow is only known by its labels from then on."""
    if is_transient(error) or turn.state.errors < _MOST_ERRORS:
        return turn.again(*_looks(turn))
    turn.note("UNREACHABLE", diagnose_call(error, f"look at workflow {turn.state.operation}").message)
    turn.set(operation="", looked=False)
    return None


def _over(turn: Turn, read: OperationView | Gone) -> Next:
    """Find out how a workflow ended: its cluster is gone by then."""
    state = turn.state
    unknown = state.job_state not in JOB_ENDED and not isinstance(turn.seen.job, Gone)
    if state.job_id and unknown and state.errors < _MOST_ERRORS:
        return turn.again(Look.OPERATION, Look.JOB)
    error = read.error if isinstance(read, OperationView) else None
    _forget(turn)
    if state.job_id:
        return _judged(turn)
    if error is not None and error.code == "CANCELLED" and state.cancel_for is None and not state.losses:
        turn.note("RECREATE", f"workflow {state.execution} was stopped, and not by this try; another one is started")
        turn.set(losses=1, execution=state.execution + 1)
        return Phase.ASK
    if error is not None and state.cancel_for is None:
        return turn.settle(diagnose_create(error)[0])
    message = "the workflow ended without a job"
    hint = "somebody stopped it; look at it in the console"
    lost = Failure(code=Reason.JOB_LOST, message=message, hint=hint, retryable=True)
    return turn.settle(state.cancel_for or lost)


def _judged(turn: Turn) -> Phase:
    """Go to where the verdict is found; a job that Google has stopped for its time is told apart from one that a person has."""
    state, limit = turn.state, turn.run.policy.deadlines.run
    if state.job_state == "CANCELLED" and state.cancel_for is None and state.job_attempt != state.attempt:
        turn.note("RUN_AGAIN", f"job {state.job_id} of an earlier try was stopped; another workflow follows")
        turn.set(job_id="", job_state="", submitted_at=None, runs_since=None, heard_at=None, operation="")
        return Phase.FIND
    took = state.job_since - state.submitted_at if state.job_since and state.submitted_at else None
    if state.cancel_for is None and state.job_state in JOB_FAILED and took and took >= limit - 2 * turn.run.policy.poll:
        message = f"Google stopped job {state.job_id}, since its workflow had lasted {told(limit)}"
        hint = "give policy.deadlines.run more time, or the cluster more workers"
        turn.set(cancel_for=Failure(code=Reason.RUN_TIMEOUT, message=message, hint=hint, retryable=True))
    return Phase.JUDGE


def _forget(turn: Turn) -> None:
    """Take down that the workflow is over, and with it its cluster; the list of clusters has the last word on that."""
    state = turn.state
    turn.set(lives=state.closed(state.uuid, turn.now), operation="", uuid="", unsure=False, looked=False, errors=0)
    if state.uuid:
        turn.note("DELETED", f"Google has deleted cluster {turn.name}")


def _told(turn: Turn) -> Next | None:
    """Tell Google to stop; None where it has been told, or knows of no workflow.

    Where the answer to the start was lost, the start is sent once more: its answer names the workflow, an old or a new one.
    """
    state, reply = turn.state, turn.seen.reply
    if isinstance(reply, OperationView):
        _learn_operation(turn, reply)
    if isinstance(reply, Accepted):
        turn.set(stopped=True, errors=0)
        turn.note("STOP", "Google stops the workflow and deletes its cluster")
    known = turn.state.operation or (state.unsure and state.asked_at is not None)
    if turn.state.stopped or not known:
        return None
    first = state.cancel_at is None
    if first:
        turn.set(cancel_at=turn.now, errors=0)
    elif isinstance(reply, CallError):
        return _untold(turn, reply)
    if turn.state.operation:
        return turn.call(CallKind.STOP, stop_request(turn.state.operation))
    return _send(turn)


def _untold(turn: Turn, error: CallError) -> Next | None:
    state = turn.state
    limit = KILLED_TIME if state.patience is Patience.SEND else turn.run.policy.deadlines.cancel
    if is_transient(error) and state.cancel_at is not None and turn.now - state.cancel_at < limit:
        return turn.again(resend=True)
    if error.code != "NOT_FOUND":
        turn.note("STOP_REFUSED", f"{error.code} {error.message}; the cluster is deleted by its labels".strip())
    turn.set(operation="", unsure=False, looked=False)
    return None


__all__ = ["ask", "cancel", "close", "make", "watch"]
