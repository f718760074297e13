# SPDX-License-Identifier: Apache-2.0
"""The machine: what is remembered, what is seen and the time go in; what to do next comes out.

A performer does this, and nothing else::

    step = begin(run, identity, now=now(), try_number=try_number)
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

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.identity import RunIdentity
from airflow_dataops.core.spark_k8s import names
from airflow_dataops.core.spark_k8s.dropping import drop
from airflow_dataops.core.spark_k8s.failures import Reason, failure
from airflow_dataops.core.spark_k8s.finding import find
from airflow_dataops.core.spark_k8s.judging import judge
from airflow_dataops.core.spark_k8s.making import check, create, furnish
from airflow_dataops.core.spark_k8s.observation import Observation
from airflow_dataops.core.spark_k8s.spec import RunParts
from airflow_dataops.core.spark_k8s.state import Doomed, Outcome, Patience, Phase, State
from airflow_dataops.core.spark_k8s.turn import Call, End, Next, Step, Turn
from airflow_dataops.core.spark_k8s.watching import too_long, watch

_MOST_HOPS = 30


def begin(
    run: RunParts, identity: RunIdentity, *, now: datetime, try_number: int = 1, since_try: int = 1, attempt: int = 1
) -> Step:
    """Return the first step of a task's try.

    Args:
        run: What is wanted.
        identity: The run.
        now: The time.
        try_number: Number of the try.
        since_try: First try since the task was last cleared: a success from before it is not taken over.
        attempt: Lowest number of a driver that this try makes. Drivers that are there are numbered on from, so 1 will do. In mode
            direct ``(try_number - 1) * policy.attempts + 1`` also keeps apart what was deleted without a trace; in mode crd only the
            name keeps a create of a dead process that is still under way from becoming a second driver, so leave it at 1 there.

    Raises:
        SpecError: The run is none for this machine (``SPARK_MODE``).
    """
    mode = run.target.mode
    if mode == "standalone":
        raise SpecError(
            "mode standalone has no driver in Kubernetes", hint="write mode: direct or mode: crd", code="SPARK_MODE"
        )
    policy = run.policy
    each = 3 * policy.start_timeout + policy.run_timeout + 2 * policy.delete_timeout
    state = State(
        identity=identity,
        mode=mode,
        own=names.run_labels(identity),
        spec=names.spec_hash(run),
        try_number=try_number,
        since_try=since_try,
        floor=max(1, attempt),
        find_until=now + policy.start_timeout,
        work_until=now + max(1, policy.attempts) * each,
    )
    return decide(run, state, Observation(), now)


def decide(run: RunParts, state: State, seen: Observation, now: datetime, jitter: float = 0.5) -> Step:
    """Return what to do next.

    Args:
        run: What is wanted; the same as before.
        state: What the last step said to remember.
        seen: The answer to its call, and what it asked to look at.
        now: The time.
        jitter: A random number from 0 up to 1; it spreads polls and repetitions.
    """
    turn = Turn(run, state, seen, now, jitter)
    overdue = state.outcome is None and state.ended is None and now >= state.work_until
    following: Next = turn.settle(state.why or too_long(turn)) if overdue else _HANDLERS[state.phase](turn)
    for _ in range(_MOST_HOPS):
        if isinstance(following, Step):
            return following
        turn.set(phase=following)
        turn.seen = Observation()
        following = _HANDLERS[following](turn)
    raise RuntimeError(f"the machine does not come to rest: {turn.state.phase}")


def stop(run: RunParts, state: State, now: datetime, *, why: str, wait: bool = False) -> Step:
    """Return the first step of ending the run now; then :func:`decide` goes on as ever.

    Args:
        run: What is wanted.
        state: What is remembered, or was at some earlier moment.
        now: The time.
        why: What happened, for people: ``"the task was marked failed"``.
        wait: True waits until the driver is gone; False only until the request to delete is taken (``on_kill`` has 30 seconds).
    """
    if state.phase is Phase.END and not (state.outcome is not None and state.outcome.goes_on):
        return decide(run, state, Observation(), now)
    before = None if state.outcome is None or state.outcome.goes_on else state.outcome
    patience = Patience.WAIT if wait else Patience.SEND
    turn = Turn(run, state, Observation(), now, 0.5)
    turn.set(patience=patience, resend=False, errors=0)
    following = turn.settle(failure(Reason.KILLED, why))
    if wait or not state.uid:
        following = Phase.FIND  # the state may be an old one: list
    if before is not None:
        turn.set(outcome=before)
    turn.set(phase=following)
    return decide(run, turn.state, Observation(), now)


def drop_left(run: RunParts, state: State, left: tuple[Doomed, ...], now: datetime) -> Step:
    """Return the first step of deleting drivers that have ended, after their run's outcome was told.

    Args:
        run: What was wanted.
        state: Of :func:`begin`.
        left: ``Outcome.left``.
        now: The time.
    """
    dropping = {"phase": Phase.DROP, "outcome": Outcome(), "doomed": left}
    dropping["drop_until"] = now + run.policy.delete_timeout
    return decide(run, state.model_copy(update=dropping), Observation(), now)


def resume(run: RunParts, state: State, now: datetime) -> Step:
    """Return the first step after the process that held the state was lost; the state may be older than what has happened since.

    It looks at what is there before anything else, so it makes nothing twice.
    """
    kept = {Phase.END, Phase.JUDGE, Phase.DROP if state.outcome is not None else Phase.END}
    if state.phase in kept or (state.phase in (Phase.WATCH, Phase.FURNISH) and state.uid):
        return decide(run, state.model_copy(update={"resend": False, "errors": 0, "resumed": True}), Observation(), now)
    fresh = {"phase": Phase.FIND, "after": Phase.END, "resend": False, "errors": 0, "resumed": True}
    if state.outcome is None:
        fresh |= {"doomed": (), "drop_until": None, "find_until": now + run.policy.start_timeout}
    return decide(run, state.model_copy(update=fresh), Observation(), now)


_HANDLERS: dict[Phase, Callable[[Turn], Next]] = {
    Phase.FIND: find,
    Phase.CREATE: create,
    Phase.CHECK: check,
    Phase.FURNISH: furnish,
    Phase.WATCH: watch,
    Phase.JUDGE: judge,
    Phase.DROP: drop,
    Phase.END: Turn.end,
}

__all__ = ["Call", "End", "Observation", "Step", "begin", "decide", "drop_left", "resume", "stop"]
