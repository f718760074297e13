# SPDX-License-Identifier: Apache-2.0
"""What nobody could look at is no sign of a death: neither of a silent driver, nor of a result that is missing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_dataops.core.dataproc_dask.lifecycle import resume
from airflow_dataops.core.dataproc_dask.observation import JobView, Look, Reply
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.dataproc_dask.state import Goal
from airflow_dataops.core.dataproc_dask.turn import CallKind, Step
from airflow_dataops.core.machine import CallError
from tests.unit.core.dataproc_dask.fates import MINUTE, NOWHERE, failing, task
from tests.unit.core.dataproc_dask.performer import Task, code_of
from tests.unit.core.dataproc_dask.samples import document
from tests.unit.core.dataproc_dask.simulator import Dataproc, JobFate

LONG = 3600
OUTAGE = 8 * MINUTE  # longer than policy.heartbeat_stale


def at_work(**fate: object) -> tuple[Task, Step]:
    one = task(job_fates=[JobFate(after=LONG, **fate)])  # type: ignore[arg-type]
    return one, one.follow(one.until(one.start(), "READY"), 12)


def test_a_new_try_takes_a_job_over_that_has_run_for_longer_than_a_driver_may_be_silent() -> None:
    one, _ = at_work()
    one.google.advance(OUTAGE)
    assert one.finish().ok
    assert one.google.count(CallKind.CANCEL) == 0


def test_a_triggerer_that_was_away_for_longer_than_a_driver_may_be_silent_goes_on() -> None:
    one, step = at_work()
    one.google.advance(OUTAGE)
    assert one.finish(resume(one.run, step.state, one.google.now)).ok
    assert one.google.count(CallKind.CANCEL) == 0


def test_an_outage_of_google_is_no_silence_of_the_driver() -> None:
    one, step = at_work()
    until = one.google.now + OUTAGE
    one.google.on_read = lambda look: NOWHERE if look is Look.JOB and one.google.now < until else None
    assert one.finish(step).ok


def test_a_sign_of_life_that_cannot_be_read_is_told_and_ends_nothing() -> None:
    one = task(job_fates=[JobFate(after=LONG)])
    one.google.on_read = failing(Look.HEARTBEAT, times=10_000, error=CallError("PERMISSION_DENIED", "objects.get"))
    assert one.finish().ok
    assert 2 <= one.notes.count("HEARTBEAT_UNREAD") <= 20


def test_a_job_that_falls_silent_is_still_stopped_after_a_restart() -> None:
    one, step = at_work(beats=False)
    assert code_of(one.finish(resume(one.run, step.state, one.google.now))) == "HEARTBEAT_STALE"


def test_one_error_after_many_does_not_make_a_result_a_missing_one() -> None:
    one, step = at_work()
    until = one.google.now + OUTAGE
    once = failing(Look.RESULT, times=1)
    one.google.advance(LONG * MINUTE / 60)
    one.google.on_read = lambda look: NOWHERE if look is Look.JOB and one.google.now < until else once(look)
    assert one.finish(step).ok


def test_a_result_that_cannot_be_read_is_not_called_missing_and_the_next_try_reads_it() -> None:
    one = task()
    one.google.on_read = failing(Look.RESULT, times=10_000)
    outcome = one.finish()
    assert outcome.failure is not None
    assert (code_of(outcome), outcome.failure.retryable) == ("UNREACHABLE", True)
    assert outcome.failure.log_uri == "gs://staging/driveroutput"
    assert one.google.clusters == {}
    one.google.on_read = lambda _: None
    assert one.finish().ok
    assert len(one.google.jobs) == 1


@pytest.mark.parametrize("state", ["RUNNING", "UPDATING", "REPAIRING"])
@pytest.mark.parametrize("restart", [False, True])
def test_a_job_goes_on_where_its_cluster_is_worked_on_while_somebody_takes_over(state: str, restart: bool) -> None:
    one, step = at_work()
    cluster = one.google.clusters["uuid-1"]
    cluster.view = replace(cluster.view, state=state)
    step = one.follow(resume(one.run, step.state, one.google.now) if restart else one.start(), 6)
    cluster.view = replace(cluster.view, state="RUNNING")
    assert one.finish(step).ok
    assert (len(one.google.jobs), one.google.count(CallKind.SUBMIT)) == (1, 1)


class Logging(Dataproc):
    """Gives each job a log of its own."""

    def _submit(self, request: dict[str, Any]) -> Reply:
        view = super()._submit(request)
        if isinstance(view, JobView):
            view = self.jobs[view.id].view = replace(view, log_uri=f"gs://staging/{view.id[-2:]}")
        return view


def test_the_next_execution_does_not_begin_with_the_log_of_the_one_before() -> None:
    one = task(goal=Goal.JOB)
    one.google = Logging()
    one.google.job_fates = iter([JobFate(after=LONG), JobFate(after=60)])
    maker = Task(one.google, one.run, Goal.CLUSTER)
    maker.finish()
    view = next(iter(one.google.clusters.values())).view
    one.cluster = (view.name, view.uuid)
    one.follow(one.start(), 12)
    whole = document()
    whole["job"]["args"] = {"month": 12}
    one.run = DaskRun.model_validate(whole)
    begun = len(one.states)
    assert one.finish().ok
    assert len(one.google.jobs) == 2
    logs = {(state.job_id[-2:], state.job_log) for state in one.states[begun:] if state.job_log}
    assert logs == {("x1", "gs://staging/x1"), ("x2", "gs://staging/x2")}
