# SPDX-License-Identifier: Apache-2.0
"""A workflow of Google's whose follower dies before its first, second, … action: whoever comes next starts no second one."""

from __future__ import annotations

import itertools

import pytest

from airflow_dataops.core.dataproc_dask.lifecycle import resume
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.dataproc_dask.state import Goal
from airflow_dataops.core.dataproc_dask.turn import End, Step
from tests.integration.dataproc_dask.driving import SPEED, Driven, code_of, document
from tests.services.dataproc_fake.running import Project

pytestmark = [pytest.mark.integration]

START = "InstantiateInlineWorkflowTemplate"


def driven(project: Project) -> Driven:
    """Return a run of a few minutes by the project's clock."""
    project.configure(speed=SPEED, create=20, delete=10)
    whole = document(project, {"args": {"seconds": 2}})
    whole["cluster"]["zones"] = []
    del whole["policy"]["quota_backoff"], whole["cluster"]["idle_delete_ttl"]
    return Driven(project, DaskRun.model_validate(whole))


def dies_before(one: Driven, action: int) -> Step:
    """Begin a try, and leave it before it does its n-th action."""
    count = itertools.count(1)
    return one.follow(one.start(Goal.WORKFLOW), lambda _: next(count) >= action)


@pytest.mark.parametrize("then", ["try", "restart"])
@pytest.mark.parametrize("action", [1, 2, 3, 5, 8, 12, 18])
def test_the_next_one_takes_over_what_is_there(dataproc: Project, action: int, then: str) -> None:
    one = driven(dataproc)
    left = dies_before(one, action)
    again = one.start(Goal.WORKFLOW) if then == "try" else resume(one.run, left.state, dataproc.now())
    ended = one.follow(again)
    assert isinstance(ended.action, End)
    assert code_of(ended.action.outcome) is None, one.notes
    assert len({call["request_id"] for call in dataproc.calls(START)}) == 1
    assert len(dataproc.fake.ask("jobs", project=dataproc.id)) == 1
    [cluster] = dataproc.bill()["clusters"]
    assert cluster["gone"] is not None
    assert ended.state.lives[-1].uuid == cluster["uuid"]


def test_with_nobody_to_follow_google_ends_the_bill(dataproc: Project) -> None:
    one = driven(dataproc)
    dies_before(one, 4)
    dataproc.wait(lambda: [cluster["gone"] for cluster in dataproc.bill()["clusters"]] not in ([], [None]))
    [job] = dataproc.fake.ask("jobs", project=dataproc.id)
    assert job["state"] == "DONE"
    assert dataproc.calls("DeleteCluster") == []
