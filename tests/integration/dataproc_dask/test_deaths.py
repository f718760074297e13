# SPDX-License-Identifier: Apache-2.0
"""Faults on our own side: somebody dies, is killed or refuses; each time nothing is made twice and nothing goes on billing."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from airflow_dataops.core.dataproc_dask.budget import Estimate
from airflow_dataops.core.dataproc_dask.lifecycle import resume, stop
from airflow_dataops.core.dataproc_dask.state import Goal
from airflow_dataops.core.dataproc_dask.turn import Call, End, Step
from tests.integration.dataproc_dask.driving import HELD, SPEED, Driven, code_of, driven, let_end
from tests.integration.dataproc_dask.table import LONG
from tests.services.dataproc_fake.running import Project

pytestmark = pytest.mark.integration


@pytest.fixture
def project(dataproc: Project) -> Project:
    """A project in which a minute lasts three seconds."""
    dataproc.configure(speed=SPEED, create=8, delete=5)
    return dataproc


def answered(one: Driven, method: str, times: int = 1) -> Step:
    """Drive a new try until so many calls of a method have been made, and leave it there, as if it were killed."""
    before = len(one.project.calls(method))
    return one.follow(one.start(), lambda step: len(one.project.calls(method)) >= before + times)


def counted(project: Project) -> dict[str, int]:
    """Return how many clusters and jobs there were, and how many clusters still are."""
    jobs = project.fake.ask("jobs", project=project.id)
    return {"clusters": len(project.bill()["clusters"]), "jobs": len(jobs), "left": len(project.billing())}


ONE = {"clusters": 1, "jobs": 1, "left": 0}


def test_02_a_worker_that_is_killed_after_create_leaves_a_cluster_that_the_next_try_adopts(project: Project) -> None:
    one = driven(project)
    answered(one, "CreateCluster")
    assert one.finish().ok
    assert counted(project) == ONE
    assert "ADOPTED" in one.notes


def test_14_a_try_that_dies_leaves_a_job_that_the_next_one_attaches_to(project: Project) -> None:
    one = driven(project, HELD)
    answered(one, "SubmitJob")
    again = one.follow(one.start(), lambda step: "ATTACHED" in one.notes)
    let_end(project)
    assert one.finish(again).ok
    assert counted(project) == ONE


@pytest.mark.parametrize("method", ["CreateCluster", "GetOperation", "SubmitJob", "GetJob"])
def test_19_a_kill_sends_the_delete_within_30_seconds(project: Project, method: str) -> None:
    one = driven(project, LONG)
    state = answered(one, method).state
    project.configure(speed=1)  # or these seconds are none
    begun = project.now()
    ended = one.follow(stop(one.run, state, begun, why="marked failed", wait=False))
    assert isinstance(ended.action, End)
    assert code_of(ended.action.outcome) == "KILLED"
    told = project.calls("DeleteCluster")[-1]
    assert told["committed"]
    assert told["time"] - begun.timestamp() < 30
    project.configure(speed=SPEED)
    project.wait(lambda: not project.billing())


def test_20_a_triggerer_that_restarts_makes_and_deletes_nothing(project: Project) -> None:
    one = driven(project, HELD)
    old = answered(one, "GetJob", 2)
    state = next(state for state in one.states if state.job_id)
    before = counted(project)
    again = one.follow(resume(one.run, state, project.now()), lambda step: "ATTACHED" in one.notes)
    assert before == counted(project) == {"clusters": 1, "jobs": 1, "left": 1}
    assert project.calls("DeleteCluster") == []
    let_end(project)
    assert one.finish(again).ok
    assert counted(project) == ONE
    assert old.state.job_id == again.state.job_id


def test_21_what_a_crashed_trigger_left_is_deleted(project: Project) -> None:
    one = driven(project, LONG)
    answered(one, "GetJob", 2)
    oldest = next(state for state in one.states if state.asked_at)
    ended = one.follow(stop(one.run, oldest, project.now(), why="the trigger failed", wait=True))
    assert isinstance(ended.action, End)
    assert code_of(ended.action.outcome) == "KILLED"
    assert counted(project) == ONE


def test_22_with_nobody_left_the_idle_time_to_live_ends_the_bill(project: Project) -> None:
    one = driven(project)
    answered(one, "SubmitJob")
    jobs = project.wait(lambda: [job for job in project.fake.ask("jobs", project=project.id) if job["ended"]])
    idle = one.run.cluster.idle_delete_ttl
    project.pass_time(idle / 2)
    assert len(project.billing()) == 1
    project.pass_time(idle / 2)
    project.wait(lambda: not project.billing())
    (billed,) = project.bill()["clusters"]
    assert billed["gone"] - jobs[0]["ended"] >= idle.total_seconds()


def test_24_a_delete_of_a_shared_cluster_touches_no_namesake(project: Project) -> None:
    one = driven(project)
    made = one.follow(one.start(Goal.CLUSTER)).state
    project.fake.ask("vanish", uuid=made.uuid)
    stranger = project.fake.ask("foreign", project=project.id, region=project.region, name=one.name)
    assert one.finish(one.start(Goal.GONE, cluster=(one.name, made.uuid))).ok
    assert [cluster["uuid"] for cluster in project.fake.ask("strangers", project=project.id)] == [stranger]


def test_27_over_the_budget_no_call_is_made(project: Project) -> None:
    one = driven(project, budget="1")
    project.arm("no_calls")
    hourly = Estimate(
        hourly=Decimal(1), lifetime=timedelta(hours=2), total=Decimal(2), limit=Decimal(1), currency="USD"
    )
    assert code_of(one.finish(one.start(estimate=hourly))) == "OVER_BUDGET"
    assert project.forbidden() == 0
    assert project.calls() == []


def test_27_the_api_itself_refuses_a_time_to_live_under_ten_minutes(project: Project) -> None:
    one = driven(project)
    step = one.follow(one.start(), lambda step: isinstance(step.action, Call))
    assert isinstance(step.action, Call)
    step.action.request["cluster"]["config"]["lifecycle_config"]["auto_delete_ttl"] = {"seconds": 599}
    assert code_of(one.finish(step)) == "REQUEST_REFUSED"
    assert counted(project) == {"clusters": 0, "jobs": 0, "left": 0}
