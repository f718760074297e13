# SPDX-License-Identifier: Apache-2.0
"""A trigger that goes on where the task's process left: what that process knew is not forgotten."""

from __future__ import annotations

import pytest

from airflow_dataops.core.dataproc_dask.lifecycle import resume
from airflow_dataops.core.dataproc_dask.turn import CallKind, End
from airflow_dataops.core.machine import CallError
from tests.unit.core.dataproc_dask.fates import MINUTE, QUOTA, STOCKOUT, losing, task
from tests.unit.core.dataproc_dask.simulator import CreateFate


@pytest.mark.parametrize(
    ("error", "note"), [(STOCKOUT, "STOCKOUT"), (QUOTA, "QUOTA"), (CallError("CANCELLED", "x"), "CREATE_FAILED")]
)
@pytest.mark.parametrize("late", [0, 10])
def test_a_trigger_goes_by_the_operation_too_where_the_cluster_it_was_to_make_is_gone(
    error: CallError, note: str, late: int
) -> None:
    one = task(creates=[CreateFate(error=error, vanishes=True)])
    step = one.follow(one.start(), 2)
    while not step.state.operation:
        step = one.follow(step, 1)
    one.google.advance(late * MINUTE)
    assert one.finish(resume(one.run, step.state, one.google.now)).ok
    assert note in one.notes
    assert "RECREATE" not in one.notes
    assert len(one.google.made) == 2


def test_a_cluster_whose_answer_was_lost_and_that_is_not_what_is_wanted_is_in_the_bill() -> None:
    one = task(creates=[CreateFate(state="ERROR")])
    one.google.on_call = losing(CallKind.CREATE, "lost")
    step = one.follow(one.start(), 2)
    one.google.advance(10 * MINUTE)
    ended = one.follow(resume(one.run, step.state, one.google.now))
    assert isinstance(ended.action, End)
    assert ended.action.outcome.ok
    lives = ended.state.lives
    assert [(life.uuid, life.gone_at is not None) for life in lives] == [("uuid-1", True), ("uuid-2", True)]
