# SPDX-License-Identifier: Apache-2.0
"""Drivers that have to go: told by UID, told again where that failed, and watched until they are gone where somebody has the time."""

from __future__ import annotations

from airflow_dataops.core.machine import CallError
from airflow_dataops.core.spark_k8s.failures import Failure, Reason, failure
from airflow_dataops.core.spark_k8s.observation import Look
from airflow_dataops.core.spark_k8s.state import CallKind, Doomed, Patience, Phase
from airflow_dataops.core.spark_k8s.turn import Next, Turn


def drop(turn: Turn) -> Next:
    """Delete the doomed drivers, then go on with what follows."""
    state = turn.state
    if state.drop_until is None:
        turn.set(drop_until=turn.now + turn.policy.delete_timeout)
    if turn.seen.reply is not None:
        step = _answered(turn, turn.seen.reply if isinstance(turn.seen.reply, CallError) else None)
        if step is not None:
            return step
    else:
        _listed(turn)
    untold = next((one for one in turn.state.doomed if one.taken_at is None), None)
    if untold is None and not _is_waited_for(turn):
        return _done(turn)
    if turn.state.drop_until is not None and turn.now >= turn.state.drop_until:
        return _stuck(turn)
    if untold is None:
        return turn.poll(*_looks(turn))
    held = state.doubt_until
    if held is not None and turn.now < held and state.patience is Patience.WAIT:
        return turn.look(delay=held - turn.now)
    return turn.call(untold.kind, untold.name, uid=untold.uid)


def _is_waited_for(turn: Turn) -> bool:
    """Tell whether a driver that was told to go has to be gone before all is over: one that has ended only takes up a name."""
    return turn.state.patience is Patience.WAIT and any(one.runs for one in turn.state.doomed)


def _answered(turn: Turn, error: CallError | None) -> Next | None:
    sent = next((one for one in turn.state.doomed if one.taken_at is None), None)
    if sent is None:
        return None
    if error is None:
        _replace(turn, sent, sent.model_copy(update={"taken_at": turn.now}))
        turn.set(errors=0)
        turn.note("DELETE", f"driver {sent.name} is told to go")
        return None
    if error.code in ("NOT_FOUND", "CONFLICT"):  # gone; or another object bears the name, which is not ours to delete
        _replace(turn, sent, None)
        return None
    late = turn.state.drop_until is not None and turn.now >= turn.state.drop_until
    if late or not turn.bears(error):
        return _give_up(turn, turn.refused(error, f"delete {sent.name}"))
    return turn.again(resend=True)


def _listed(turn: Turn) -> None:
    """Strike out what is not listed any more."""
    seen = turn.seen
    for kind, read in ((CallKind.DELETE_POD, seen.pods), (CallKind.DELETE_APPLICATION, seen.applications)):
        if read is None or isinstance(read, CallError):
            continue
        uids = {view.uid for view in read}
        for one in turn.state.doomed:
            if one.kind is kind and one.taken_at is not None and one.uid not in uids:
                _replace(turn, one, None)


def _looks(turn: Turn) -> tuple[Look, ...]:
    kinds = {one.kind for one in turn.state.doomed}
    looks = ((CallKind.DELETE_POD, Look.PODS), (CallKind.DELETE_APPLICATION, Look.APPLICATIONS))
    return tuple(look for kind, look in looks if kind in kinds)


def _replace(turn: Turn, old: Doomed, new: Doomed | None) -> None:
    doomed = tuple(new if one is old else one for one in turn.state.doomed)
    turn.set(doomed=tuple(one for one in doomed if one is not None))
    if new is None:
        turn.note("DELETED", f"driver {old.name} is gone")


def _done(turn: Turn) -> Next:
    after = turn.state.after
    turn.set(doomed=(), drop_until=None, after=Phase.END, errors=0)
    if turn.state.outcome is None:
        return after
    return Phase.FIND if turn.state.unsure else Phase.END


def _stuck(turn: Turn) -> Next:
    listed = ", ".join(one.name for one in turn.state.doomed)
    return _give_up(turn, failure(Reason.DELETE_STUCK, f"{listed}: told to go, and still there"))


def _give_up(turn: Turn, found: Failure) -> Next:
    """Go on without having seen it go: loud where a driver may still be at work, else only said."""
    state = turn.state
    at_work = any(one.runs for one in state.doomed)
    turn.note(found.code, found.message)
    if state.outcome is None:
        if not at_work or state.after is Phase.WATCH:
            turn.set(doomed=())
            return _done(turn)
        turn.settle(found)
        return Phase.END
    before = state.outcome.failure
    if before is not None:
        evidence = (*before.evidence, found.message)
        turn.set(outcome=state.outcome.model_copy(update={"failure": before.model_copy(update={"evidence": evidence})}))
    return Phase.END
