# SPDX-License-Identifier: Apache-2.0
"""Goals, tries and the clean-up, beyond the faults."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_dataops.core.dataproc_dask import names
from airflow_dataops.core.dataproc_dask.lifecycle import begin, stop
from airflow_dataops.core.dataproc_dask.observation import Look, ResultView
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.dataproc_dask.state import Goal, State
from airflow_dataops.core.dataproc_dask.turn import Call, CallKind, End
from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.machine import CallError
from tests.unit.core.dataproc_dask.performer import Task, code_of
from tests.unit.core.dataproc_dask.samples import IDENTITY, NOW, changed, document, sample
from tests.unit.core.dataproc_dask.simulator import CreateFate, Dataproc, DeleteFate, JobFate

MINUTE = timedelta(minutes=1)
FAILS = JobFate(state="ERROR", result=ResultView(False, "ValueError", "x"))


def task(*fates: JobFate, goal: Goal = Goal.RUN, run: DaskRun | None = None) -> Task:
    google = Dataproc()
    google.job_fates = iter(fates)
    return Task(google, run or sample(), goal)


def shared(*fates: JobFate) -> Task:
    """Return a job task on a cluster that another task made for it."""
    maker = task(*fates, goal=Goal.CLUSTER)
    ended = maker.follow(maker.start())
    return Task(maker.google, sample(), Goal.JOB, cluster=(ended.state.base, ended.state.uuid))


def test_a_clean_run_makes_at_most_ten_calls_beside_its_polls() -> None:
    one = task()
    assert one.finish().ok
    polls = {Look.OPERATION, Look.JOB, Look.HEARTBEAT, Look.RESULT}
    listed = [look for look in one.google.reads if look not in polls]
    job_looks, delete_polls = one.google.reads.count(Look.JOB), 4
    assert len(one.google.calls) + len(listed) - job_looks // 6 - delete_polls <= 10
    assert [kind for _, kind, _ in one.google.calls] == [CallKind.CREATE, CallKind.SUBMIT, CallKind.DELETE]


def test_the_dashboard_is_told_as_soon_as_the_cluster_runs() -> None:
    one = task()
    step = one.until(one.start(), "READY")
    address = "https://uuid-1.example/gateway/default/dask/status"
    assert [note.text for note in step.notes if note.code == "READY"] == [
        f"cluster {step.state.base} runs; Dask's dashboard: {address}"
    ]
    assert [life.dashboard for life in step.state.lives] == [address]


def test_without_a_gateway_there_is_no_dashboard() -> None:
    one = task(run=DaskRun.model_validate(changed("cluster.component_gateway", False)))
    step = one.until(one.start(), "READY")
    assert [life.dashboard for life in step.state.lives] == [""]


def test_the_cluster_is_told_to_go_within_a_poll_of_the_jobs_end() -> None:
    one = task(JobFate(after=300))
    one.finish()
    ended = next(iter(one.google.jobs.values())).view.since
    told = next(at for at, kind, _ in one.google.calls if kind is CallKind.DELETE)
    assert ended is not None
    assert told - ended <= one.run.policy.poll * 1.1 + timedelta(seconds=5)


def test_lives_are_kept_for_the_bill() -> None:
    one = task()
    one.google.creates = iter([CreateFate(error=CallError("INTERNAL", "x"))])
    lives = one.follow(one.start()).state.lives
    assert [life.uuid for life in lives] == ["uuid-1", "uuid-2"]
    assert [life.ready_at is not None for life in lives] == [False, True]
    assert all(life.gone_at is not None and life.gone_at > life.asked_at for life in lives)


def test_a_success_of_a_try_that_died_before_it_could_say_so_counts() -> None:
    one = task()
    step = one.until(one.start(), "DELETE")
    assert step.state.outcome is not None
    assert one.finish().ok
    assert len(one.google.jobs) == 1
    assert len(one.google.made) == 1
    assert one.google.clusters == {}


def test_a_success_from_before_the_task_was_cleared_does_not_count() -> None:
    one = task()
    assert one.finish().ok
    assert one.finish(one.start(since_try=2)).ok
    assert [job[-3:] for job in one.google.jobs] == ["-x1", "-x2"]
    assert one.google.clusters == {}


def test_a_success_without_a_result_is_run_again_by_the_next_try() -> None:
    one = task(JobFate(result=None))
    assert code_of(one.finish()) == "RESULT_MISSING"
    one.google.advance(timedelta(days=1))
    assert one.finish().ok, "the time of the first execution is not the second one's"
    assert len(one.google.jobs) == 2


def test_a_result_counts_more_than_the_jobs_state() -> None:
    one = task(JobFate(state="ERROR", details="could not close"))
    assert one.finish().ok
    assert "RESULT_COUNTS" in one.notes


def test_a_job_that_does_something_else_goes_with_its_cluster() -> None:
    one = task(JobFate(after=9000))
    one.follow(one.until(one.start(), "READY"), 5)
    one.run = DaskRun.model_validate(changed("job.args", {"month": 12}))
    assert one.finish().ok
    assert one.google.most_live_jobs == 1
    assert len(one.google.jobs) == 2
    assert one.google.clusters == {}


def test_somebody_elses_cancel_is_called_so() -> None:
    one = task(JobFate(after=9000))
    step = one.follow(one.until(one.start(), "READY"), 5)
    next(iter(one.google.jobs.values())).cancelled = True
    assert code_of(one.finish(step)) == "JOB_CANCELLED"
    assert one.google.clusters == {}


@pytest.mark.parametrize("minutes", [30, 7])
def test_a_failed_cluster_is_kept_as_long_as_asked_and_no_longer(minutes: int) -> None:
    one = task(FAILS, run=sample(keep_failed_for=minutes * 60))
    outcome = one.finish()
    length = max(minutes, 10)
    assert outcome.kept_until is not None
    assert timedelta() <= outcome.kept_until - one.google.now <= length * MINUTE
    assert one.google.count(CallKind.KEEP) == (1 if minutes > 10 else 0)
    one.google.advance((length - 2) * MINUTE)
    assert len(one.google.alive()) == 1
    one.google.advance(3 * MINUTE)
    assert one.google.alive() == []


def test_a_kept_cluster_whose_longer_life_is_refused_stays_as_long_as_it_may() -> None:
    one = task(FAILS, run=sample(keep_failed_for="30m"))
    one.google._keep = lambda request: CallError("PERMISSION_DENIED", "no update")  # type: ignore[method-assign]
    outcome = one.finish()
    assert "KEEP_SHORT" in one.notes
    assert outcome.kept_until is not None
    assert outcome.kept_until - one.google.now <= 10 * MINUTE


def test_a_longer_life_whose_answer_was_lost_is_counted_as_taken() -> None:
    one = task(FAILS, run=sample(keep_failed_for="30m"))
    one.google.on_call = lambda call: "lost" if call.kind is CallKind.KEEP else "ok"
    outcome = one.finish()
    assert outcome.kept_until is not None
    one.google.advance(outcome.kept_until - one.google.now + MINUTE)
    assert one.google.alive() == []


def test_a_kept_cluster_is_never_kept_past_its_time_to_live() -> None:
    one = task(FAILS, run=sample(keep_failed_for="30m"))
    step = one.follow(one.until(one.start(), "READY"), 2)
    assert step.state.expires_at is not None
    outcome = one.finish(step)
    assert outcome.kept_until is not None
    assert outcome.kept_until <= step.state.expires_at


def test_a_retry_works_on_what_was_kept() -> None:
    one = task(FAILS, run=sample(keep_failed_for="30m"))
    assert one.finish().kept_until is not None
    assert one.finish().ok
    assert len(one.google.made) == 1
    assert one.google.clusters == {}


def test_nothing_is_kept_when_the_task_was_killed() -> None:
    one = task(JobFate(after=9000), run=sample(keep_failed_for="30m"))
    state = one.follow(one.until(one.start(), "READY"), 5).state
    one.follow(stop(one.run, state, one.google.now, why="marked failed", wait=True))
    assert one.google.clusters == {}


def test_a_cluster_task_leaves_its_cluster_and_a_teardown_takes_it() -> None:
    maker = task(goal=Goal.CLUSTER)
    ended = maker.follow(maker.start())
    assert isinstance(ended.action, End)
    assert ended.action.outcome.ok
    assert [view.uuid for view in maker.google.alive()] == [ended.state.uuid]
    teardown = Task(maker.google, maker.run, Goal.GONE)
    assert teardown.finish().ok
    assert maker.google.clusters == {}


def test_a_teardown_without_a_cluster_succeeds() -> None:
    assert task(goal=Goal.GONE).finish().ok


def test_a_cluster_task_that_fails_leaves_nothing() -> None:
    maker = task(goal=Goal.CLUSTER)
    maker.google.creates = iter([CreateFate(stuck=True)] * 3)
    assert code_of(maker.finish()) == "CREATE_TIMEOUT"
    assert maker.google.clusters == {}


def test_a_job_task_leaves_the_cluster_to_its_teardown() -> None:
    job = shared(FAILS)
    assert code_of(job.finish(job.start())) == "JOB_FAILED"
    assert [view.uuid for view in job.google.alive()] == ["uuid-1"]
    assert job.google.count(CallKind.DELETE) == 0


def test_a_job_task_that_is_killed_cancels_its_job_only() -> None:
    job = shared(JobFate(after=9000))
    state = job.follow(job.start(), 8).state
    begun = job.google.now
    ended = job.follow(stop(job.run, state, begun, why="marked failed", wait=False))
    assert isinstance(ended.action, End)
    assert code_of(ended.action.outcome) == "KILLED"
    assert job.google.now - begun < timedelta(seconds=30)
    assert (job.google.count(CallKind.CANCEL), job.google.count(CallKind.DELETE)) == (1, 0)


def test_a_job_task_stops_a_job_that_does_something_else_and_sends_its_own() -> None:
    job = shared(JobFate(after=9000))
    job.follow(job.start(), 8)
    job.run = DaskRun.model_validate(changed("job.args", {"month": 12}))
    assert job.finish(job.start()).ok
    assert job.google.most_live_jobs == 1
    assert len(job.google.jobs) == 2


def test_a_job_that_does_not_stop_is_the_cluster_teardowns_affair() -> None:
    job = shared(JobFate(after=9000, beats=False, heeds_cancel=False))
    outcome = job.finish(job.start())
    assert code_of(outcome) == "CANCEL_STUCK"
    assert outcome.failure is not None
    assert outcome.failure.details["before"]["code"] == "HEARTBEAT_STALE"


def test_a_foreign_job_of_that_id_is_left_alone() -> None:
    one, other = task(JobFate(after=60)), task(JobFate(after=60))
    other.finish()
    job = next(iter(other.google.jobs.values()))
    job.view.labels.clear()  # type: ignore[attr-defined]
    one.google.jobs[job.view.id] = job
    assert code_of(one.finish()) == "FOREIGN_JOB"
    assert one.google.clusters == {}


def test_two_clusters_of_a_run_are_one_too_many() -> None:
    one = task(JobFate(after=60))
    one.until(one.start(), "READY")
    first = one.google.clusters["uuid-1"]
    second = one.follow(one.start(), 0).state
    labels = dict(first.view.labels) | {names.GENERATION: "n2"}
    uuid = one.google.foreign(names.cluster_name(second.base, 2), labels)
    one.google.made.append(uuid)
    assert one.finish().ok
    assert one.google.clusters == {}


def test_a_request_that_comes_true_after_it_was_given_up_goes_with_the_rest() -> None:
    one = task(JobFate(after=60))
    step = one.until(one.start(), "DELETE")
    late = names.cluster_name(step.state.base, 2)
    uuid = one.google.foreign(late, dict(one.google.clusters["uuid-1"].view.labels) | {names.GENERATION: "n2"})
    assert one.finish(step).ok
    assert uuid not in one.google.clusters


def test_a_job_on_a_strangers_cluster_is_refused() -> None:
    with pytest.raises(SpecError, match="none of run"):
        begin(sample(), IDENTITY, goal=Goal.JOB, now=NOW, attempt="a", cluster=("other", "uuid"))


def test_a_run_without_a_job_is_refused() -> None:
    run = DaskRun.model_validate(document() | {"job": None})
    with pytest.raises(SpecError, match="no job"):
        begin(run, IDENTITY, goal=Goal.RUN, now=NOW, attempt="a")


def test_a_job_that_could_not_be_sent_is_refused_before_a_cluster_is_asked_for() -> None:
    run = DaskRun.model_validate(changed("job.bootstrap_uri", None))
    with pytest.raises(SpecError, match="bootstrap_uri"):
        begin(run, IDENTITY, goal=Goal.RUN, now=NOW, attempt="a")


def test_the_state_is_a_document() -> None:
    state = begin(sample(), IDENTITY, goal=Goal.RUN, now=NOW, attempt="a").state
    assert State.model_validate_json(state.model_dump_json()) == state


def test_a_machine_that_may_not_list_says_so_at_once() -> None:
    one = task()
    one.google.on_read = lambda _: CallError("PERMISSION_DENIED", "dataproc.clusters.list")
    outcome = one.finish()
    assert code_of(outcome) == "PERMISSION_DENIED"
    assert one.google.calls == []


STEPS_OF_A_CLEAN_RUN = 52


def test_a_clean_run_has_as_many_steps_as_are_walked() -> None:
    one = task()
    assert isinstance(one.follow(one.start(), STEPS_OF_A_CLEAN_RUN).action, End)


@pytest.mark.parametrize("steps", range(STEPS_OF_A_CLEAN_RUN))
def test_a_try_that_dies_anywhere_is_finished_by_the_next(steps: int) -> None:
    one = task()
    one.follow(one.start(), steps)
    assert one.finish().ok
    assert (len(one.google.made), len(one.google.jobs)) == (1, 1)
    assert one.google.clusters == {}


@pytest.mark.parametrize("steps", range(STEPS_OF_A_CLEAN_RUN))
def test_a_try_that_is_killed_anywhere_leaves_nothing_running(steps: int) -> None:
    one = task()
    state = one.follow(one.start(), steps).state
    begun = one.google.now
    one.follow(stop(one.run, state, begun, why="marked failed", wait=False))
    assert one.google.now - begun < timedelta(seconds=30)
    assert one.google.alive() == []


@pytest.mark.parametrize("steps", range(STEPS_OF_A_CLEAN_RUN))
def test_a_call_that_was_sent_by_a_process_that_died_before_it_could_note_it_is_found(steps: int) -> None:
    """The process dies between a call and its answer: nothing but Google knows of it."""
    one = task()
    step = one.follow(one.start(), steps)
    if isinstance(step.action, Call):
        one.google.perform(step.action)
    assert one.finish().ok
    assert (len(one.google.made), len(one.google.jobs)) == (1, 1)
    assert one.google.clusters == {}


def test_a_request_of_which_nobody_knows_is_waited_for_when_the_run_is_stopped() -> None:
    one = task()
    one.google.on_call = lambda call: "late" if call.kind is CallKind.CREATE else "ok"
    state = one.follow(one.start(), 2).state
    one.follow(stop(one.run, state, one.google.now, why="the trigger failed", wait=True))
    assert one.google.made == ["uuid-1"]
    assert one.google.clusters == {}


def test_no_second_job_is_sent_while_the_first_may_run_on_a_cluster_that_does_not_go() -> None:
    one = task(JobFate(after=90_000))
    one.google.deletes = iter([DeleteFate(stuck=True)])
    state = one.follow(one.until(one.start(), "READY"), 5).state
    one.follow(stop(one.run, state, one.google.now, why="marked failed", wait=False))
    assert code_of(one.finish()) == "DELETE_STUCK"
    assert len(one.google.jobs) == 1


def test_a_cluster_that_does_not_go_holds_nobody_up_where_it_has_no_job() -> None:
    one = task()
    one.google.creates = iter([CreateFate(error=CallError("INTERNAL", "x"))])
    one.google.deletes = iter([DeleteFate(stuck=True)])
    outcome = one.finish()
    assert "DELETE_SLOW" in one.notes
    assert len(one.google.jobs) == 1
    assert code_of(outcome) == "DELETE_STUCK"


def test_a_cluster_that_is_too_old_for_the_whole_job_is_replaced() -> None:
    one = task()
    one.until(one.start(), "READY")
    one.google.clusters["uuid-1"].idle = timedelta(days=1)
    one.google.advance(40 * MINUTE)
    assert one.finish().ok
    assert one.google.made == ["uuid-1", "uuid-2"]
    assert one.google.clusters == {}


def test_a_job_that_runs_too_long_is_stopped_at_its_own_deadline() -> None:
    one = task(JobFate(after=90_000), run=sample(deadlines={"run": "10m"}))
    assert code_of(one.finish()) == "RUN_TIMEOUT"
    assert one.google.now - NOW < 15 * MINUTE
    assert one.google.clusters == {}


def test_a_job_that_does_not_start_is_stopped() -> None:
    one = task(JobFate(starts=False))
    assert code_of(one.finish()) == "SUBMIT_TIMEOUT"
    assert one.google.clusters == {}
