# SPDX-License-Identifier: Apache-2.0
"""The machine: what is remembered, what is seen and the time go in; what to do next comes out.

A performer does this, and nothing else::

    step = begin(run, identity, goal=Goal.RUN, now=now(), attempt=attempt)
    while not isinstance(step.action, End):
        reply = send(step.action) if isinstance(step.action, Call) else None
        sleep(step.delay)
        step = decide(run, step.state, observe(step.state, step.look, reply), now(), jitter=random())

The state before a call already says that the call was made, so that it may be lost at any moment: :func:`resume` starts from any earlier
state, and a new try from none at all.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from airflow_dataops.core.dataproc_dask import managed, names
from airflow_dataops.core.dataproc_dask.budget import Estimate
from airflow_dataops.core.dataproc_dask.diagnosis import Failure, Reason
from airflow_dataops.core.dataproc_dask.dropping import drop, keep
from airflow_dataops.core.dataproc_dask.finding import find
from airflow_dataops.core.dataproc_dask.making import ask, make
from airflow_dataops.core.dataproc_dask.observation import Observation
from airflow_dataops.core.dataproc_dask.request import driver_of
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.dataproc_dask.state import Goal, Outcome, Patience, Phase, State
from airflow_dataops.core.dataproc_dask.turn import (
    Call,
    CallKind,
    End,
    Next,
    Step,
    Turn,
)
from airflow_dataops.core.dataproc_dask.workflow import check_workflow
from airflow_dataops.core.dataproc_dask.working import cancel, give_up_work, judge, submit, work
from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.identity import RunIdentity
from airflow_dataops.core.machine import Note, Wait

_MOST_HOPS = 30
_WITH_JOB = (Goal.RUN, Goal.JOB, Goal.WORKFLOW)


def begin(
    run: DaskRun,
    identity: RunIdentity,
    *,
    goal: Goal,
    now: datetime,
    attempt: str,
    try_number: int = 1,
    since_try: int = 1,
    cluster: tuple[str, str] | None = None,
    estimate: Estimate | None = None,
) -> Step:
    """Return the first step of a task's try.

    Args:
        run: What is wanted.
        identity: The run; tasks that share a cluster share it.
        goal: What the task wants.
        now: The time.
        attempt: Names this execution of the task and no other one, a UUID for instance.
        try_number: Number of the try.
        since_try: First try since the task was last cleared.
        cluster: Of ``Goal.JOB``, and of ``Goal.GONE`` where it is known: name and UUID of the cluster that another task made.
        estimate: Most that the cluster can cost; over the budget, nothing is asked for, and what an earlier try left is deleted.

    Raises:
        SpecError: There is no job although one is wanted, or its cluster is none of the run's (``DASK_RUN_INVALID``); it has no driver or
            document (``JOB_INCOMPLETE``); it asks for what a workflow cannot do (``WORKFLOW_REFUSES``, ``WORKFLOW_TIMEOUT``).
    """
    state = _first_state(run, identity, goal, now).model_copy(
        update={"attempt": names.label_value(attempt), "try_number": try_number, "since_try": since_try}
    )
    if cluster is not None:
        generation = names.generation_of(state.base, cluster[0])
        if generation is None:
            raise SpecError(f"cluster {cluster[0]!r} is none of run {state.base!r}", code="DASK_RUN_INVALID")
        state = state.model_copy(update={"generation": generation, "uuid": cluster[1]})
    if estimate is None or not estimate.over:
        return decide(run, state, Observation(), now)
    note = Note(Reason.OVER_BUDGET, estimate.sentence)
    if run.policy.over_budget == "warn":
        step = decide(run, state, Observation(), now)
        return Step(step.action, step.state, step.delay, step.look, (note, *step.notes))
    return _refused(run, state, now, note)


def decide(run: DaskRun, state: State, seen: Observation, now: datetime, jitter: float = 0.5) -> Step:
    """Return what to do next.

    Args:
        run: What is wanted; the same as before.
        state: What the last step said to remember.
        seen: The answer to its call, and what it asked to look at.
        now: The time.
        jitter: A random number from 0 up to 1; it spreads polls and repetitions.
    """
    turn = Turn(run, state, seen, now, jitter)
    overdue = state.outcome is None and now >= state.work_until
    following: Next = _overdue(turn) if overdue else _handler(turn)(turn)
    for _ in range(_MOST_HOPS):
        if isinstance(following, Step):
            return following
        turn.set(phase=following)
        turn.seen = Observation()
        following = _handler(turn)(turn)
    raise RuntimeError(f"the machine does not come to rest: {turn.state.phase}")


def stop(run: DaskRun, state: State, now: datetime, *, why: str, wait: bool, code: Reason = Reason.KILLED) -> Step:
    """Return the first step of ending the run now; then :func:`decide` goes on as ever.

    Args:
        run: What is wanted.
        state: What is remembered, or was at some earlier moment.
        now: The time.
        why: What happened, for people: ``"the task was marked failed"``.
        wait: True waits until clusters are gone; False only until the requests to delete are taken (``on_kill`` has 30 seconds).
        code: The failure's code where the run had no outcome yet.
    """
    if state.phase is Phase.END:
        return decide(run, state, Observation(), now)
    failure = Failure(code=code, message=why, hint="nothing is left behind; run again when you like", retryable=True)
    patience = Patience.WAIT if wait else Patience.SEND
    state = state.model_copy(update={"patience": patience, "resend": False, "errors": 0})
    turn = Turn(run, state, Observation(), now, 0.5)
    if state.goal is Goal.JOB and state.submitted_at is not None and state.outcome is None:
        turn.set(cancel_for=failure, cancel_at=None, replaces=False, phase=Phase.CANCEL)
        return decide(
            run, turn.state.model_copy(update={"work_until": now + run.policy.deadlines.cancel}), Observation(), now
        )
    if state.goal is Goal.WORKFLOW and state.outcome is None and (state.operation or state.unsure):
        turn.set(cancel_for=failure, cancel_at=None, stopped=False, phase=Phase.CANCEL)
        return decide(run, turn.state, Observation(), now)
    before = state.outcome
    known = state.uuid and not state.unsure and not wait
    turn.set(looked=bool(known))  # with time, list: the state may be an old one
    following = turn.settle(failure)
    if before is not None:
        turn.set(outcome=before)
    turn.set(phase=following)
    return decide(run, turn.state, Observation(), now)


def resume(run: DaskRun, state: State, now: datetime) -> Step:
    """Return the first step after the process that held the state was lost; the state may be older than what has happened since.

    It looks at what is there before anything else, so it makes nothing twice and deletes nothing that is still wanted.
    """
    if state.phase in (Phase.END, Phase.KEEP):
        return decide(run, state, Observation(), now)
    if state.goal is Goal.WORKFLOW and state.operation:
        phase = Phase.CLOSE if state.outcome else Phase.CANCEL if state.cancel_for else Phase.MAKE
        state = state.model_copy(update={"phase": phase, "resend": False, "errors": 0})
        return decide(run, state, Observation(), now)
    fresh = {
        "phase": Phase.FIND,
        "after": Phase.END,
        "uuid": "",
        "cluster": "",
        "resend": False,
        "errors": 0,
        "looked": False,
    }
    if state.goal is Goal.JOB:
        fresh |= {"uuid": state.uuid, "cluster": state.cluster}
    if state.outcome is None:
        fresh |= {"drop_until": None, "cancel_at": None, "cancel_for": None, "replaces": False}
        fresh["attempts"] = max(0, state.attempts - 1)
    return decide(run, state.model_copy(update=fresh), Observation(), now)


def _refused(run: DaskRun, state: State, now: datetime, note: Note) -> Step:
    """Return the first step of a run that costs too much: the end, or on a later try the search for what an earlier one has left."""
    hint = "shorten policy.deadlines.run, take fewer or smaller machines, or raise policy.budget"
    failure = Failure(code=Reason.OVER_BUDGET, message=note.text, hint=hint)
    if state.try_number == 1:
        outcome = Outcome(failure=failure)
        return Step(End(outcome), state.model_copy(update={"phase": Phase.END, "outcome": outcome}), notes=(note,))
    turn = Turn(run, state, Observation(), now, 0.5)
    turn.set(phase=turn.settle(failure))
    step = decide(run, turn.state, Observation(), now)
    return Step(step.action, step.state, step.delay, step.look, (note, *step.notes))


def _first_state(run: DaskRun, identity: RunIdentity, goal: Goal, now: datetime) -> State:
    limits, attempts = run.policy.deadlines, 1 if goal is Goal.WORKFLOW else run.policy.attempts
    if goal is Goal.WORKFLOW:
        check_workflow(run)
    make_until = now + {Goal.JOB: limits.submit, Goal.GONE: limits.delete}.get(
        goal, attempts * (limits.create + limits.delete)
    )
    work = limits.submit + limits.run + limits.cancel
    with_job = run.job if goal in _WITH_JOB else None
    if goal in _WITH_JOB and with_job is None:
        raise SpecError("there is no job to run", hint="add job: {function: module:function}", code="DASK_RUN_INVALID")
    if with_job is not None:
        driver_of(with_job, "")  # what cannot be sent is refused before a cluster is asked for
    return State(
        goal=goal,
        base=names.base_name(identity),
        own=names.run_labels(identity),
        cluster_hash=names.cluster_hash(run.cluster),
        job_hash=names.job_hash(with_job) if with_job else "",
        job_name=with_job.name if with_job else "",
        attempt="",
        began_at=now,
        make_until=make_until,
        work_until=make_until + work if with_job else make_until,
    )


def _overdue(turn: Turn) -> Next:
    phase = turn.state.phase
    if phase is Phase.WORK:
        return give_up_work(turn)
    if phase in (Phase.CANCEL, Phase.JUDGE):
        return _handler(turn)(turn)
    message = f"the time for all work of run {turn.state.base!r} is over, in phase {phase}"
    hint = "run again, or give policy.deadlines more time"
    return turn.settle(turn.state.failure or Failure(code=Reason.DEADLINE, message=message, hint=hint, retryable=True))


_HANDLERS: dict[Phase, Callable[[Turn], Next]] = {
    Phase.FIND: find,
    Phase.ASK: ask,
    Phase.MAKE: make,
    Phase.SUBMIT: submit,
    Phase.WORK: work,
    Phase.CANCEL: cancel,
    Phase.JUDGE: judge,
    Phase.KEEP: keep,
    Phase.DROP: drop,
    Phase.CLOSE: managed.close,
    Phase.END: Turn.end,
}
_OF_WORKFLOW: dict[Phase, Callable[[Turn], Next]] = {
    Phase.ASK: managed.ask,
    Phase.MAKE: managed.make,
    Phase.WORK: managed.watch,
    Phase.CANCEL: managed.cancel,
}


def _handler(turn: Turn) -> Callable[[Turn], Next]:
    phase = turn.state.phase
    return _OF_WORKFLOW.get(phase, _HANDLERS[phase]) if turn.state.goal is Goal.WORKFLOW else _HANDLERS[phase]


__all__ = [
    "Call",
    "CallKind",
    "End",
    "Goal",
    "Note",
    "Observation",
    "Step",
    "Wait",
    "begin",
    "decide",
    "resume",
    "stop",
]
