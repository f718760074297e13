# SPDX-License-Identifier: Apache-2.0
"""Real deaths in a real Airflow 3: of a task's process, of the triggerer, and a task that somebody marks while it is deferred."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator

import pytest

from tests.conftest import HAS_AIRFLOW
from tests.integration.airflow_kill.estate import PATIENCE, RUN, TASK
from tests.integration.airflow_kill.stack import Airflow, wait_for
from tests.integration.dataproc_dask.estate import Estate, estate_of
from tests.services.dataproc_fake.running import FakeDataproc

DEFERRED = {"marked": True, "restarted": True, "cleared": True, "killed": False, "stopped": False}
Kills = Estate[Airflow]


def airflow_of_the_right_age() -> bool:
    if not HAS_AIRFLOW:
        return False
    from airflow import __version__

    return not __version__.startswith("2.")


pytestmark = [
    pytest.mark.integration,
    pytest.mark.soak,  # minutes: `make soak AREA=kills_in_airflow`
    pytest.mark.airflow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        not airflow_of_the_right_age(), reason="needs Airflow 3: its triggerer tells a trigger of a kill"
    ),
    pytest.mark.skipif(sys.platform != "linux", reason="needs Linux: orphans become children of the test"),
]


@pytest.fixture(scope="module")
def estate(dataproc_server: FakeDataproc, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kills]:
    """An Airflow with all DAGs on their way."""
    with estate_of(Airflow, dataproc_server, tmp_path_factory.mktemp("dask_estate"), DEFERRED) as made:
        yield made


def test_a_task_that_is_marked_as_failed_while_deferred_leaves_no_cluster_within_30_seconds(estate: Kills) -> None:
    estate.deferred("marked")
    estate.airflow.mark_failed("marked", RUN, TASK)
    wait_for("the end of the cluster", lambda: not estate.project("marked").billing(), 30)
    assert estate.state("marked") == "failed"
    estate.check_one_of_each("marked")


def test_a_task_that_is_marked_as_failed_while_its_worker_waits_leaves_no_cluster(estate: Kills) -> None:
    estate.running("stopped")
    estate.airflow.mark_failed("stopped", RUN, TASK)
    wait_for("the end of the cluster", lambda: not estate.project("stopped").billing(), 30)
    assert estate.state("stopped") == "failed"
    estate.check_one_of_each("stopped")


def test_a_task_whose_process_is_killed_adopts_cluster_and_job_in_its_next_try(estate: Kills) -> None:
    estate.running("killed")
    os.kill(estate.process("killed"), signal.SIGKILL)
    estate.wait_for_second_try("killed")
    estate.settings["killed"].put("go")
    assert estate.ended("killed") == "success"
    estate.check_one_of_each("killed")


def test_a_task_that_is_cleared_while_deferred_begins_anew_and_leaves_nothing(estate: Kills) -> None:
    estate.deferred("cleared")
    estate.airflow.clear("cleared", RUN, TASK)
    estate.wait_for_second_try("cleared")
    estate.settings["cleared"].put("go")
    assert estate.ended("cleared") == "success"
    assert estate.project("cleared").billing() == []


def test_a_triggerer_that_is_killed_and_started_anew_goes_on_with_the_same_job(estate: Kills) -> None:
    estate.deferred("restarted")
    links = estate.airflow.call("GET", f"dags/restarted/dagRuns/{RUN}/taskInstances/delays/links")["extra_links"]
    wanted = {"Dataproc cluster", "Dataproc job", "Dask dashboard", "Logs"}
    assert {name for name, url in links.items() if str(url).startswith("https://console.cloud.google.com/")} == wanted
    estate.airflow.kill_part("triggerer")
    assert len(estate.project("restarted").billing()) == 1
    estate.airflow.start_part("triggerer")
    estate.settings["restarted"].put("go")
    assert estate.ended("restarted") == "success"
    estate.check_one_of_each("restarted")
    assert estate.project("restarted").calls("CancelJob") == []
    # None is lost. The lines of the last look before the death may be told once more: whether they were told, nobody knows.
    wait_for(
        "the driver's lines", lambda: all(_told(estate)), PATIENCE
    )  # a trigger's come late: Airflow reads them at its leisure
    assert set(_told(estate)) <= {1, 2}


def _told(estate: Kills) -> list[int]:
    """Return how often each line of the driver is in the task's log."""
    return [estate.log("restarted").count(f"line {number} of the driver") for number in range(3)]
