# SPDX-License-Identifier: Apache-2.0
"""What earlier tries and lost answers left: take over what is wanted, doom the rest, and touch nothing that is not the run's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from airflow_dataops.core.machine import CallError
from airflow_dataops.core.spark_k8s import names
from airflow_dataops.core.spark_k8s.application_state import Stage
from airflow_dataops.core.spark_k8s.failures import Failure, Reason, failure
from airflow_dataops.core.spark_k8s.observation import ApplicationView, Driver, Look, PodView
from airflow_dataops.core.spark_k8s.state import TRY, CallKind, Doomed, Patience, Phase
from airflow_dataops.core.spark_k8s.turn import Next, Turn

_SOON = timedelta(seconds=2)
_ALIVE = (Stage.WAITS, Stage.RUNS)


def find(turn: Turn) -> Next:
    """List the run's drivers, and decide from where to go on."""
    wanted = (Look.PODS,) if turn.state.direct else (Look.APPLICATIONS, Look.PODS)
    reads: tuple[Sequence[Driver] | CallError | None, ...] = (turn.seen.applications, turn.seen.pods)
    reads = reads[-len(wanted) :]
    error = next((read for read in reads if isinstance(read, CallError)), None)
    if error is not None:
        return _unreadable(turn, error, wanted)
    if any(read is None for read in reads):
        return turn.look(*wanted)
    turn.set(errors=0)
    listed = [view for read in reads if not isinstance(read, CallError | None) for view in read if turn.is_ours(view)]
    ours = [view for view in listed if turn.state.direct or isinstance(view, ApplicationView)]
    strays = [] if turn.state.direct else _strays(ours, listed)
    if turn.state.outcome is not None:
        return _sweep(turn, ours, strays, wanted)
    if turn.state.uid and turn.state.uid not in {view.uid for view in ours}:
        turn.set(lost=True)  # an earlier process of this try had it: nobody knows how it ended
        return Phase.JUDGE
    turn.set(doomed=_doom(turn, strays))
    return _ended(turn, ours) or _alive(turn, ours) or _next(turn, ours)


def _strays(applications: Sequence[Driver], listed: Sequence[Driver]) -> list[Driver]:
    """Return the operator's driver pods that may be at work although their SparkApplication is gone, or going."""
    kept = {_number(view) for view in applications if not view.deleting}
    return [view for view in _alive_of(listed) if isinstance(view, PodView) and _number(view) not in kept]


def others_alive(turn: Turn, read: Sequence[PodView]) -> list[PodView]:
    """Return the run's drivers that may be at work beside the one in use."""
    return [view for view in read if turn.is_ours(view) and view.uid != turn.state.uid and view.stage in _ALIVE]


def _ended(turn: Turn, ours: list[Driver]) -> Next | None:
    """Go on from a driver that succeeded, or was this try's own and failed; None where there is none."""
    state = turn.state
    done = [view for view in ours if _is_success(turn, view)]
    own = [view for view in ours if view.stage is Stage.FAILED and _is_own(turn, view)]
    failed = [] if state.made or _alive_of(ours) else own
    chosen = max(done, key=_number, default=None) or max(failed, key=_number, default=None)
    if chosen is None:
        return None
    turn.note("ATTACHED", f"driver {chosen.name} is there already, and has {chosen.stage.value}")
    turn.use(chosen, adopted=try_of(chosen) != state.try_number)
    turn.see_pod()
    turn.set(ended=chosen.stage, doomed=_doom(turn, [view for view in _alive_of(ours) if view is not chosen]))
    return Phase.JUDGE


def _is_success(turn: Turn, view: Driver) -> bool:
    """Tell whether a driver's success counts: one of another program, or from before the task was cleared, does not."""
    return view.stage is Stage.SUCCEEDED and _is_wanted(turn, view) and try_of(view) >= turn.state.since_try


def _is_own(turn: Turn, view: Driver) -> bool:
    """Tell whether a driver's failure is that of this very try, and so its verdict."""
    state = turn.state
    return view.uid == state.uid or (try_of(view) == state.try_number and _number(view) >= state.floor)


def _alive(turn: Turn, ours: list[Driver]) -> Next | None:
    """Take over the driver that lives; None where there is none."""
    usable = [view for view in _alive_of(ours) if not view.deleting and _is_wanted(turn, view)]
    chosen = max(usable, key=lambda view: (view.stage is Stage.RUNS, _number(view)), default=None)
    others = [view for view in _alive_of(ours) if view is not chosen]
    for view in others:
        if not view.deleting:
            turn.note("REPLACED", f"driver {view.name} is not what is wanted now; it is deleted")
    turn.set(doomed=_doom(turn, others))
    if chosen is None:
        return None
    if chosen.uid != turn.state.uid:
        turn.note("ADOPTED", f"driver {chosen.name} is there already, and {chosen.stage.value}")
    turn.use(chosen, adopted=try_of(chosen) != turn.state.try_number or turn.state.adopted)
    turn.see_pod()
    turn.set(to_make=parts_of(turn) if chosen.stage is Stage.WAITS else ())
    turn.set(after=Phase.FURNISH if turn.state.to_make else Phase.WATCH)
    return Phase.DROP if turn.state.doomed else turn.state.after


def _next(turn: Turn, ours: list[Driver]) -> Next:
    """Go on to a new driver, as soon as the old ones that may be at work are gone."""
    state = turn.state
    highest = max((_number(view) for view in ours), default=0)
    attempt = max(state.floor, state.attempt, highest + 1)
    if attempt > names.MOST_ATTEMPTS:
        return turn.settle(failure(Reason.ATTEMPTS_USED_UP, f"driver {names.MOST_ATTEMPTS} of this run has failed"))
    over = [view for view in ours if view.stage not in _ALIVE and not view.deleting and _is_stale(turn, view)]
    turn.set(attempt=attempt, uid="", pod=None, application=None, ended=None, lost=False)
    turn.set(doomed=_doom(turn, over), after=Phase.CREATE)
    return Phase.DROP if turn.state.doomed else Phase.CREATE


def parts_of(turn: Turn) -> tuple[CallKind, ...]:
    """Return what a driver gets after it was made: it starts when it has all of it."""
    app, direct = turn.run.app, turn.state.direct
    secret = any(isinstance(value, str) for value in app.secret_env.values())
    wanted = (
        (CallKind.CREATE_CONFIG, direct),
        (CallKind.CREATE_SECRET, secret),
        (CallKind.CREATE_SERVICE, direct and app.service),
    )
    return tuple(kind for kind, is_wanted in wanted if is_wanted)


def _unreadable(turn: Turn, error: CallError, wanted: tuple[Look, ...]) -> Next:
    state, ending = turn.state, turn.state.outcome is not None
    if ending and state.uid:
        turn.set(doomed=state.with_doomed(*turn.own_driver()), unsure=False)
        return Phase.DROP
    until = state.drop_until if ending else state.find_until
    if turn.bears(error) and until is not None and turn.now < until:
        return turn.again(*wanted)
    if ending:
        turn.note("UNREACHABLE", f"nobody says whether a driver of the run is left: {error.code} {error.message}")
        return Phase.END
    turn.settle(_no_list(turn, error))
    return Phase.END


def _no_list(turn: Turn, error: CallError) -> Failure:
    if error.code == "NOT_FOUND" and not turn.state.direct:
        return failure(Reason.OPERATOR_MISSING, "the API server has no SparkApplications", error.message)
    return turn.refused(error, "list the run's drivers")


def _sweep(turn: Turn, ours: list[Driver], strays: list[Driver], wanted: tuple[Look, ...]) -> Next:
    """Doom all that is left; wait a while for what an unknown request may still make."""
    state = turn.state
    left = [view for view in ours if view.stage in _ALIVE or view.uid == state.uid]
    turn.set(doomed=_doom(turn, [*left, *strays]))
    unsure = state.unsure and state.attempt not in {_number(view) for view in ours}
    turn.set(unsure=unsure)
    if turn.state.doomed:
        return Phase.DROP
    if unsure and state.settle_until is not None and turn.now < state.settle_until:
        return turn.look(*wanted, delay=_SOON if state.patience is Patience.SEND else turn.policy.poll)
    turn.set(unsure=False)
    return Phase.END


def _doom(turn: Turn, views: Sequence[Driver]) -> tuple[Doomed, ...]:
    return turn.state.with_doomed(*(turn.doom(view) for view in views))


def _alive_of(ours: Sequence[Driver]) -> list[Driver]:
    return [view for view in ours if view.stage in _ALIVE]


def _is_wanted(turn: Turn, view: Driver) -> bool:
    """Tell whether a driver runs the program that is wanted now."""
    return view.labels.get(names.SPEC) == turn.state.spec


def _is_stale(turn: Turn, view: Driver) -> bool:
    """Tell whether an ended driver has been kept for long enough."""
    keep = turn.policy.keep_failed_for
    return keep is None or view.created_at is None or turn.now - view.created_at > keep


def _number(view: Driver) -> int:
    return names.attempt_of(view.labels)


def try_of(view: Driver) -> int:
    """Return which try of the task made a driver; 0 where it does not say."""
    told = view.labels.get(TRY, "")
    return int(told) if told.isdecimal() else 0
