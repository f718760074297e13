# SPDX-License-Identifier: Apache-2.0
"""How far a SparkApplication is, by the words of both operators.

``sparkoperator.k8s.io/v1beta2`` writes ``FAILED`` when no rerun follows. ``spark.apache.org/v1`` writes ``Failed`` for each run that
failed, may start another one after it, and is over only when it says what became of the resources.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum


class Stage(StrEnum):
    """How far a driver is."""

    WAITS = "waits"
    RUNS = "runs"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


_SUCCEEDED = frozenset({"COMPLETED", "Succeeded"})
_RUN_FAILED = frozenset(
    {
        *("Failed", "SchedulingFailure", "DriverStartTimedOut", "DriverReadyTimedOut"),
        *("ExecutorsStartTimedOut", "DriverEvicted"),
    }
)
_RUNS = _RUN_FAILED | {
    *("RUNNING", "SUCCEEDING", "FAILING", "UNKNOWN"),
    *("DriverStarted", "DriverReady", "RunningHealthy"),
    *("InitializedBelowThresholdExecutors", "RunningWithPartialCapacity", "RunningWithBelowThresholdExecutors"),
}
OVER = frozenset({"ResourceReleased", "TerminatedWithoutReleaseResources"})
"""Words of an application about which Apache's operator does nothing more; what became of it is said by the word before."""

_WAITS = frozenset(
    {
        *("", "SUBMITTED", "SUBMISSION_FAILED", "PENDING_RERUN", "INVALIDATING"),
        *("Submitted", "ScheduledToRestart", "DriverRequested"),
    }
)


def is_known(state: str) -> bool:
    """Tell whether a word is one of the two operators' that this version knows; none at all is known."""
    return state in _WAITS | _RUNS | _SUCCEEDED | OVER | {"FAILED"}


def stage_of(state: str, history: Sequence[str] = ()) -> Stage:
    """Return how far an application is.

    Args:
        state: The operator's present word; empty while there is none.
        history: Its earlier words, oldest first.

    Returns:
        ``FAILED`` also where an application is over and nothing says that it succeeded; ``WAITS`` for a word that is not known, so that
        a deadline and not a guess decides.
    """
    if state in OVER:
        ended = [word for word in history if word in _SUCCEEDED | _RUN_FAILED]
        return Stage.SUCCEEDED if ended and ended[-1] in _SUCCEEDED else Stage.FAILED
    if state in _SUCCEEDED:
        return Stage.SUCCEEDED
    if state == "FAILED":
        return Stage.FAILED
    return Stage.RUNS if state in _RUNS else Stage.WAITS
