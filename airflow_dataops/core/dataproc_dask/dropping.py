# SPDX-License-Identifier: Apache-2.0
"""Clusters that have to go: told by UUID, told again where that failed, watched until they are gone, and loud where they stay."""

from __future__ import annotations

from datetime import timedelta

from airflow_dataops.core.dataproc_dask.diagnosis import Failure, Reason, diagnose_call, is_transient
from airflow_dataops.core.dataproc_dask.observation import ClusterView, Look
from airflow_dataops.core.dataproc_dask.request import delete_request, keep_request
from airflow_dataops.core.dataproc_dask.state import Doomed, Outcome, Patience, Phase
from airflow_dataops.core.dataproc_dask.turn import CallKind, Next, Turn
from airflow_dataops.core.machine import CallError

_BUSY = frozenset({"FAILED_PRECONDITION", "ABORTED"})  # another operation of the cluster is under way
_SLOW = timedelta(seconds=60)  # a delete that was taken shows in the cluster's state by then
_MOST_KEEP_ERRORS = 3


def drop(turn: Turn) -> Next:
    """Delete the doomed clusters, then go on with what follows."""
    state = turn.state
    if state.drop_until is None:
        turn.set(drop_until=turn.now + turn.run.policy.deadlines.delete)
    if turn.seen.reply is not None:
        step = _answered(turn, turn.seen.reply if isinstance(turn.seen.reply, CallError) else None)
        if step is not None:
            return step
    elif turn.seen.clusters is not None:
        step = _listed(turn, turn.seen.clusters)
        if step is not None:
            return step
    waiting = _untold(turn)
    if waiting is None and any(one.refused for one in turn.state.doomed):
        return _refused(turn)
    if not turn.state.doomed or (waiting is None and state.patience is Patience.SEND):
        return _done(turn)
    if turn.state.drop_until is not None and turn.now >= turn.state.drop_until:
        return _stuck(turn)
    if waiting is not None:
        request = delete_request(turn.run.cluster, name=waiting.name, uuid=waiting.uuid, sent=waiting.sent)
        return turn.call(CallKind.DELETE, request)
    return turn.poll(Look.CLUSTERS)


def keep(turn: Turn) -> Next:
    """Let Google leave the cluster of a failed job for a look."""
    state, run = turn.state, turn.run
    wanted, idle = run.policy.keep_failed_for, run.cluster.idle_delete_ttl
    if wanted is None or state.outcome is None or not state.uuid:
        return turn.clean()
    reply = turn.seen.reply
    if wanted > idle and reply is None:
        return turn.call(CallKind.KEEP, keep_request(run.cluster, name=turn.name, uuid=state.uuid, idle=wanted))
    length = max(wanted, idle)
    if isinstance(reply, CallError):
        if is_transient(reply) and state.errors < _MOST_KEEP_ERRORS:
            return turn.again()
        if reply.code == "NOT_FOUND":
            return turn.clean()
        turn.note(
            "KEEP_SHORT", f"Google may not have taken a longer life for {turn.name}: {reply.code} {reply.message}"
        )
        length = length if is_transient(reply) else idle  # an answer that was lost may have been a yes
    until = min(turn.now + length, state.expires_at or turn.now + length)
    turn.set(outcome=state.outcome.model_copy(update={"kept_until": until}))
    turn.note(
        "KEPT", f"cluster {turn.name} stays for a look until {until:%Y-%m-%d %H:%M:%S} UTC; then Google deletes it"
    )
    return Phase.DROP if state.doomed else Phase.END


def _answered(turn: Turn, error: CallError | None) -> Next | None:
    sent = _untold(turn)
    if sent is None:
        return None
    if error is None:
        _replace(turn, sent, sent.model_copy(update={"taken_at": turn.now}))
        turn.set(errors=0)
        turn.note("DELETE", f"cluster {sent.name} is being deleted")
        return None
    if error.code == "NOT_FOUND":
        _replace(turn, sent, None)
        return None
    if is_transient(error) or error.code in _BUSY:
        late = turn.state.drop_until is not None and turn.now >= turn.state.drop_until
        return _stuck(turn) if late else turn.again()
    # The others are told all the same, before this one is told of.
    _replace(turn, sent, sent.model_copy(update={"refused": f"{error.code}: {error.message}"}))
    return None


def _untold(turn: Turn) -> Doomed | None:
    return next((one for one in turn.state.doomed if one.taken_at is None and not one.refused), None)


def _refused(turn: Turn) -> Next:
    one = next(one for one in turn.state.doomed if one.refused)
    code, _, message = one.refused.partition(": ")
    failure = diagnose_call(CallError(code, message), f"delete cluster {one.name}", Reason.DELETE_REFUSED)
    return _loud(turn, Reason.DELETE_REFUSED, failure.message, failure.hint)


def _listed(turn: Turn, read: tuple[ClusterView, ...] | CallError) -> Next | None:
    if isinstance(read, CallError):
        late = turn.state.drop_until is not None and turn.now >= turn.state.drop_until
        if late or not is_transient(read):
            return _stuck(turn, f"{read.code} {read.message}".strip())
        return turn.again(Look.CLUSTERS)
    turn.set(errors=0)
    outcome = turn.state.outcome
    if outcome is not None and outcome.kept_until is None:
        # The run is over: what came true late of a request that was given up goes too.
        others = [
            Doomed(name=view.name, uuid=view.uuid) for view in read if turn.is_ours(view) and view.state != "DELETING"
        ]
        turn.set(doomed=turn.state.with_doomed(*others))
    states = {view.uuid: view.state for view in read}
    for one in turn.state.doomed:
        if one.taken_at is None:
            continue
        if one.uuid not in states:
            _replace(turn, one, None)
        elif states[one.uuid] != "DELETING" and turn.now - one.taken_at > _SLOW:
            turn.note("DELETE_AGAIN", f"cluster {one.name} is {states[one.uuid]} although it was told to go")
            _replace(turn, one, one.model_copy(update={"taken_at": None, "sent": one.sent + 1}))
    return None


def _replace(turn: Turn, old: Doomed, new: Doomed | None) -> None:
    doomed = tuple(new if one is old else one for one in turn.state.doomed)
    turn.set(doomed=tuple(one for one in doomed if one is not None))
    if new is None:
        turn.note("DELETED", f"cluster {old.name} is gone")
        turn.set(lives=turn.state.closed(old.uuid, turn.now))


def _done(turn: Turn) -> Next:
    after = turn.state.after
    if after is not Phase.END:
        turn.set(drop_until=None, after=Phase.END, errors=0, haunted=False)
    return after


def _stuck(turn: Turn, unseen: str = "") -> Next:
    listed = ", ".join(one.name for one in turn.state.doomed)
    if turn.state.outcome is None and not turn.state.haunted:
        turn.note("DELETE_SLOW", f"{listed}: still being deleted; going on without waiting for it")
        return _done(turn)
    message = f"{listed}: told to go, and not seen to be gone by the deadline"
    if unseen:
        message = f"{listed}: told to go, and nobody can see whether it is gone: {unseen}"
    return _loud(
        turn, Reason.DELETE_STUCK, message, "look at it in the console; the janitor and Google's time to live delete it"
    )


def _loud(turn: Turn, code: Reason, message: str, hint: str | None) -> Next:
    """End with the clean-up's failure, whatever the job said; that is told in the details."""
    before = turn.state.outcome.failure if turn.state.outcome is not None else turn.state.failure
    left = [{"name": one.name, "uuid": one.uuid} for one in turn.state.doomed]
    details = {"left": left, "before": before.model_dump(mode="json") if before else None}
    turn.note(code, message)
    failure = Failure(code=code, message=message, hint=hint, retryable=True, details=details)
    if turn.state.outcome is None and turn.state.uuid not in {"", *(one.uuid for one in turn.state.doomed)}:
        return turn.settle(failure)  # the cluster in use has not been told yet
    turn.set(outcome=Outcome(failure=failure))
    return Phase.END
