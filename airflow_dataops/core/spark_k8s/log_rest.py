# SPDX-License-Identifier: Apache-2.0
"""Who tells what a driver has written right before its end, where a trigger follows the run."""

from __future__ import annotations

from enum import StrEnum

from airflow_dataops.core.spark_k8s.state import Phase, State


class Rest(StrEnum):
    """Of a driver's log."""

    NONE = "none"  # the driver may still write
    OPEN = "open"  # it has ended, and nobody knows yet what follows
    HERE = "here"  # the trigger: it deletes the driver, or makes another one
    TASK = "task"  # the task: lines of a trigger that is about to end may be lost


def rest_of(state: State) -> Rest:
    """Return who tells the rest of the log of the driver in use."""
    if state.ended is None:
        return Rest.NONE
    if state.outcome is None:
        return Rest.OPEN if state.phase is Phase.JUDGE else Rest.HERE
    if state.only_leftovers or state.phase is Phase.END:
        return Rest.TASK
    return Rest.HERE if state.phase is Phase.DROP else Rest.OPEN
