# SPDX-License-Identifier: Apache-2.0
"""What earlier tries and lost answers left: take over what is wanted, doom the rest, and touch nothing that is not the run's."""

from __future__ import annotations

from datetime import timedelta
from typing import TypeVar

from airflow_dataops.core.dataproc_dask import names
from airflow_dataops.core.dataproc_dask.diagnosis import Failure, Reason, diagnose_call, is_transient
from airflow_dataops.core.dataproc_dask.observation import (
    CLUSTER_TAKEN,
    JOB_ENDED,
    JOB_FAILED,
    JOB_STOPS,
    ClusterView,
    JobView,
    Look,
)
from airflow_dataops.core.dataproc_dask.state import Doomed, Goal, Life, Outcome, Patience, Phase
from airflow_dataops.core.dataproc_dask.turn import Next, Turn
from airflow_dataops.core.durations import told
from airflow_dataops.core.machine import CallError

_T = TypeVar("_T")


def find(turn: Turn) -> Next:
    """List the run's clusters and jobs, and decide from where to go on."""
    ending = turn.state.outcome is not None
    wanted = [] if turn.state.goal is Goal.JOB else [Look.CLUSTERS]
    if turn.state.job_name and turn.state.goal is not Goal.GONE and not ending:
        wanted.append(Look.JOBS)
    clusters, jobs = turn.seen.clusters, turn.seen.jobs
    for look, read in ((Look.CLUSTERS, clusters), (Look.JOBS, jobs)):
        if look in wanted and isinstance(read, CallError):
            return _unreadable(turn, read, wanted)
    if (Look.CLUSTERS in wanted and clusters is None) or (Look.JOBS in wanted and jobs is None):
        return turn.look(*wanted)
    ours = [view for view in _listed(clusters) if turn.is_ours(view)]
    turn.set(looked=True, errors=0, blind_since=None, lives=_recognised(turn, ours))
    if turn.state.goal is Goal.GONE and not ending:
        turn.settle()
    if turn.state.outcome is not None:
        return _sweep(turn, ours)
    mine = [job for job in _listed(jobs) if is_own_job(turn, job)]
    return _job_first(turn, ours, mine) or _cluster(turn, ours)


def is_own_job(turn: Turn, job: JobView) -> bool:
    """Tell whether a job is an execution of this run's job."""
    return names.is_ours(job.labels, turn.state.own) and job.labels.get(names.JOB) == turn.state.job_name


def is_wanted(turn: Turn, job: JobView) -> bool:
    """Tell whether a job does what is wanted now."""
    return job.labels.get(names.SPEC) == turn.state.job_hash


def is_to_be_replaced(turn: Turn, job: JobView) -> bool:
    """Tell whether a job that has not ended is to give way: it does something else, or an earlier execution's end has stopped it."""
    return not is_wanted(turn, job) or (job.state in JOB_STOPS and not is_of_this_attempt(turn, job))


def is_of_this_life(turn: Turn, job: JobView) -> bool:
    """Tell whether a job's success counts: one from before the task was cleared does not."""
    execution = names.number_of(job.labels, names.EXECUTION)
    return names.number_of(job.labels, names.TRY) >= turn.state.since_try and execution > turn.state.ignored


def is_of_this_attempt(turn: Turn, job: JobView) -> bool:
    """Tell whether a job was sent by this very execution of the task, and so is its verdict."""
    return job.labels.get(names.ATTEMPT) == turn.state.attempt


def remember_job(turn: Turn, job: JobView) -> None:
    """Take down what a job looks like."""
    execution = names.number_of(job.labels, names.EXECUTION) or turn.state.execution
    started = turn.state.goal is Goal.WORKFLOW and execution == turn.state.execution
    turn.set(
        job_id=job.id,
        execution=execution,
        unsure=turn.state.unsure and not started,
        submitted_at=turn.state.submitted_at or turn.now,
        job_attempt=job.labels.get(names.ATTEMPT, ""),
        job_state=job.state,
        job_details=job.details,
        job_since=job.since,
        job_log=job.log_uri or turn.state.job_log,
        runs_since=job.ran_at or turn.state.runs_since,
    )


def take_over(turn: Turn, view: ClusterView) -> None:
    """Use a cluster that is there from now on."""
    generation = names.generation_of(turn.state.base, view.name) or turn.state.generation
    turn.set(generation=generation, cluster=view.name if names.is_managed(turn.state.base, view.name) else "")
    turn.set(
        uuid=view.uuid,
        execution=names.number_of(view.labels, names.EXECUTION) or turn.state.execution,
        operation=turn.state.operation if _is_of_operation(turn, view.uuid) else "",
        unsure=False,
        doubtful=False,
        asked_at=view.created_at or turn.now,
        expires_at=names.moment_of(view.labels.get(names.EXPIRES)),
        lives=turn.alive(view.uuid, view.created_at),
    )


def _recognised(turn: Turn, ours: list[ClusterView]) -> tuple[Life, ...]:
    """Return the lives with the UUIDs of those clusters whose request's answer was lost, so that they are in the bill."""
    found = {view.name: view.uuid for view in ours}
    return tuple(
        life if life.uuid else life.model_copy(update={"uuid": found.get(life.name, "")}) for life in turn.state.lives
    )


def _is_of_operation(turn: Turn, uuid: str) -> bool:
    """Tell whether the operation that is remembered makes this cluster: it says why, where that fails."""
    lives = turn.state.lives
    return turn.state.goal is not Goal.WORKFLOW and bool(lives and lives[-1].uuid == uuid)


def _listed(read: tuple[_T, ...] | CallError | None) -> tuple[_T, ...]:
    return () if read is None or isinstance(read, CallError) else read


def _unreadable(turn: Turn, error: CallError, wanted: list[Look]) -> Next:
    state = turn.state
    ending = state.outcome is not None
    if ending and state.uuid and state.goal is not Goal.JOB:
        turn.set(doomed=state.with_doomed(turn.own_cluster), unsure=False)
        return Phase.DROP
    since = state.blind_since or turn.now
    turn.set(blind_since=since)
    until = state.drop_until if ending else since + _patience(turn)
    if is_transient(error) and until is not None and turn.now < until:
        return turn.again(*wanted)
    failure = diagnose_call(error, "list the run's clusters and jobs")
    if not ending:
        if is_transient(error):
            for_long = f"{failure.message}; asked again and again for {told(_patience(turn))}, and nothing was begun"
            failure = failure.model_copy(update={"message": for_long} if not state.lives else {})
        turn.settle(failure)
        return Phase.END if not state.lives else Phase.FIND
    if state.lives or _is_over_budget(turn):  # of an earlier try, where this one has asked for nothing
        message = (
            f"clusters of {state.base!r} may be left: {failure.message}; Google deletes them when their time is over"
        )
        failure = Failure(code=Reason.DELETE_STUCK, message=message, hint="run the janitor: `dataops janitor`")
        turn.set(outcome=Outcome(failure=failure))
    return Phase.END


def _patience(turn: Turn) -> timedelta:
    """Return how long a list that cannot be read is asked for again; nothing may be made, sent or deleted meanwhile."""
    limits = turn.run.policy.deadlines
    return {Goal.JOB: limits.submit, Goal.GONE: limits.delete}.get(turn.state.goal, limits.create)


def _is_over_budget(turn: Turn) -> bool:
    failure = turn.state.outcome.failure if turn.state.outcome is not None else None
    return failure is not None and failure.code is Reason.OVER_BUDGET


def _sweep(turn: Turn, ours: list[ClusterView]) -> Next:
    state = turn.state
    there = {view.uuid for view in ours}
    # A list may lag behind: one that was not told to go yet is told, and Google says whether it is there.
    turn.set(doomed=tuple(one for one in state.doomed if one.uuid in there or one.taken_at is None))
    turn.set(doomed=turn.state.with_doomed(*(_doom(turn, view) for view in ours)))
    turn.set(doomed=turn.state.with_doomed(turn.own_cluster))
    found = {names.generation_of(state.base, view.name) for view in ours if view.uuid}
    unsure = state.unsure and state.generation not in found
    turn.set(unsure=unsure)
    if turn.state.doomed:
        return Phase.DROP
    nameless = any(not view.uuid for view in ours)
    if (unsure or nameless) and state.settle_until is not None and turn.now < state.settle_until:
        length = (
            min(turn.run.policy.poll, timedelta(seconds=2)) if state.patience is Patience.SEND else turn.run.policy.poll
        )
        return turn.look(Look.CLUSTERS, delay=length)
    return Phase.END


def _doom(turn: Turn, view: ClusterView) -> Doomed:
    return Doomed(name=view.name, uuid=view.uuid, taken_at=turn.now if view.state == "DELETING" else None)


def _job_first(turn: Turn, ours: list[ClusterView], mine: list[JobView]) -> Next | None:
    """Go on from a job of the run that lives, succeeded, or was this attempt's and failed; None where there is none."""
    if not turn.state.job_name:
        return None
    mine = sorted(mine, key=lambda job: names.number_of(job.labels, names.EXECUTION))
    for job in reversed(mine):
        done = job.state == "DONE" and is_wanted(turn, job) and is_of_this_life(turn, job)
        if done or (job.state in JOB_FAILED and is_of_this_attempt(turn, job)):
            remember_job(turn, job)
            turn.note("ATTACHED", f"job {job.id} has ended already, as {job.state}")
            _note_cluster_of(turn, job, ours)
            return Phase.JUDGE
    live = next((job for job in reversed(mine) if job.state not in JOB_ENDED), None)
    taken = _attach(turn, live, ours) if live is not None else None
    if taken is None and mine:
        turn.set(execution=names.number_of(mine[-1].labels, names.EXECUTION) + 1)
    return taken or (Phase.SUBMIT if turn.state.goal is Goal.JOB else None)


def _attach(turn: Turn, job: JobView, ours: list[ClusterView]) -> Next | None:
    home = _home(job, ours)
    alive = turn.state.goal is Goal.JOB or (home is not None and home.state in CLUSTER_TAKEN)
    if not alive:
        turn.note(
            "JOB_LOST", f"job {job.id} says {job.state}, but its cluster {job.cluster_name} does not run any more"
        )
        turn.set(haunted=home is not None)
        if not is_of_this_attempt(turn, job):
            return None
        remember_job(turn, job)
        turn.set(doomed=turn.state.with_doomed(*(_doom(turn, view) for view in ours)))
        return Phase.JUDGE
    if home is not None and is_to_be_replaced(turn, job):
        why = "does something else than is wanted now" if job.state not in JOB_STOPS else "was told to stop"
        turn.note("REPLACED", f"job {job.id} {why}; it goes with its cluster")
        turn.set(doomed=turn.state.with_doomed(_doom(turn, home)), haunted=True)
        return None
    if home is not None:
        take_over(turn, home)
        turn.note("ADOPTED", f"cluster {home.name} is there already")
        others = [_doom(turn, view) for view in ours if view.uuid != home.uuid]
        turn.set(doomed=turn.state.with_doomed(*others))
    remember_job(turn, job)
    if is_to_be_replaced(turn, job):
        text = f"job {job.id} does something else than is wanted now"
        turn.set(cancel_for=Failure(code=Reason.JOB_CANCELLED, message=text), replaces=True)
        return Phase.CANCEL
    turn.note("ATTACHED", f"job {job.id} is there already")
    return Phase.WORK


def _home(job: JobView, ours: list[ClusterView]) -> ClusterView | None:
    return next(
        (view for view in ours if view.name == job.cluster_name and job.cluster_uuid in ("", view.uuid) and view.uuid),
        None,
    )


def _note_cluster_of(turn: Turn, job: JobView, ours: list[ClusterView]) -> None:
    home = _home(job, ours)
    if home is not None:
        take_over(turn, home)
        turn.set(doomed=turn.state.with_doomed(*(_doom(turn, view) for view in ours if view.uuid != home.uuid)))
    else:
        turn.set(doomed=turn.state.with_doomed(*(_doom(turn, view) for view in ours)))


def _cluster(turn: Turn, ours: list[ClusterView]) -> Next:
    doomed = {one.uuid for one in turn.state.doomed}
    usable = [view for view in ours if view.uuid not in doomed and _is_usable(turn, view)]
    newest = max(usable, key=lambda view: names.generation_of(turn.state.base, view.name) or 0, default=None)
    rest = [_doom(turn, view) for view in ours if view is not newest]
    for view in ours:
        if view is not newest and view.state != "DELETING":
            turn.note("REPLACED", f"cluster {view.name} is {view.state} and not what is wanted; it is deleted")
    turn.set(doomed=turn.state.with_doomed(*rest))
    if not ours and turn.state.operation and turn.state.goal is not Goal.WORKFLOW:
        return Phase.MAKE  # it may be gone already, or the list is late: its operation knows
    if newest is not None:
        if newest.uuid != turn.state.uuid:
            turn.note("ADOPTED", f"cluster {newest.name} is {newest.state} already")
        take_over(turn, newest)
        after = Phase.MAKE
    else:
        used = max((names.generation_of(turn.state.base, view.name) or 0 for view in ours), default=0)
        workflows = max((names.number_of(view.labels, names.EXECUTION) for view in ours), default=0)
        turn.set(generation=max(turn.state.generation, used + 1), uuid="", cluster="")
        turn.set(execution=max(turn.state.execution, workflows + 1))
        after = Phase.ASK
    turn.set(after=after)
    return Phase.DROP if rest else after


def _is_usable(turn: Turn, view: ClusterView) -> bool:
    limits, expires = turn.run.policy.deadlines, names.moment_of(view.labels.get(names.EXPIRES))
    needed = limits.submit + limits.run + limits.cancel
    managed = names.is_managed(turn.state.base, view.name)
    over = managed and names.number_of(view.labels, names.EXECUTION) < turn.state.execution
    return (
        bool(view.uuid)
        and managed == (turn.state.goal is Goal.WORKFLOW)
        and not over
        and view.state in CLUSTER_TAKEN
        and view.labels.get(names.SPEC) == turn.state.cluster_hash
        and expires is not None
        and turn.now + needed <= expires
    )
