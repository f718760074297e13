# SPDX-License-Identifier: Apache-2.0
"""The faults that a run has to survive, one test each; the numbers are those of the fault table in docs/adr/0040."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from airflow_dataops.core.dataproc_dask import names
from airflow_dataops.core.dataproc_dask.budget import Estimate
from airflow_dataops.core.dataproc_dask.lifecycle import resume, stop
from airflow_dataops.core.dataproc_dask.observation import Look, ResultView
from airflow_dataops.core.dataproc_dask.run import DaskRun, faults_of
from airflow_dataops.core.dataproc_dask.state import Phase
from airflow_dataops.core.dataproc_dask.turn import CallKind, End
from airflow_dataops.core.machine import CallError
from tests.unit.core.dataproc_dask.fates import MINUTE, QUOTA, STOCKOUT, failing, losing, task
from tests.unit.core.dataproc_dask.performer import code_of
from tests.unit.core.dataproc_dask.samples import IDENTITY, NOW, changed, document, sample
from tests.unit.core.dataproc_dask.simulator import CreateFate, DeleteFate, JobFate

INIT = "Initialization action failed. See output in: gs://staging/dataproc-initialization-script-0_output"


def test_01_create_commits_and_the_reply_is_lost() -> None:
    one = task()
    one.google.on_call = losing(CallKind.CREATE, "lost", "refused")
    assert one.finish().ok
    assert len(one.google.made) == 1
    assert len({request["request_id"] for _, kind, request in one.google.calls if kind is CallKind.CREATE}) == 1
    assert one.google.clusters == {}


def test_02_the_worker_is_killed_after_create() -> None:
    one = task()
    one.follow(one.start(), 2)
    assert one.google.count(CallKind.CREATE) == 1
    assert one.finish().ok
    assert len(one.google.made) == 1
    assert "ADOPTED" in one.notes


@pytest.mark.parametrize(
    "fate", [CreateFate(error=STOCKOUT), CreateFate(refuse=STOCKOUT)], ids=["operation", "request"]
)
def test_03_a_stockout_takes_the_next_zone_under_a_new_request(fate: CreateFate) -> None:
    one = task(creates=[fate])
    assert one.finish().ok
    asked = [request for _, kind, request in one.google.calls if kind is CallKind.CREATE]
    zones = [request["cluster"]["config"]["gce_cluster_config"]["zone_uri"] for request in asked]
    assert zones == ["europe-west1-b", "europe-west1-c"]
    assert len({request["request_id"] for request in asked}) == 2
    assert one.google.clusters == {}


@pytest.mark.parametrize("fate", [CreateFate(error=QUOTA), CreateFate(refuse=QUOTA)], ids=["operation", "request"])
def test_04_a_refused_quota_is_waited_for_a_bounded_time(fate: CreateFate) -> None:
    one = task(creates=[fate] * 9)
    outcome = one.finish()
    assert code_of(outcome) == "QUOTA"
    assert outcome.failure is not None
    assert "24.0" in outcome.failure.message
    assert one.google.count(CallKind.CREATE) == 3
    assert one.google.now - NOW > 2 * MINUTE
    assert one.google.clusters == {}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CallError("INVALID_ARGUMENT", "bad image"), "REQUEST_REFUSED"),
        (CallError("PERMISSION_DENIED", "Required 'actAs' permission"), "PERMISSION_DENIED"),
        (CallError("PERMISSION_DENIED", "cloudkms.cryptoKeyVersions.useToEncrypt denied"), "KMS_DENIED"),
    ],
)
@pytest.mark.parametrize("late", [False, True])
def test_05_what_google_refuses_for_good_is_not_asked_again(error: CallError, code: str, late: bool) -> None:
    one = task(creates=[CreateFate(error=error) if late else CreateFate(refuse=error)])
    assert code_of(one.finish()) == code
    assert one.google.count(CallKind.CREATE) == 1
    assert one.google.clusters == {}


def test_06_a_cluster_that_never_comes_is_deleted_by_our_own_deadline() -> None:
    one = task(creates=[CreateFate(stuck=True)])
    assert one.finish().ok
    assert "CREATE_TIMEOUT" in one.notes
    assert len(one.google.made) == 2
    assert one.google.clusters == {}


@pytest.mark.parametrize("fate", [CreateFate(state="ERROR", detail=INIT), CreateFate(error=CallError("UNKNOWN", INIT))])
def test_07_an_init_script_that_fails_is_named_with_its_log(fate: CreateFate) -> None:
    one = task(creates=[fate])
    outcome = one.finish()
    assert code_of(outcome) == "INIT_ACTION_FAILED"
    assert outcome.failure is not None
    assert outcome.failure.log_uri == "gs://staging/dataproc-initialization-script-0_output"
    assert len(one.google.made) == 1
    assert one.google.clusters == {}


def test_08_a_cluster_deleted_while_it_is_made_is_made_again_once() -> None:
    assert task(creates=[CreateFate(vanishes=True)]).finish().ok
    twice = task(creates=[CreateFate(vanishes=True)] * 2)
    assert code_of(twice.finish()) == "CLUSTER_LOST"
    assert len(twice.google.made) == 2


@pytest.mark.parametrize("code", ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "INTERNAL"])
def test_09_a_storm_while_polling_is_sat_out(code: str) -> None:
    one = task(job_fates=[JobFate(after=2400)])
    one.google.on_read = failing(Look.OPERATION, Look.CLUSTER, Look.JOB, Look.CLUSTERS, times=12, error=CallError(code))
    assert one.finish().ok
    assert len(one.google.made) == 1
    assert len(one.google.jobs) == 1


def test_10_a_foreign_cluster_of_that_name_is_left_alone() -> None:
    one = task()
    uuid = one.google.foreign(names.base_name(IDENTITY))
    assert code_of(one.finish()) == "FOREIGN_CLUSTER"
    assert one.google.clusters[uuid].view.state == "RUNNING"
    assert one.google.count(CallKind.DELETE) == 0


def test_11_a_cluster_of_another_spec_is_replaced() -> None:
    one = task()
    one.until(one.start(), "READY")
    one.run = DaskRun.model_validate(changed("cluster.image_version", "2.3-debian12"))
    assert one.finish().ok
    assert [
        request["cluster"]["cluster_name"][-3:] for _, kind, request in one.google.calls if kind is CallKind.CREATE
    ][1] == "-g2"
    assert one.google.clusters == {}


def test_12_an_old_operation_for_a_request_id_is_recognised() -> None:
    one = task()
    one.until(one.start(), "READY")
    one.google.remove("uuid-1")
    one.google.advance(5 * MINUTE)
    assert one.finish().ok
    assert "STALE_REQUEST" in one.notes
    assert one.google.made == ["uuid-1", "uuid-2"]
    assert one.google.clusters == {}


def test_13_submit_commits_and_the_reply_is_lost() -> None:
    one = task()
    one.google.on_call = losing(CallKind.SUBMIT, "lost", "refused", "lost")
    assert one.finish().ok
    assert len(one.google.jobs) == 1


def test_14_a_job_that_is_there_already_is_attached_to() -> None:
    one = task(job_fates=[JobFate(after=1800)])
    first = one.until(one.start(), "READY")
    one.follow(first, 3)
    assert one.finish().ok
    assert "ATTACHED" in one.notes
    assert len(one.google.jobs) == 1


def test_14_after_a_failure_a_new_try_sends_a_new_id() -> None:
    one = task(job_fates=[JobFate(state="ERROR", result=None)])
    assert code_of(one.finish()) == "JOB_FAILED"
    assert one.finish().ok
    assert [job[-3:] for job in one.google.jobs] == ["-x1", "-x2"]


def test_14_a_job_that_the_list_did_not_show_is_met_at_submit() -> None:
    """A try that does not see the job of the one before sends the same id, and is told that it exists."""
    one = task(job_fates=[JobFate(after=1800)])
    one.follow(one.until(one.start(), "READY"), 3)
    read = one.google._read
    one.google._read = lambda look, state: () if look is Look.JOBS else read(look, state)  # type: ignore[method-assign]
    one.google.answers.clear()
    assert one.finish().ok
    assert len(one.google.jobs) == 1


def test_15_a_driver_that_dies_is_reported_with_its_log() -> None:
    one = task(
        job_fates=[
            JobFate(
                state="ERROR",
                details="Job failed with exit code 1",
                result=ResultView(False, "ZeroDivisionError", "by zero"),
            )
        ]
    )
    outcome = one.finish()
    assert code_of(outcome) == "JOB_FAILED"
    assert outcome.failure is not None
    assert outcome.failure.log_uri == "gs://staging/driveroutput"
    assert "ZeroDivisionError" in outcome.failure.message
    assert one.google.clusters == {}


def test_16_lost_workers_are_reported_as_such() -> None:
    one = task(job_fates=[JobFate(state="ERROR", result=ResultView(False, "NO_WORKERS", "no workers left"))])
    assert code_of(one.finish()) == "NO_WORKERS"
    assert one.google.clusters == {}


def test_17_a_job_without_a_sign_of_life_is_cancelled() -> None:
    one = task(job_fates=[JobFate(after=9000, beats=False)])
    assert code_of(one.finish()) == "HEARTBEAT_STALE"
    assert one.google.count(CallKind.CANCEL) == 1
    assert one.google.now - NOW < 12 * MINUTE
    assert one.google.clusters == {}


def test_18_a_job_that_does_not_stop_goes_with_its_cluster() -> None:
    one = task(job_fates=[JobFate(after=9000, beats=False, heeds_cancel=False)])
    assert code_of(one.finish()) == "HEARTBEAT_STALE"
    assert one.google.now - NOW < 13 * MINUTE
    assert one.google.clusters == {}


@pytest.mark.parametrize("steps", [1, 2, 5, 20, 40])
def test_19_a_kill_sends_the_delete_within_30_seconds(steps: int) -> None:
    one = task(job_fates=[JobFate(after=9000)])
    state = one.follow(one.start(), steps).state
    begun = one.google.now
    ended = one.follow(stop(one.run, state, begun, why="marked failed", wait=False))
    assert isinstance(ended.action, End)
    assert code_of(ended.action.outcome) == "KILLED"
    assert one.google.now - begun < timedelta(seconds=30)
    assert one.google.alive() == []


@pytest.mark.parametrize("steps", range(1, 40, 3))
def test_20_a_triggerer_that_restarts_makes_and_deletes_nothing(steps: int) -> None:
    one = task(job_fates=[JobFate(after=600)])
    first = one.follow(one.start(), 3)
    one.follow(first, steps)
    made, deleted = len(one.google.made), one.google.count(CallKind.DELETE)
    step = one.follow(resume(one.run, first.state, one.google.now), 8)
    assert (len(one.google.made), one.google.count(CallKind.DELETE)) == (made, deleted)
    assert one.finish(step).ok
    assert len(one.google.jobs) == 1
    assert one.google.clusters == {}


def test_21_a_trigger_that_crashed_is_cleaned_up_after() -> None:
    one = task(job_fates=[JobFate(after=9000)])
    old = one.follow(one.start(), 2).state
    one.follow(one.until(one.start(), "READY"), 5)
    ended = one.follow(stop(one.run, old, one.google.now, why="the trigger failed", wait=True))
    assert isinstance(ended.action, End)
    assert code_of(ended.action.outcome) == "KILLED"
    assert one.google.clusters == {}


def test_22_without_anybody_google_deletes_the_cluster() -> None:
    one = task(job_fates=[JobFate(after=60)])
    one.follow(one.until(one.start(), "READY"), 4)
    one.google.advance(MINUTE + sample().cluster.idle_delete_ttl + MINUTE)
    assert one.google.clusters == {}


@pytest.mark.parametrize(
    "fate",
    [
        DeleteFate(refuse=CallError("UNAVAILABLE", "503")),
        DeleteFate(refuse=CallError("FAILED_PRECONDITION", "busy")),
        DeleteFate(fails=True),
    ],
)
def test_23_a_delete_that_fails_is_sent_again(fate: DeleteFate) -> None:
    one = task(deletes=[fate, fate])
    assert one.finish().ok
    assert one.google.count(CallKind.DELETE) == 3
    assert one.google.clusters == {}


@pytest.mark.parametrize(
    ("fate", "code"),
    [
        (DeleteFate(stuck=True), "DELETE_STUCK"),
        (DeleteFate(refuse=CallError("PERMISSION_DENIED", "dataproc.clusters.delete")), "DELETE_REFUSED"),
    ],
)
def test_23_a_cluster_that_stays_is_a_loud_failure(fate: DeleteFate, code: str) -> None:
    one = task(deletes=[fate])
    outcome = one.finish()
    assert code_of(outcome) == code
    assert outcome.failure is not None
    assert outcome.failure.details["left"] == [{"name": names.base_name(IDENTITY), "uuid": "uuid-1"}]


def test_24_a_namesake_is_not_deleted() -> None:
    one = task(job_fates=[JobFate(after=600)])
    step = one.until(one.start(), "READY")
    step = one.follow(step, 4)
    one.google.remove("uuid-1")
    namesake = one.google.foreign(names.base_name(IDENTITY))
    assert code_of(one.finish(step)) == "CLUSTER_LOST"
    assert one.google.clusters[namesake].view.state == "RUNNING"


def test_25_a_time_to_live_that_strikes_is_called_so() -> None:
    one = task(job_fates=[JobFate(after=90_000)])
    step = one.follow(one.until(one.start(), "READY"), 6)
    one.google.clusters["uuid-1"].expires = one.google.now + MINUTE
    early = names.moment_label(one.google.now + MINUTE)
    step.state.__dict__["expires_at"] = names.moment_of(early)
    assert code_of(one.finish(step)) == "TTL"
    assert one.google.clusters == {}


def test_25_a_time_to_live_that_struck_before_a_restart_is_called_so() -> None:
    one = task(job_fates=[JobFate(after=90_000)])
    state = one.follow(one.until(one.start(), "READY"), 6).state
    one.google.advance(sample().lifetime)
    assert one.google.clusters == {}
    assert code_of(one.finish(resume(one.run, state, one.google.now))) == "TTL"


def test_26_a_log_that_is_missing_does_not_touch_the_machine() -> None:
    """The machine never looks at the log; what it needs beside it may be missing for a while too."""
    one = task()
    one.google.on_read = failing(Look.HEARTBEAT, Look.RESULT, times=4, error=CallError("NOT_FOUND"))
    assert one.finish().ok


def test_27_over_the_budget_nothing_is_asked_for() -> None:
    one = task(sample(budget="1"))
    estimate = Estimate(
        hourly=Decimal(1), lifetime=timedelta(hours=2), total=Decimal(2), limit=Decimal(1), currency="USD"
    )
    outcome = one.finish(one.start(estimate=estimate))
    assert code_of(outcome) == "OVER_BUDGET"
    assert (one.google.calls, one.google.reads) == ([], [])
    warned = task(sample(budget="1", over_budget="warn"))
    assert warned.finish(warned.start(estimate=estimate)).ok
    assert "OVER_BUDGET" in warned.notes


def test_27_a_time_to_live_under_ten_minutes_is_no_run() -> None:
    whole = document(deadlines={"create": "1m", "submit": "1m", "run": "1m", "delete": "1m"})
    whole["cluster"] |= {"auto_delete_ttl": "9m", "init_actions": []}
    assert [fault.code for fault in faults_of(whole)] == ["BAD_AUTO_TTL"]


def test_a_state_that_is_over_stays_so() -> None:
    one = task()
    ended = one.follow(one.start())
    assert ended.state.phase is Phase.END
    for again in (
        resume(one.run, ended.state, one.google.now),
        stop(one.run, ended.state, one.google.now, why="x", wait=False),
    ):
        assert again.action == ended.action
