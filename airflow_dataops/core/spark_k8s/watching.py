# SPDX-License-Identifier: Apache-2.0
"""A driver that is there: watched until it ends, told to go where it is late, and never called a success for being gone."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow_dataops.core.durations import told
from airflow_dataops.core.machine import CallError, Gone
from airflow_dataops.core.spark_k8s import names
from airflow_dataops.core.spark_k8s.application_state import Stage, is_known
from airflow_dataops.core.spark_k8s.diagnosis import PULL_NEVER, config_trouble, diagnose, image_trouble
from airflow_dataops.core.spark_k8s.failures import Failure, Reason, failure
from airflow_dataops.core.spark_k8s.finding import parts_of
from airflow_dataops.core.spark_k8s.observation import ApplicationView, Driver, ExecutorView, Look, PodView
from airflow_dataops.core.spark_k8s.program import is_full
from airflow_dataops.core.spark_k8s.state import Phase
from airflow_dataops.core.spark_k8s.turn import Next, Turn

_EXECUTORS_EVERY = 3  # looks at the driver for one at its executors
_MOST_MENDED = 5
_COLLECTED = timedelta(seconds=5)
_MOST_DEAD, _MOST_LINES = 6, 5


def watch(turn: Turn) -> Next:
    """Look at the driver, and decide whether it is well."""
    seen, state = turn.seen, turn.state
    read: Driver | Gone | CallError | None = seen.pod if state.direct else seen.application
    if read is None:
        return turn.look(*_looks(turn))
    if isinstance(read, CallError):
        return _unreadable(turn, read)
    if isinstance(read, Gone) or read.uid != state.uid:
        turn.set(lost=True)
        return Phase.JUDGE
    if read.stage is Stage.WAITS and state.driver is not None and state.driver.stage is Stage.RUNS:
        turn.set(waits_since=turn.now)  # its operator starts it anew
    turn.remember(read)
    turn.set(polls=state.polls + 1, errors=0)
    turn.see_pod()
    if not isinstance(seen.executors, CallError | None):
        count(turn, seen.executors)
    if read.stage in (Stage.SUCCEEDED, Stage.FAILED):
        turn.set(ended=read.stage)
        return Phase.JUDGE
    if read.deleting:
        return _going(turn, read)
    if _is_late(turn):
        return turn.settle(too_long(turn))
    waits = read.stage is Stage.WAITS and not _runs_all_the_same(turn, read)
    return _starting(turn) if waits else turn.poll(*_looks(turn))


def _runs_all_the_same(turn: Turn, read: Driver) -> bool:
    """Tell whether a driver's pod runs whose operator says a word that is not known here; it has the time that a driver that runs has."""
    state = turn.state
    if isinstance(read, PodView) or is_known(read.state):
        return False
    if read.state not in state.told:
        turn.set(told=(*state.told, read.state))
        turn.note(
            "STATE_UNKNOWN",
            f"SparkApplication {read.name} is {read.state}, which is not known here; its pod is looked at",
        )
    if state.pod is None or state.pod.stage is not Stage.RUNS:
        return False
    turn.set(waits_since=turn.now, runs_since=state.runs_since or turn.now)
    return True


def _looks(turn: Turn) -> tuple[Look, ...]:
    state = turn.state
    looks = [Look.POD] if state.direct else [Look.APPLICATION]
    if not state.direct:
        looks.append(Look.POD if state.application is not None and state.application.driver_pod else Look.PODS)
    view = state.driver
    if view is None or view.stage is Stage.WAITS:
        looks.append(Look.EVENTS)
    elif state.polls % _EXECUTORS_EVERY == 0:
        looks.append(Look.EXECUTORS)
    return tuple(looks)


def _starting(turn: Turn) -> Next:
    """Decide about a driver that does not run yet."""
    state, policy = turn.state, turn.policy
    events = () if isinstance(turn.seen.events, CallError | None) else turn.seen.events
    pod = state.pod
    if pod is not None:
        box = image_trouble(pod)
        turn.set(pull_since=(state.pull_since or turn.now) if box is not None else None)
        since = turn.state.pull_since
        if box is not None and since is not None:
            turn.hint(diagnose(pod, events))
            if box.reason in PULL_NEVER or turn.now - since >= policy.image_pull_grace:
                return Phase.JUDGE
        if config_trouble(pod, events):
            found = diagnose(pod, events)
            if not _is_of_own_part(turn, found):
                turn.hint(found)
            if parts_of(turn) and _is_to_mend(turn):
                turn.set(mended=state.mended + 1, to_make=parts_of(turn))
                return Phase.FURNISH
        elif not pod.node and any(event.reason == "FailedScheduling" for event in events):
            turn.hint(diagnose(pod, events))
    if turn.now - _waits(turn) >= policy.start_timeout:
        return Phase.JUDGE
    return turn.poll(*_looks(turn))


def _is_of_own_part(turn: Turn, found: Failure) -> bool:
    """Tell whether a pod waits for what the run makes right after it: a node often looks in between, and nobody has to do anything."""
    own = (names.config_name(turn.state.name), names.secret_name(turn.state.name))
    return any(f'"{name}"' in found.message for name in own)


def _is_to_mend(turn: Turn) -> bool:
    """Tell whether what the driver waits for is to be made again.

    In mode crd a driver's Secret has the name of that of an earlier application, which goes with its owner only after a while: until then
    ours cannot be made, and nobody may look.
    """
    state, waited = turn.state, turn.now - _waits(turn)
    if state.direct:
        return state.mended < _MOST_MENDED and waited >= turn.policy.poll
    return waited >= (state.mended + 1) * max(turn.policy.poll, _COLLECTED)


def _is_late(turn: Turn) -> bool:
    since = turn.state.runs_since
    return since is not None and turn.now - since >= turn.policy.run_timeout


def _going(turn: Turn, view: Driver) -> Next:
    """Wait for the end of a driver that somebody else deletes: a while."""
    turn.hint(failure(Reason.DRIVER_DELETED, f"driver {view.name} is being deleted, and not by this run"))
    since = view.deleting_since or turn.now
    if turn.now - since >= turn.policy.delete_timeout:
        turn.set(lost=True)
        return Phase.JUDGE
    return turn.poll(*_looks(turn))


def _unreadable(turn: Turn, error: CallError) -> Next:
    state = turn.state
    if _is_late(turn):
        return turn.settle(too_long(turn))
    if turn.now - _waits(turn) >= turn.policy.start_timeout + turn.policy.run_timeout:
        return turn.settle(turn.refused(error, f"look at driver {state.name}"))
    if turn.bears(error):
        return turn.again(*_looks(turn))
    # Nobody may look, and that says nothing about the driver: it goes on.
    return turn.settle(turn.refused(error, f"look at driver {state.name}"), goes_on=True)


def too_long(turn: Turn) -> Failure:
    """Return the failure of a driver that has run for longer than it may."""
    message = f"driver {turn.state.name} has run for {told(turn.policy.run_timeout)}"
    return failure(Reason.RUN_TIMEOUT, message)


def not_started(turn: Turn, found: Failure) -> Failure:
    """Return the failure of a driver that does not start, with how long it was waited for."""
    state = turn.state
    if not state.direct and isinstance(state.application, ApplicationView):
        word, ended = state.application.state, state.pod is None or state.pod.stage is not Stage.WAITS
        if not word and state.pod is None:
            message = f"no operator has touched SparkApplication {state.name} for {told(turn.policy.start_timeout)}"
            return failure(Reason.OPERATOR_MISSING, message, state.application.message)
        if not is_known(word) and ended:
            pod = f"its pod {state.pod.name} is {state.pod.phase}" if state.pod is not None else "it has no pod"
            message = f"SparkApplication {state.name} is {word}, which is not known here; {pod}"
            return failure(Reason.STATE_UNKNOWN, message, state.application.message)
    waited = turn.now - _waits(turn)
    if waited < turn.policy.start_timeout:
        return found
    message = f"driver {state.name} does not run after {told(turn.policy.start_timeout)}: {found.message}"
    return found.model_copy(update={"message": message})


def count(turn: Turn, executors: tuple[ExecutorView, ...]) -> None:
    """Take down how many executors run, and those that died for their memory: Spark deletes their pods soon."""
    state = turn.state
    running = sum(one.stage is Stage.RUNS for one in executors)
    known = {one.uid: one for one in state.dead}
    known |= {one.uid: _small(one) for one in executors if is_full(one)}
    if len(known) > len(state.dead):
        newest = list(known.values())[-1]
        shown = f": {newest.lines[-1]}" if newest.lines else ""
        turn.note("EXECUTOR_OOM", f"executor {newest.name} was killed for its memory{shown}")
    dead = tuple(known.values())[-_MOST_DEAD:]
    turn.set(executor_peak=max(state.executor_peak, running), dead=dead)


def _small(one: ExecutorView) -> ExecutorView:
    return one.model_copy(update={"labels": {}, "conditions": (), "lines": one.lines[-_MOST_LINES:]})


def _waits(turn: Turn) -> datetime:
    return turn.state.waits_since or turn.now
