# SPDX-License-Identifier: Apache-2.0
"""Nobody can list what is there, or a later try costs too much: what an earlier one left is neither forgotten nor waited for without end."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from airflow_dataops.core.dataproc_dask.budget import Estimate
from airflow_dataops.core.dataproc_dask.lifecycle import resume
from airflow_dataops.core.dataproc_dask.observation import Look
from airflow_dataops.core.dataproc_dask.state import Goal
from airflow_dataops.core.dataproc_dask.turn import CallKind
from airflow_dataops.core.machine import CallError
from tests.unit.core.dataproc_dask.performer import Task, code_of
from tests.unit.core.dataproc_dask.samples import NOW, sample
from tests.unit.core.dataproc_dask.simulator import Dataproc, JobFate

MINUTE = timedelta(minutes=1)
NOWHERE = CallError("UNAVAILABLE", "503")
DEAR = Estimate(hourly=Decimal(1), lifetime=timedelta(hours=2), total=Decimal(2), limit=Decimal(1), currency="USD")


def test_a_machine_that_cannot_list_at_the_start_waits_as_long_as_for_a_cluster_and_no_longer() -> None:
    one = Task(Dataproc(), sample())
    one.google.on_read = lambda _: NOWHERE
    outcome = one.finish()
    assert code_of(outcome) == "UNREACHABLE"
    assert outcome.failure is not None
    assert outcome.failure.retryable
    assert "asked again and again for 15m, and nothing was begun" in outcome.failure.message
    assert 15 * MINUTE <= one.google.now - NOW <= 16 * MINUTE
    assert one.google.calls == []


@pytest.mark.parametrize("goal", [Goal.RUN, Goal.JOB])
def test_a_restart_late_in_a_job_sits_an_outage_out(goal: Goal) -> None:
    google = Dataproc()
    google.job_fates = iter([JobFate(after=6000)])
    one = Task(google, sample(), goal)
    if goal is Goal.JOB:
        made = Task(google, sample(), Goal.CLUSTER)
        state = made.follow(made.start()).state
        one.cluster = (state.base, state.uuid)
    step = one.follow(one.start(), 8)
    while one.google.now - NOW < 90 * MINUTE:  # later than any cluster is asked for
        step = one.follow(step, 1)
    over = one.google.now + 3 * MINUTE
    one.google.on_read = lambda _: NOWHERE if one.google.now < over else None
    assert one.finish(resume(one.run, step.state, one.google.now)).ok
    assert len(one.google.jobs) == 1


@pytest.mark.parametrize("goal", [Goal.RUN, Goal.CLUSTER])
def test_a_later_try_over_the_budget_deletes_what_an_earlier_one_left(goal: Goal) -> None:
    one = Task(Dataproc(), sample(), goal)
    one.follow(one.start(), 4)  # and the worker dies
    assert len(one.google.clusters) == 1
    assert code_of(one.finish(one.start(estimate=DEAR))) == "OVER_BUDGET"
    assert one.google.clusters == {}
    assert (one.google.count(CallKind.CREATE), one.google.count(CallKind.DELETE)) == (1, 1)


def test_a_later_try_over_the_budget_that_finds_nothing_looks_once() -> None:
    one = Task(Dataproc(), sample(budget="1"))
    one.tries = 1
    assert code_of(one.finish(one.start(estimate=DEAR))) == "OVER_BUDGET"
    assert (one.google.calls, one.google.reads) == ([], [Look.CLUSTERS])


def test_a_later_try_over_the_budget_that_sees_nothing_says_what_may_be_left() -> None:
    one = Task(Dataproc(), sample(budget="1"))
    one.tries = 1
    one.google.on_read = lambda look: NOWHERE if look is Look.CLUSTERS else None
    outcome = one.finish(one.start(estimate=DEAR))
    assert code_of(outcome) == "DELETE_STUCK"
    assert outcome.failure is not None
    assert "may be left" in outcome.failure.message
