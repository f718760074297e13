# SPDX-License-Identifier: Apache-2.0
"""Each fault of the table, on the wire: how the run ends, what was made, and that nothing is left that bills."""

from __future__ import annotations

import pytest

from tests.integration.dataproc_dask.driving import HELD, SPEED, code_of, driven, let_end, without_polls
from tests.integration.dataproc_dask.table import CASES, FINAL, LONG, Case, check_project
from tests.services.dataproc_fake.running import Project

pytestmark = pytest.mark.integration


@pytest.fixture
def project(dataproc: Project) -> Project:
    """A project in which a minute lasts three seconds."""
    dataproc.configure(speed=SPEED, create=8, delete=5)
    return dataproc


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_fault_is_survived_or_told_and_nothing_is_left(project: Project, case: Case) -> None:
    one = driven(project, case.job, **case.policy)
    case.arm(project)
    outcome = one.finish()
    assert code_of(outcome) == case.code, outcome.failure
    check_project(case, project)
    assert not case.note or case.note in one.notes
    if outcome.failure is not None:
        assert outcome.failure.retryable is (case.code not in FINAL)
        assert not case.log or str(outcome.failure.log_uri).startswith(f"gs://{project.bucket}/")


def test_a_clean_run_needs_few_calls_and_deletes_at_the_first_look_after_the_end(project: Project) -> None:
    one = driven(project)
    assert one.finish().ok
    made = without_polls(project.calls())
    assert len(made) <= 10, made
    assert [method for method in made if not method.startswith(("Get", "List"))] == [
        "CreateCluster",
        "SubmitJob",
        "DeleteCluster",
    ]
    ended = one.project.fake.ask("jobs", project=project.id)[0]["ended"]
    late = [call for call in project.calls("GetJob") if call["time"] > ended]
    assert len(late) == 1, "the first look at the job after its end is the last one"
    assert project.billing() == []


def test_14_a_failed_execution_is_followed_by_a_new_one_in_the_next_try(project: Project) -> None:
    project.arm("driver_dies")
    one = driven(project, HELD)
    assert code_of(one.finish()) == "JOB_FAILED"
    let_end(project)
    assert one.finish().ok
    assert sorted(call["name"][-3:] for call in project.calls("SubmitJob")) == ["-x1", "-x2"]
    assert project.billing() == []


def test_15_the_failure_says_what_the_function_raised(project: Project) -> None:
    failure = driven(project, {"args": {"fail": True}}).finish().failure
    assert failure is not None
    assert "no luck" in failure.message


def test_18_a_job_is_told_to_stop_once(project: Project) -> None:
    project.arm("cancel_stuck")
    assert code_of(driven(project, LONG, deadlines={"run": "30s", "cancel": "20s"}).finish()) == "RUN_TIMEOUT"
    assert len(project.calls("CancelJob")) == 1


def test_23_a_cluster_that_stays_is_named(project: Project) -> None:
    project.arm("delete_stuck", times=999)
    failure = driven(project, deadlines={"delete": "1m"}).finish().failure
    assert failure is not None
    (left,) = project.billing()
    assert failure.details["left"] == [{"name": left["name"], "uuid": left["uuid"]}]
