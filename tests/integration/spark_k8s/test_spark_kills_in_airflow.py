# SPDX-License-Identifier: Apache-2.0
"""Real deaths in a real Airflow 3: of a task's process, of the triggerer, and a task that somebody marks or clears."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator

import pytest

from tests.conftest import HAS_AIRFLOW
from tests.integration.airflow_kill.estate import PATIENCE, RUN, TASK
from tests.integration.airflow_kill.stack import Airflow, wait_for
from tests.integration.spark_k8s.estate import Estate, estate_of
from tests.integration.spark_k8s.scanning import Scan
from tests.services.kube.accounts import Namespace
from tests.services.kube.kube_server import KubeServer
from tests.services.kube.podrunner import PodRunner

DEFERRED = {"killed": False, "restarted": True, "marked": True, "stopped": False, "cleared": True}
Kills = Estate[Airflow]


def airflow_of_the_right_age() -> bool:
    if not HAS_AIRFLOW:
        return False
    from airflow import __version__

    return not __version__.startswith("2.")


pytestmark = [
    pytest.mark.airflow,
    pytest.mark.timeout(1800),
    pytest.mark.usefixtures("image"),
    pytest.mark.skipif(
        not airflow_of_the_right_age(), reason="needs Airflow 3: its triggerer tells a trigger of a kill"
    ),
    pytest.mark.skipif(sys.platform != "linux", reason="needs Linux: orphans become children of the test"),
]


@pytest.fixture(scope="module")
def estate(kube: KubeServer, node: PodRunner, image: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kills]:
    """An Airflow that knows all DAGs; at the end, its database and logs are looked through for secrets."""
    namespace = Namespace(kube, node.api)
    folder = tmp_path_factory.mktemp("spark_estate")
    with Scan(namespace, node) as scan:
        with estate_of(Airflow, namespace, scan, folder, DEFERRED) as made:
            yield made
        scan.look_at_files("Airflow's database and logs", (folder / "home").rglob("*"))
    namespace.remove()


def test_a_task_whose_process_is_killed_adopts_its_driver_in_its_next_try(estate: Kills) -> None:
    estate.begin("killed", "restarted")  # side by side: a task's start takes its time
    estate.running("killed")
    os.kill(estate.process("killed"), signal.SIGKILL)
    estate.wait_for_second_try("killed")
    assert estate.finish("killed") == "success"
    estate.check_one_driver("killed")


def test_a_triggerer_that_is_killed_and_started_anew_goes_on_with_the_same_driver(estate: Kills) -> None:
    estate.begin("restarted")
    estate.deferred("restarted")
    estate.airflow.kill_part("triggerer")
    assert len(estate.at_work("restarted")) == 1
    estate.airflow.start_part("triggerer")
    assert estate.finish("restarted") == "success"
    estate.check_one_driver("restarted")
    # None is lost, though a trigger's lines come late: Airflow reads them at its leisure. What the killed one told last may be told once
    # more: whether it was told, nobody knows.
    written = set(range(estate.written("restarted")))
    wait_for("the driver's lines", lambda: set(estate.lines("restarted")) >= written, PATIENCE)
    told = estate.lines("restarted")
    assert set(told) == written
    assert max(told.values()) <= 2


@pytest.mark.soak  # minutes: `make soak AREA=kills_in_airflow`
@pytest.mark.parametrize("name", ["marked", "stopped"], ids=["deferred", "on a worker"])
def test_a_task_that_is_marked_as_failed_leaves_no_driver(estate: Kills, name: str) -> None:
    estate.begin(name)
    (estate.deferred if DEFERRED[name] else estate.running)(name)
    estate.airflow.mark_failed(name, RUN, TASK)
    estate.wait_until_gone(name)
    assert estate.state(name) == "failed"
    estate.check_one_driver(name)


@pytest.mark.soak
def test_a_task_that_is_cleared_while_deferred_begins_anew_and_leaves_nothing(estate: Kills) -> None:
    estate.begin("cleared")
    estate.deferred("cleared")
    estate.airflow.clear("cleared", RUN, TASK)
    estate.wait_for_second_try("cleared")
    assert estate.finish("cleared") == "success"
    estate.wait_until_gone("cleared")
