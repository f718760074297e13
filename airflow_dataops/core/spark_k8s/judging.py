# SPDX-License-Identifier: Apache-2.0
"""The end of a driver: gather what tells why, say it in one code, and go on to the clean-up or to the next driver."""

from __future__ import annotations

import re

from airflow_dataops.core.machine import CallError
from airflow_dataops.core.spark_k8s.application_state import Stage
from airflow_dataops.core.spark_k8s.diagnosis import diagnose, refusal
from airflow_dataops.core.spark_k8s.failures import Failure, Reason, failure
from airflow_dataops.core.spark_k8s.log_errors import short
from airflow_dataops.core.spark_k8s.observation import Look
from airflow_dataops.core.spark_k8s.state import Phase
from airflow_dataops.core.spark_k8s.turn import Next, Turn
from airflow_dataops.core.spark_k8s.watching import count, not_started

_MOST_ERRORS = 3
# Both operators' words for a pod that is gone.
_DRIVER_GONE = re.compile(r"driver (?:pod )?not found|Driver removed", re.IGNORECASE)
# The cluster's doing, which the next driver may be spared.
_MADE_ANEW = frozenset({Reason.EVICTED, Reason.NODE_LOST, Reason.DRIVER_DELETED})


def judge(turn: Turn) -> Next:
    """Say how the driver ended."""
    wanted = _wanted(turn)
    reads = {look: getattr(turn.seen, look.value) for look in wanted}
    if any(read is None for read in reads.values()):
        return turn.look(*wanted)
    if any(isinstance(read, CallError) for read in reads.values()) and turn.state.errors < _MOST_ERRORS:
        return turn.again(*wanted)
    turn.see_pod()
    if turn.state.ended is Stage.SUCCEEDED and not _is_contradicted(turn):
        turn.note("SUCCEEDED", f"driver {turn.state.name} has succeeded")
        return turn.settle()
    found = _failure(turn)
    return _anew(turn, found) or turn.settle(found)


def _wanted(turn: Turn) -> tuple[Look, ...]:
    state = turn.state
    pod = [Look.POD] if not state.direct and state.pod_name else []
    if state.ended is Stage.SUCCEEDED:
        return tuple(pod)
    return (*pod, Look.EVENTS, Look.EXECUTORS, Look.LOG_TAIL)


def _is_contradicted(turn: Turn) -> bool:
    """Tell whether a SparkApplication says that it succeeded, and its driver's own exit code that it did not."""
    pod = turn.state.pod
    code = pod.driver.exit_code if not turn.state.direct and pod is not None and pod.driver is not None else None
    return code is not None and code != 0


def _failure(turn: Turn) -> Failure:
    seen = turn.seen
    if not isinstance(seen.executors, CallError | None):
        count(turn, seen.executors)
    state = turn.state
    events = () if isinstance(seen.events, CallError | None) else seen.events
    log_tail = seen.log_tail if isinstance(seen.log_tail, str) else ""
    said = "" if state.direct or state.application is None else state.application.message
    if (
        not state.direct
        and state.ended is Stage.FAILED
        and state.pod is None
        and said
        and not _DRIVER_GONE.search(said)
    ):
        return refusal(said) or failure(
            Reason.REQUEST_REFUSED, f"the operator could not start the driver: {short(said)}", short(said)
        )
    gone = state.lost and not (state.pod is not None and state.pod.deleting)
    found = diagnose(None if gone else state.pod, events, state.dead, log_tail, said)
    if state.ended is None and not state.lost:
        return not_started(turn, found)
    return found


def _anew(turn: Turn, found: Failure) -> Phase | None:
    """Go on to the next driver of this try, where the cluster took this one and another one is allowed; None where not."""
    state, policy = turn.state, turn.policy
    early = turn.now + policy.start_timeout < state.work_until
    if found.code not in _MADE_ANEW or state.made >= policy.attempts or state.resumed or not early:
        return None
    turn.note(found.code, f"{found.message}; another driver is made, {state.made + 1} of {policy.attempts}")
    doomed = (
        state.with_doomed(*turn.own_driver()) if state.ended is None or policy.keep_failed_for is None else state.doomed
    )
    turn.set(
        doomed=doomed, after=Phase.FIND, uid="", attempt=0, floor=state.attempt + 1, asked_at=None, runs_since=None
    )
    turn.set(find_until=turn.now + policy.start_timeout, errors=0)
    return Phase.DROP if doomed else Phase.FIND
