# SPDX-License-Identifier: Apache-2.0
"""Google owns the cluster: however answers are lost and whoever dies, one workflow a try, and no cluster afterwards."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from airflow_dataops.core.dataproc_dask.lifecycle import resume, stop
from airflow_dataops.core.dataproc_dask.observation import Look, ResultView
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.dataproc_dask.state import Goal
from airflow_dataops.core.dataproc_dask.turn import CallKind, Step
from airflow_dataops.core.machine import CallError
from tests.unit.core.dataproc_dask.performer import Task, code_of
from tests.unit.core.dataproc_dask.samples import document
from tests.unit.core.dataproc_dask.simulator import CreateFate, DeleteFate, JobFate
from tests.unit.core.dataproc_dask.workflows import WorkflowDataproc
from tests.unit.core.dataproc_dask.worlds import LOUD, SHORT, deaths, die, ending, live, worlds

DOWN = CallError("UNAVAILABLE", "down")


def run_of(**policy: Any) -> DaskRun:
    whole = document(**policy)
    whole["cluster"]["zones"] = []
    return DaskRun.model_validate(whole)


def task_of(google: WorkflowDataproc | None = None, **policy: Any) -> Task:
    return Task(google or WorkflowDataproc(), run_of(**policy), Goal.WORKFLOW)


def google_of(task: Task) -> WorkflowDataproc:
    assert isinstance(task.google, WorkflowDataproc)
    return task.google


def started(google: WorkflowDataproc) -> int:
    return len(google.workflows)


def until_look(task: Task, step: Step, google: WorkflowDataproc, *, jobs: int) -> Step:
    """Go on until so many jobs are there."""
    while len(google.jobs) < jobs:
        step = task.follow(step, 1)
    return step


def lost(kind: CallKind, how: str = "lost") -> Any:
    """Lose the first answer to a kind of call."""
    left = [how]
    return lambda call: left.pop() if call.kind is kind and left else "ok"


def test_a_clean_run_is_one_call_and_google_does_the_rest() -> None:
    task = task_of()
    assert code_of(task.finish()) is None
    assert [kind for _, kind, _ in google_of(task).calls] == [CallKind.START]
    assert google_of(task).clusters == {}
    assert task.notes == ["START", "CREATE", "READY", "SUBMITTED", "DELETED"]


def test_names_and_seconds_are_those_that_google_chose() -> None:
    task = task_of()
    ended = task.follow(task.start()).state
    [life] = ended.lives
    assert life.name == ended.cluster
    assert life.ready_at is not None
    assert life.gone_at is not None
    assert ended.job_id in google_of(task).jobs
    assert ended.execution_id != ended.job_id


def test_a_job_that_fails_is_told_with_its_result() -> None:
    task = task_of()
    google_of(task).job_fates = iter(
        [JobFate("ERROR", result=ResultView(ok=False, code="FUNCTION_RAISED", message="no luck"))]
    )
    ended = task.follow(task.start()).state
    assert ended.failure is None
    assert ended.outcome is not None
    assert ended.outcome.failure is not None
    assert (ended.outcome.failure.code, "no luck" in ended.outcome.failure.message) == ("JOB_FAILED", True)
    assert google_of(task).clusters == {}


@pytest.mark.parametrize("how", ["lost", "refused", "late"])
def test_a_lost_answer_to_the_start_makes_one_workflow(how: str) -> None:
    task = task_of()
    google_of(task).on_call = lost(CallKind.START, how)
    assert code_of(task.finish()) is None
    assert started(google_of(task)) == 1


def test_a_start_that_is_said_to_be_there_already_is_found_by_its_labels() -> None:
    task = task_of()
    start = google_of(task)._start

    def said(request: dict[str, Any]) -> CallError:
        if not google_of(task).workflows:
            start(request)
        return CallError("ALREADY_EXISTS", "there is one")

    google_of(task)._start = said  # type: ignore[method-assign,assignment]
    assert code_of(task.finish()) is None
    assert started(google_of(task)) == 1
    assert google_of(task).clusters == {}


@pytest.mark.parametrize(
    ("fate", "code"),
    [
        (CreateFate(error=CallError("RESOURCE_EXHAUSTED", "ZONE_RESOURCE_POOL_EXHAUSTED")), "STOCKOUT"),
        (CreateFate(refuse=CallError("PERMISSION_DENIED", "cloudkms.useToEncrypt denied")), "KMS_DENIED"),
        (CreateFate(stuck=True), "CREATE_TIMEOUT"),
    ],
)
def test_a_cluster_that_cannot_be_made_is_told_and_gone(fate: CreateFate, code: str) -> None:
    task = task_of()
    google_of(task).creates = iter([fate])
    assert code_of(task.finish()) == code
    assert google_of(task).clusters == {}
    assert started(google_of(task)) == 1


def test_a_refused_start_leaves_nothing() -> None:
    task = task_of()
    google_of(task).pending = 0
    google_of(task)._start = lambda request: CallError("INVALID_ARGUMENT", "bad image")  # type: ignore[method-assign]
    assert code_of(task.finish()) == "REQUEST_REFUSED"
    assert started(google_of(task)) == 0


@pytest.mark.parametrize("code", ["UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "INTERNAL"])
def test_looks_that_fail_for_a_while_change_nothing(code: str) -> None:
    task = task_of()
    count = iter(range(1, 10_000))
    google_of(task).on_read = lambda look: CallError(code) if next(count) % 20 < 12 else None
    assert code_of(task.finish()) is None
    assert started(google_of(task)) == 1
    assert google_of(task).clusters == {}


def test_an_operation_that_may_not_be_read_ends_the_run_and_the_cluster() -> None:
    task = task_of()
    google_of(task).on_read = lambda look: CallError("PERMISSION_DENIED") if look is Look.OPERATION else None
    assert code_of(task.finish()) == "PERMISSION_DENIED"
    google_of(task).advance(timedelta(hours=3))
    assert google_of(task).clusters == {}


def test_google_stops_a_job_after_its_time() -> None:
    task = task_of(deadlines={"run": "20m"})
    google_of(task).job_fates = iter([JobFate(after=1e6)])
    assert code_of(task.finish()) == "RUN_TIMEOUT"
    assert google_of(task).clusters == {}


def test_a_silent_job_stops_its_workflow() -> None:
    task = task_of()
    google_of(task).job_fates = iter([JobFate(after=1e6, beats=False)])
    assert code_of(task.finish()) == "HEARTBEAT_STALE"
    assert google_of(task).count(CallKind.STOP) == 1
    assert google_of(task).clusters == {}


def test_a_workflow_that_a_person_stops_is_no_timeout() -> None:
    task = task_of()
    google_of(task).job_fates = iter([JobFate(after=1e6)])
    step = until_look(task, task.start(), google_of(task), jobs=1)
    google_of(task).workflows[0].stops = True
    assert code_of(task.finish(step)) == "JOB_CANCELLED"


def test_a_cluster_that_google_does_not_delete_is_deleted_by_the_run() -> None:
    task = task_of()
    google_of(task).deletes = iter([DeleteFate(fails=True, after=1e6)])
    step = until_look(task, task.start(), google_of(task), jobs=1)
    flow = google_of(task).workflows[0]
    flow.limit = timedelta(days=1)
    ended = task.follow(step)
    assert "DELETE_SLOW" in task.notes
    assert ended.state.outcome is not None


@pytest.mark.parametrize("wait", [True, False])
@pytest.mark.parametrize("after", ["START", "CREATE", "SUBMITTED"])
def test_who_is_killed_stops_the_workflow(after: str, wait: bool) -> None:
    task = task_of()
    step = task.until(task.start(), after)
    ending = stop(task.run, step.state, google_of(task).now, why="killed", wait=wait)
    began = google_of(task).now
    assert code_of(task.finish(ending)) == "KILLED"
    assert wait or google_of(task).now - began <= timedelta(seconds=25)
    google_of(task).advance(timedelta(minutes=10))
    assert google_of(task).clusters == {}
    assert started(google_of(task)) <= 1
    assert all(job.view.state != "DONE" for job in google_of(task).jobs.values())


@pytest.mark.parametrize("how", ["lost", "late"])
def test_who_is_killed_before_the_start_was_answered_stops_it_all_the_same(how: str) -> None:
    task = task_of()
    google_of(task).on_call = lost(CallKind.START, how)
    step = task.until(task.start(), "START")
    step = task.follow(step, 1)
    ended = task.finish(stop(task.run, step.state, google_of(task).now, why="killed", wait=False))
    assert code_of(ended) == "KILLED"
    google_of(task).advance(timedelta(minutes=10))
    assert google_of(task).clusters == {}
    assert started(google_of(task)) == 1
    assert google_of(task).jobs == {}


def test_a_stop_that_google_refuses_is_a_delete() -> None:
    task = task_of()
    step = task.until(task.start(), "SUBMITTED")
    google_of(task)._stop = lambda request: CallError("PERMISSION_DENIED", "dataproc.operations.cancel")  # type: ignore[method-assign]
    assert code_of(task.finish(stop(task.run, step.state, google_of(task).now, why="killed", wait=True))) == "KILLED"
    assert google_of(task).count(CallKind.DELETE) == 1
    assert google_of(task).clusters == {}


@pytest.mark.parametrize("steps", range(1, 60, 3))
def test_a_trigger_that_restarts_goes_on_from_an_old_state(steps: int) -> None:
    task = task_of()
    first = task.follow(task.start(), 3)
    task.follow(first, steps)
    assert code_of(task.finish(resume(task.run, first.state, google_of(task).now))) is None
    assert started(google_of(task)) == 1
    assert google_of(task).clusters == {}


@pytest.mark.parametrize("forgets", [False, True])
@pytest.mark.parametrize("steps", range(1, 60, 2))
def test_the_next_try_takes_the_workflow_over(steps: int, forgets: bool) -> None:
    task = task_of()
    google_of(task).forgets = forgets
    task.follow(task.start(), steps)
    assert code_of(task.finish()) is None
    assert started(google_of(task)) == 1
    assert len(google_of(task).jobs) == 1
    assert google_of(task).clusters == {}


@pytest.mark.parametrize("forgets", [False, True])
def test_the_next_try_of_a_failed_job_is_a_workflow_of_its_own(forgets: bool) -> None:
    task = task_of()
    google_of(task).forgets = forgets
    google_of(task).job_fates = iter([JobFate("ERROR", result=None)])
    assert code_of(task.finish()) == "JOB_FAILED"
    assert code_of(task.finish()) is None
    assert started(google_of(task)) == 2


@pytest.mark.parametrize("forgets", [False, True])
def test_a_workflow_that_failed_before_its_job_does_not_answer_for_the_next_try(forgets: bool) -> None:
    task = task_of()
    google_of(task).forgets = forgets
    google_of(task).creates = iter([CreateFate(refuse=CallError("INVALID_ARGUMENT", "Insufficient 'CPUS' quota"))])
    assert code_of(task.finish()) == "QUOTA"
    assert code_of(task.finish()) is None
    assert started(google_of(task)) == 2


@pytest.mark.parametrize("forgets", [False, True])
def test_a_cleared_task_runs_again(forgets: bool) -> None:
    task = task_of()
    google_of(task).forgets = forgets
    assert code_of(task.finish()) is None
    assert code_of(task.finish(task.start(since_try=2))) is None
    assert started(google_of(task)) == 2


def test_a_job_that_has_succeeded_is_not_run_again() -> None:
    task = task_of()
    assert code_of(task.finish()) is None
    assert code_of(task.finish()) is None
    assert started(google_of(task)) == 1


def test_a_run_of_another_cluster_replaces_the_workflow() -> None:
    task = task_of()
    task.until(task.start(), "CREATE")
    task.run = task.run.model_copy(
        update={"cluster": task.run.cluster.model_copy(update={"image_version": "2.3-debian12"})}
    )
    assert code_of(task.finish()) is None
    assert started(google_of(task)) == 2
    assert google_of(task).most_live_jobs == 1
    assert google_of(task).clusters == {}


def test_a_run_that_airflow_owns_does_not_use_googles_cluster() -> None:
    task = task_of()
    task.until(task.start(), "CREATE")
    task.goal = Goal.RUN
    assert code_of(task.finish()) is None
    assert google_of(task).count(CallKind.CREATE) == 1
    assert google_of(task).clusters == {}


@pytest.mark.parametrize("after", ["START", "CREATE", "SUBMITTED"])
def test_a_try_that_follows_a_kill_at_once_is_not_taken_down_with_it(after: str) -> None:
    task = task_of()
    step = task.until(task.start(), after)
    task.finish(stop(task.run, step.state, google_of(task).now, why="cleared", wait=False))
    assert code_of(task.finish()) is None
    assert google_of(task).most_live_jobs == 1
    assert google_of(task).clusters == {}


@settings(max_examples=150)
@given(worlds(WorkflowDataproc), deaths, st.booleans(), st.sampled_from([0.0, 5.0, 40.0]))
def test_whatever_happens_google_is_left_with_nothing_to_bill(
    google: WorkflowDataproc, planned: list[tuple[int, str, int, int]], forgets: bool, pending: float
) -> None:
    google.forgets, google.pending = forgets, pending
    network = google.on_call
    if forgets:
        # Nobody can help a start that arrives when the workflow of its id is over already.
        google.on_call = lambda call: (
            fate if (fate := network(call)) != "late" or call.kind is not CallKind.START else "lost"
        )
    one = task_of(google, deadlines=SHORT)
    step = one.start()
    for steps, how, back, pause in planned:
        step = one.follow(step, steps)
        google.advance(timedelta(seconds=pause))
        step = die(one, step, how, back)
    ended = ending(one, step)
    outcome = ended.state.outcome
    assert outcome is not None
    event(code_of(outcome) or "ok")
    if code_of(outcome) not in LOUD:
        assert list(live(one)) == [], one.notes
    assert google.most_live_jobs <= 1, one.notes
    assert {request["cluster_uuid"] for _, kind, request in google.calls if kind is CallKind.DELETE} <= set(google.made)
