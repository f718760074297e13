# SPDX-License-Identifier: Apache-2.0
"""A job that was told to stop, and those who find it so: who stopped it, and what follows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_dataops.core.dataproc_dask.lifecycle import resume, stop
from airflow_dataops.core.dataproc_dask.observation import ResultView
from airflow_dataops.core.dataproc_dask.state import Goal
from airflow_dataops.core.dataproc_dask.turn import CallKind
from tests.unit.core.dataproc_dask.fates import task
from tests.unit.core.dataproc_dask.performer import Task, code_of
from tests.unit.core.dataproc_dask.simulator import Job, JobFate


def only_job(one: Task) -> Job:
    [job] = one.google.jobs.values()
    return job


@pytest.mark.parametrize("goal", [Goal.JOB, Goal.RUN])
def test_a_task_that_is_cleared_while_its_job_still_stops_runs_again(goal: Goal) -> None:
    one = task(goal=goal, job_fates=[JobFate(after=9000, heeds_cancel=False), JobFate(after=60)])
    if goal is Goal.JOB:
        Task(one.google, one.run, Goal.CLUSTER).finish()
        view = next(iter(one.google.clusters.values())).view
        one.cluster = (view.name, view.uuid)
    step = one.start()
    while not one.google.jobs:
        step = one.follow(step, 1)
    one.google._cancel({"job_id": only_job(one).view.id})
    step = one.follow(one.start(since_try=2), 4)
    next(iter(one.google.jobs.values())).fate.heeds_cancel = True
    assert one.finish(step).ok
    assert len(one.google.jobs) == 2
    assert one.google.most_live_jobs == 1


def test_a_killed_task_of_a_shared_cluster_that_is_cleared_at_once_runs_again() -> None:
    one = task(goal=Goal.JOB, job_fates=[JobFate(after=9000, heeds_cancel=False), JobFate(after=60)])
    Task(one.google, one.run, Goal.CLUSTER).finish()
    view = next(iter(one.google.clusters.values())).view
    one.cluster = (view.name, view.uuid)
    step = one.follow(one.start(), 8)
    one.follow(stop(one.run, step.state, one.google.now, why="marked failed", wait=False))
    assert only_job(one).view.state == "CANCEL_PENDING"
    step = one.follow(one.start(since_try=2), 4)
    next(iter(one.google.jobs.values())).fate.heeds_cancel = True
    assert one.finish(step).ok


@pytest.mark.parametrize(
    ("fate", "code"),
    [({"after": 9000, "beats": False}, "HEARTBEAT_STALE"), ({"after": 90_000}, "RUN_TIMEOUT")],
)
def test_a_restart_while_a_job_is_stopped_does_not_blame_somebody_else(fate: dict[str, Any], code: str) -> None:
    one = task(job_fates=[JobFate(**fate, heeds_cancel=False)])
    deferred = one.follow(one.start(), 3)
    step = deferred
    while not one.google.count(CallKind.CANCEL):
        step = one.follow(step, 1)
    only_job(one).fate.heeds_cancel = True
    outcome = one.finish(resume(one.run, deferred.state, one.google.now))
    assert outcome.failure is not None
    assert (code_of(outcome), outcome.failure.retryable) == (code, True)


def test_what_a_person_stops_is_told_and_not_run_again() -> None:
    one = task(job_fates=[JobFate(after=9000)])
    step = one.follow(one.until(one.start(), "READY"), 12)
    one.google._cancel({"job_id": only_job(one).view.id})
    outcome = one.finish(step)
    assert outcome.failure is not None
    assert (code_of(outcome), outcome.failure.retryable) == ("JOB_CANCELLED", False)


@pytest.mark.parametrize(("said", "code"), [("FUNCTION_RAISED", "JOB_FAILED"), ("CANCELLED", "RUN_TIMEOUT")])
def test_a_job_that_failed_by_itself_while_it_was_told_to_stop_tells_its_own_reason(said: str, code: str) -> None:
    one = task(job_fates=[JobFate(after=90_000, heeds_cancel=False)])
    step = one.start()
    while not one.google.count(CallKind.CANCEL):
        step = one.follow(step, 1)
    job = only_job(one)
    job.view = replace(job.view, state="ERROR", since=one.google.now)
    job.fate.result = ResultView(ok=False, code=said, message="words")
    assert code_of(one.finish(step)) == code
