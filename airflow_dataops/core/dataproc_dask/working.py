# SPDX-License-Identifier: Apache-2.0
"""The job: sent once, watched, told to stop where it is late or silent, and judged by what it left."""

from __future__ import annotations

from datetime import datetime

from airflow_dataops.core.dataproc_dask import names
from airflow_dataops.core.dataproc_dask.diagnosis import (
    Failure,
    Reason,
    diagnose_call,
    diagnose_job,
    is_transient,
    was_ttl,
)
from airflow_dataops.core.dataproc_dask.finding import (
    is_of_this_attempt,
    is_of_this_life,
    is_own_job,
    is_to_be_replaced,
    is_wanted,
    remember_job,
)
from airflow_dataops.core.dataproc_dask.observation import (
    CLUSTER_LOST,
    JOB_ENDED,
    JOB_FAILED,
    JOB_STOPS,
    JOB_WAITS,
    ClusterView,
    HeartbeatView,
    JobView,
    Look,
    ResultView,
)
from airflow_dataops.core.dataproc_dask.request import cancel_request, submit_request
from airflow_dataops.core.dataproc_dask.result import Code
from airflow_dataops.core.dataproc_dask.state import Goal, Patience, Phase
from airflow_dataops.core.dataproc_dask.turn import CallKind, Next, Step, Turn
from airflow_dataops.core.durations import told
from airflow_dataops.core.machine import KILLED_TIME, CallError, Gone

_CLUSTER_EVERY = 6  # looks at the job for one at its cluster
_UNHEARD_EVERY = 30  # looks at the job for one line about a sign of life that cannot be read
_MOST_ERRORS = 5
_PLACE_LOST = frozenset({"NOT_FOUND", "FAILED_PRECONDITION"})


def submit(turn: Turn) -> Next:
    """Send the job until somebody says that it is there."""
    seen = turn.seen
    if isinstance(seen.reply, JobView):
        return _met(turn, seen.reply)
    if isinstance(seen.reply, CallError):
        return _refused(turn, seen.reply)
    if seen.job is not None:
        return _read(turn, seen.job)
    if seen.cluster is not None:
        return _place(turn, seen.cluster)
    if turn.state.submitted_at is None:
        turn.set(submitted_at=turn.now, errors=0, doubtful=False)
    return _send(turn)


def work(turn: Turn) -> Next:
    """Watch the job."""
    read, cluster = turn.seen.job, turn.seen.cluster
    if isinstance(cluster, ClusterView | Gone) and turn.state.goal is Goal.RUN and _is_lost(turn, cluster):
        return Phase.JUDGE
    _hear(turn)
    if isinstance(read, CallError):
        if is_transient(read) or turn.state.errors < _MOST_ERRORS:
            return late(turn) or turn.again(Look.JOB)
        return turn.settle(diagnose_call(read, f"look at job {turn.state.job_id}"))
    if isinstance(read, Gone):
        turn.set(job_state="")
        return Phase.JUDGE
    if read is None:
        return turn.look(Look.JOB)
    remember_job(turn, read)
    if read.state in JOB_ENDED:
        return Phase.JUDGE
    if read.state in JOB_STOPS:
        return _stopped(turn, read)
    if read.state not in JOB_WAITS and turn.state.runs_since is None:
        turn.set(runs_since=read.since or turn.now)
    return late(turn) or turn.poll(*_looks(turn))


def cancel(turn: Turn) -> Next:
    """Tell the job to stop, and give it its grace."""
    state, reply, read = turn.state, turn.seen.reply, turn.seen.job
    if state.cancel_at is None:
        turn.set(cancel_at=turn.now, errors=0)
        return turn.call(CallKind.CANCEL, cancel_request(turn.run.cluster, job_id=state.job_id))
    if isinstance(read, JobView):
        remember_job(turn, read)
        if read.state in JOB_ENDED:
            return _replaced(turn) if state.replaces else Phase.JUDGE
    if isinstance(read, Gone):
        return _replaced(turn) if state.replaces else Phase.JUDGE
    failed = isinstance(reply, CallError) and is_transient(reply)
    killed = state.patience is Patience.SEND
    grace = KILLED_TIME if killed else turn.run.policy.deadlines.cancel
    if turn.now - state.cancel_at >= grace or (killed and reply is not None and not failed):
        return _grace_over(turn)
    if failed:
        return turn.again(resend=True)
    if reply is None and state.resend:
        return turn.call(CallKind.CANCEL, cancel_request(turn.run.cluster, job_id=state.job_id))
    return turn.poll(Look.JOB)


def judge(turn: Turn) -> Next:
    """Say how the job ended: by its result, then by its state, then by what became of its cluster."""
    seen, wanted = turn.seen, [Look.RESULT]
    if turn.state.goal is Goal.RUN and turn.state.job_state != "DONE":
        wanted.append(Look.CLUSTER)
    reads = {Look.RESULT: seen.result, Look.CLUSTER: seen.cluster}
    if any(reads[look] is None for look in wanted):
        turn.set(errors=0)  # those of the watch are over
        return turn.look(*wanted)
    failed = any(isinstance(reads[look], CallError) for look in wanted)
    if failed and turn.state.errors < _MOST_ERRORS:
        return turn.again(*wanted)
    result = seen.result if isinstance(seen.result, ResultView) else None
    lost = Look.CLUSTER in wanted and isinstance(seen.cluster, ClusterView | Gone) and _is_lost(turn, seen.cluster)
    if isinstance(seen.cluster, Gone):
        turn.set(lives=turn.state.closed(turn.state.uuid, turn.now))
    if result is not None and result.ok:
        if turn.state.job_state != "DONE":
            turn.note(
                "RESULT_COUNTS", "the function returned and its result is there; what happened after it does not count"
            )
        return turn.settle()
    if (
        turn.state.job_state == "DONE"
        and isinstance(seen.result, Gone)
        and turn.state.job_attempt != turn.state.attempt
    ):
        turn.note("RUN_AGAIN", f"job {turn.state.job_id} of an earlier try says DONE, but left no result")
        turn.set(ignored=turn.state.execution, job_id="", submitted_at=None, runs_since=None, heard_at=None)
        turn.set(job_log=None)
        return Phase.FIND
    return turn.settle(_verdict(turn, result, lost=lost))


def give_up_work(turn: Turn) -> Next:
    """Stop the job because the time for all work is over."""
    return _stop(
        turn, Reason.RUN_TIMEOUT, "the time for all work of this run is over", "give policy.deadlines more time"
    )


def _send(turn: Turn) -> Step:
    state, job = turn.state, turn.run.job
    if job is None:
        raise ValueError("this run has no job to submit")
    made = names.job_id(state.base, job.name, state.execution)
    if made != state.job_id:
        turn.set(job_id=made, job_log=None)
    labels = state.own | {
        names.TRY: f"n{state.try_number}",
        names.ATTEMPT: state.attempt,
        names.EXECUTION: f"n{state.execution}",
    }
    request = submit_request(turn.run.cluster, job, name=turn.name, job_id=made, labels=labels)
    return turn.call(CallKind.SUBMIT, request)


def _refused(turn: Turn, error: CallError) -> Next:
    if error.code == "ALREADY_EXISTS":
        return turn.look(Look.JOB)
    if error.code in _PLACE_LOST and turn.state.goal is not Goal.JOB:
        return turn.look(Look.CLUSTER)
    if is_transient(error) or error.code == "FAILED_PRECONDITION":
        turn.set(doubtful=True)
        return _unsent(turn) or turn.again(resend=True)
    return turn.settle(diagnose_call(error, f"submit job {turn.state.job_id}", Reason.SUBMIT_FAILED))


def _read(turn: Turn, read: JobView | Gone | CallError) -> Next:
    if isinstance(read, JobView):
        return _met(turn, read)
    if isinstance(read, CallError) and is_transient(read):
        return _unsent(turn) or turn.again(Look.JOB)
    return _unsent(turn) or turn.again(resend=True)


def _place(turn: Turn, read: ClusterView | Gone | CallError) -> Next:
    """Decide after Google said that the cluster cannot take the job."""
    if isinstance(read, CallError):
        return _unsent(turn) or turn.again(Look.CLUSTER)
    if isinstance(read, ClusterView) and not _is_lost(turn, read):
        return _unsent(turn) or turn.again(resend=True)
    state = turn.state
    if state.doubtful or state.losses:
        return turn.settle(_lost(turn))
    turn.note("RECREATE", f"cluster {turn.name} was lost before the job was sent; another one is made")
    turn.set(losses=state.losses + 1, submitted_at=None, after=Phase.ASK, doomed=state.with_doomed(turn.own_cluster))
    turn.set(generation=state.generation + 1, uuid="", operation="")
    return Phase.DROP


def _met(turn: Turn, job: JobView) -> Next:
    """Decide on the job that bears our id: it may be ours, an earlier try's, or a stranger."""
    if not is_own_job(turn, job):
        message = f"there is a job {job.id!r}, and this run did not send it; it is left alone"
        return turn.settle(
            Failure(code=Reason.FOREIGN_JOB, message=message, hint="give this Airflow another instance name")
        )
    here = turn.state.goal is Goal.JOB or job.cluster_uuid in ("", turn.state.uuid)
    if is_of_this_attempt(turn, job):
        remember_job(turn, job)
        return Phase.WORK if here and job.state not in JOB_ENDED else Phase.JUDGE
    turn.note("ATTACHED", f"job {job.id} is there already, as {job.state}")
    succeeded = job.state == "DONE" and is_wanted(turn, job) and is_of_this_life(turn, job)
    if job.state not in JOB_ENDED and not here:
        message = f"job {job.id} still says {job.state}, on another cluster of this run than {turn.name}"
        hint = "the next try takes it over, or waits until its cluster is gone"
        return turn.settle(Failure(code=Reason.SUBMIT_FAILED, message=message, hint=hint, retryable=True))
    if job.state in JOB_FAILED or (job.state == "DONE" and not succeeded):
        turn.set(execution=turn.state.execution + 1, submitted_at=None)
        return Phase.SUBMIT
    remember_job(turn, job)
    if job.state not in JOB_ENDED and is_to_be_replaced(turn, job):
        message = f"job {job.id} does something else than is wanted now"
        turn.set(replaces=True, cancel_for=Failure(code=Reason.JOB_CANCELLED, message=message))
        return Phase.CANCEL
    return Phase.JUDGE if succeeded else Phase.WORK


def _unsent(turn: Turn) -> Next | None:
    limit, since = turn.run.policy.deadlines.submit, turn.state.submitted_at
    if since is None or turn.now - since < limit:
        return None
    message = f"Google did not take job {turn.state.job_id} within {told(limit)}"
    return _stop(turn, Reason.SUBMIT_TIMEOUT, message, "try again later; give policy.deadlines.submit more time")


def late(turn: Turn) -> Next | None:
    """Stop a job that does not begin, runs too long, or gives no sign of life; None for one that is in time.

    It is silent only where its sign of life was looked for just now: what nobody has looked at, as in an outage or before a process went
    on after another one, or what cannot be read, says nothing about the driver.
    """
    limits, stale, state = turn.run.policy.deadlines, turn.run.policy.heartbeat_stale, turn.state
    if state.runs_since is None:
        if state.submitted_at is not None and turn.now - state.submitted_at >= limits.submit:
            message = f"job {state.job_id} does not run {told(limits.submit)} after it was sent"
            return _stop(
                turn,
                Reason.SUBMIT_TIMEOUT,
                message,
                "look at the master's load; give policy.deadlines.submit more time",
            )
        return None
    if turn.now - state.runs_since >= limits.run:
        message = f"job {state.job_id} has run for {told(limits.run)}"
        return _stop(
            turn, Reason.RUN_TIMEOUT, message, "give policy.deadlines.run more time, or the cluster more workers"
        )
    looked = isinstance(turn.seen.heartbeat, HeartbeatView | Gone)
    if stale is not None and looked and turn.now - max(state.runs_since, state.heard_at or state.runs_since) >= stale:
        message = f"job {state.job_id} is {state.job_state}, but its driver gave no sign of life for {told(stale)}"
        return _stop(turn, Reason.HEARTBEAT_STALE, message, "read the driver's log; the master may be out of memory")
    return None


def _hear(turn: Turn) -> None:
    read, state = turn.seen.heartbeat, turn.state
    if isinstance(read, HeartbeatView):
        turn.set(heard_at=read.at)
    elif isinstance(read, CallError) and state.polls % _UNHEARD_EVERY == 1:
        why = f"{read.code} {read.message}".strip()
        turn.note("HEARTBEAT_UNREAD", f"the driver's sign of life cannot be read, so nobody would see it die: {why}")


def _looks(turn: Turn) -> list[Look]:
    polls = turn.state.polls + 1
    turn.set(polls=polls)
    looks = [Look.JOB]
    if turn.run.policy.heartbeat_stale is not None and turn.state.runs_since is not None:
        looks.append(Look.HEARTBEAT)
    if polls % _CLUSTER_EVERY == 0 and turn.state.goal is not Goal.JOB:
        looks.append(Look.OPERATION if turn.state.goal is Goal.WORKFLOW and turn.state.operation else Look.CLUSTER)
    return looks


def _stopped(turn: Turn, job: JobView) -> Next:
    """Find out why a job was told to stop: by this run before a restart, where it is late or silent, else by somebody."""
    unheard = turn.run.policy.heartbeat_stale is not None and turn.seen.heartbeat is None
    if unheard and turn.state.runs_since is not None:
        return turn.look(Look.JOB, Look.HEARTBEAT)
    message = f"job {job.id} was told to stop, and not by this run"
    failure = Failure(code=Reason.JOB_CANCELLED, message=message, hint="somebody stopped it")
    turn.set(cancel_at=turn.now, cancel_for=failure)
    return late(turn) or Phase.CANCEL


def _stop(turn: Turn, code: Reason, message: str, hint: str) -> Phase:
    turn.note(code, message)
    failure = Failure(code=code, message=message, hint=hint, retryable=True, log_uri=turn.state.job_log)
    turn.set(cancel_for=failure, cancel_at=None, replaces=False)
    return Phase.CANCEL


def _grace_over(turn: Turn) -> Next:
    state = turn.state
    failure = state.cancel_for
    if state.goal is Goal.JOB and state.patience is Patience.WAIT:
        before = failure.model_dump(mode="json") if failure else None
        message = f"job {state.job_id} was told to stop, and is {state.job_state or 'not seen'} after its grace"
        hint = "delete its cluster: nothing else stops it"
        failure = Failure(code=Reason.CANCEL_STUCK, message=message, hint=hint, details={"before": before})
    elif state.replaces:
        failure = Failure(
            code=Reason.CANCEL_STUCK, message=f"job {state.job_id} does not stop", hint="delete its cluster"
        )
    return turn.settle(failure)


def _replaced(turn: Turn) -> Phase:
    turn.set(replaces=False, cancel_at=None, cancel_for=None, execution=turn.state.execution + 1, submitted_at=None)
    turn.set(runs_since=None, heard_at=None, job_state="")
    return Phase.SUBMIT


def _is_lost(turn: Turn, cluster: ClusterView | Gone) -> bool:
    return isinstance(cluster, Gone) or cluster.uuid != turn.state.uuid or cluster.state in CLUSTER_LOST


def _verdict(turn: Turn, result: ResultView | None, *, lost: bool) -> Failure:
    state = turn.state
    # A driver that was stopped says so: what else it says came before.
    own = result is not None and not result.ok and result.code != Code.CANCELLED and state.job_state == "ERROR"
    if state.cancel_for is not None and not lost and not own:
        return state.cancel_for.model_copy(update={"log_uri": state.job_log})
    if isinstance(turn.seen.result, CallError) and state.job_state == "DONE":
        failure = diagnose_call(turn.seen.result, f"read the result of job {state.job_id}, which says DONE")
        return failure.model_copy(update={"log_uri": state.job_log})
    if result is None and state.job_state == "DONE":
        message = f"job {state.job_id} says DONE, but left no result"
        return Failure(code=Reason.RESULT_MISSING, message=message, hint="read the driver's log", log_uri=state.job_log)
    if result is None and lost:
        return _lost(turn)
    if not state.job_state:
        message = f"job {state.job_id} is gone"
        return Failure(code=Reason.JOB_LOST, message=message, hint="somebody deleted it", retryable=True)
    said = (result.code, result.message) if result is not None and not result.ok else None
    return diagnose_job(state.job_state, state.job_details, state.job_log, said)


def _lost(turn: Turn) -> Failure:
    state = turn.state
    seen: datetime = min(turn.now, state.job_since) if state.job_state in JOB_FAILED and state.job_since else turn.now
    if was_ttl(seen, state.expires_at):
        lifetime = turn.run.lifetime
        message = f"Google deleted cluster {turn.name} when its time to live of {told(lifetime)} was over, in the middle of the job"
        hint = "shorten policy.deadlines, or give cluster.auto_delete_ttl more time"
        return Failure(code=Reason.TTL, message=message, hint=hint, log_uri=state.job_log)
    message = f"cluster {turn.name} was taken away in the middle of the job, and not by its time to live"
    hint = "look at the audit log of dataproc.clusters.delete"
    return Failure(code=Reason.CLUSTER_LOST, message=message, hint=hint, retryable=True, log_uri=state.job_log)
