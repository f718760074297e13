# SPDX-License-Identifier: Apache-2.0
"""Real deaths in a real Airflow 2.11, whose triggers have no ``on_kill``: of triggerers, and of tasks that somebody marks or clears."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.conftest import HAS_AIRFLOW
from tests.integration.airflow_kill.estate import RUN, TASK
from tests.integration.airflow_kill.stack import wait_for
from tests.integration.airflow_kill.stack2 import Airflow2
from tests.integration.dataproc_dask.estate import Estate, estate_of
from tests.services.dataproc_fake.running import FakeDataproc

# One task at a time leaves the executor: all of them wait in the triggerer.
DEFERRED = dict.fromkeys(("marked", "cleared", "handed", "restarted", "unheard"), True)
IDLE = timedelta(minutes=10)  # the cluster's idle_delete_ttl
Kills = Estate[Airflow2]


def airflow_2() -> bool:
    if not HAS_AIRFLOW:
        return False
    from airflow import __version__

    return __version__.startswith("2.")


pytestmark = [
    pytest.mark.integration,
    pytest.mark.soak,  # minutes: `make soak-airflow2`
    pytest.mark.airflow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not airflow_2(), reason="needs Airflow 2: its triggers hear of a kill in another way"),
    pytest.mark.skipif(sys.platform != "linux", reason="needs Linux: orphans become children of the test"),
]


@pytest.fixture(scope="module")
def estate(dataproc_server: FakeDataproc, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kills]:
    """An Airflow with all DAGs on their way."""
    with estate_of(Airflow2, dataproc_server, tmp_path_factory.mktemp("dask_estate"), DEFERRED) as made:
        for name in DEFERRED:
            made.deferred(name)
        yield made


def test_a_task_that_is_marked_as_failed_while_deferred_leaves_no_cluster_within_30_seconds(estate: Kills) -> None:
    estate.airflow.mark_failed("marked", RUN, TASK)
    wait_for("the end of the cluster", lambda: not estate.project("marked").billing(), 30)
    assert estate.state("marked") == "failed"
    assert "the task was ended by hand" in estate.log("marked")
    estate.check_one_of_each("marked")


def test_a_task_that_is_cleared_while_deferred_adopts_what_is_there(estate: Kills) -> None:
    estate.airflow.clear("cleared", RUN, TASK)
    estate.wait_for_second_try("cleared")
    estate.settings["cleared"].put("go")
    assert estate.ended("cleared") == "success"
    assert estate.project("cleared").billing() == []


def test_a_second_triggerer_goes_on_where_the_first_is_killed(estate: Kills) -> None:
    estate.airflow.start_part("second triggerer")
    estate.airflow.kill_part("triggerer")
    assert len(estate.project("handed").billing()) == 1
    estate.settings["handed"].put("go")
    assert estate.ended("handed") == "success"
    estate.check_one_of_each("handed")
    assert estate.project("handed").calls("CancelJob") == []


def test_without_a_triggerer_nobody_hears_of_a_mark_and_googles_idle_time_ends_the_bill(estate: Kills) -> None:
    estate.airflow.kill_part("second triggerer")
    estate.airflow.mark_failed("unheard", RUN, TASK)
    assert estate.state("unheard") == "failed"
    estate.settings["unheard"].put("go")
    project = estate.project("unheard")
    project.wait(lambda: [job for job in project.fake.ask("jobs", project=project.id) if job["ended"]])
    assert len(project.billing()) == 1
    assert project.calls("DeleteCluster") == []
    project.pass_time(IDLE)
    project.wait(lambda: not project.billing())


def test_a_triggerer_that_is_killed_and_started_anew_goes_on_with_the_same_job(estate: Kills) -> None:
    assert estate.state("restarted") == "deferred"
    assert len(estate.project("restarted").billing()) == 1
    estate.airflow.start_part("triggerer")
    estate.settings["restarted"].put("go")
    assert estate.ended("restarted") == "success"
    estate.check_one_of_each("restarted")
    assert estate.project("restarted").calls("CancelJob") == []
    told = [estate.log("restarted").count(f"line {number} of the driver") for number in range(3)]
    assert min(told) >= 1
