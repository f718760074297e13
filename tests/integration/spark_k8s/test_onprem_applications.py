# SPDX-License-Identifier: Apache-2.0
"""The flights pipeline on a target with ``mode: crd``: each step is a SparkApplication, whose operator makes the driver pod (a stand-in, with Kubeflow's API)."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_dataops.core.spark_k8s.names import RUN
from airflow_dataops.core.spark_k8s.spec import ApplicationApi
from tests.dag_files import dag_of
from tests.integration.spark_k8s.applied import gone, spark_operators
from tests.integration.spark_k8s.onprem import (
    IN_A_SECRET,
    WHEN,
    Place,
    RunDag,
    drivers,
    images,
    outputs,
    place,
    rows_of,
    steps_of,
)
from tests.integration.spark_k8s.scanning import Scan
from tests.services.fixtures import seaweedfs
from tests.services.kube.job_image import missing_spark

__all__ = ["images", "place", "seaweedfs", "spark_operators"]
pytestmark = [pytest.mark.airflow, pytest.mark.usefixtures("spark_operators")]

STEPS = {"refine", "publish", "report"}


@pytest.fixture
def ready(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The project, with drivers that an operator in the cluster makes."""
    place.deliver(1)
    place.project(IN_A_SECRET.format(url=place.server.url), mode="crd")
    place.leave_gates_out()
    monkeypatch.setenv("DATAOPS_TARGET", "onprem")
    return place


def owners(pods: list[Any]) -> set[tuple[str, str]]:
    return {(one["apiVersion"], one["kind"]) for pod in pods for one in pod["metadata"]["ownerReferences"]}


def test_the_table_of_applications_is_that_of_a_laptop(
    ready: Place, run_dag: RunDag, monkeypatch: pytest.MonkeyPatch, scan: Scan
) -> None:
    run = run_dag(dag_of(ready.folder, "flights"), WHEN)
    found = outputs(run)
    states = {one.task_id: str(one.state) for one in run.get_task_instances()}
    assert (run.state, set(found)) == ("success", STEPS), states
    made = drivers(scan)
    assert owners(made) == {(ApplicationApi.KUBEFLOW.value, "SparkApplication")}
    assert {step["spark"]["driver_pod"] for step in found.values()} == {pod["metadata"]["name"] for pod in made}
    scan.look("XCom", found)
    scan.look("steps", told := steps_of(made))
    assert sorted(step["task"] for step in told) == sorted(STEPS)
    assert ready.run_here().key == found["refine"]["run_key"]
    for name, value in ready.server.environ().items():
        monkeypatch.setenv(name, value)
    rows = rows_of(ready.lake, "silver/flights")
    assert (len(rows) > 23_000, rows == rows_of(str(ready.folder / "lake"), "silver/flights")) == (True, True)
    assert found["publish"]["rows"]["written"] == len(rows)
    gone(ready.namespace, ApplicationApi.KUBEFLOW)


@pytest.mark.soak
@pytest.mark.timeout(1500)
def test_executors_of_a_step_belong_to_its_driver(
    place: Place, run_dag: RunDag, monkeypatch: pytest.MonkeyPatch, scan: Scan
) -> None:
    """Spark itself in the pods: what the application says of executors is what its driver asks the cluster for."""
    if why := missing_spark("3.5"):
        pytest.skip(why)
    place.deliver(1)
    place.project(IN_A_SECRET.format(url=place.server.url), "spark", mode="crd")
    project = place.folder / "dataops.yaml"
    project.write_text(project.read_text().replace("executors: 1", "executors: 2"))
    place.leave_gates_out()
    monkeypatch.setenv("DATAOPS_TARGET", "onprem")
    run = run_dag(dag_of(place.folder, "flights"), WHEN)
    found = outputs(run)
    states = {one.task_id: str(one.state) for one in run.get_task_instances()}
    assert (run.state, set(found)) == ("success", STEPS), states
    pods = {one["metadata"]["name"]: one["metadata"] for one in scan.audit.versions("pods")}
    driver = pods[found["refine"]["spark"]["driver_pod"]]
    made = [meta for meta in pods.values() if driver["uid"] in {one["uid"] for one in meta.get("ownerReferences", ())}]
    assert [meta["labels"]["spark-role"] for meta in made] == ["executor"] * 2
    assert {meta["labels"][RUN] for meta in made} == {driver["labels"][RUN]}
    assert found["refine"]["spark"]["executor_peak"] == 2
    place.run_here()
    for name, value in place.server.environ().items():
        monkeypatch.setenv(name, value)
    assert rows_of(place.lake, "silver/flights") == rows_of(str(place.folder / "lake"), "silver/flights")
    gone(place.namespace, ApplicationApi.KUBEFLOW)


def test_a_step_that_fails_is_told_in_its_own_words(ready: Place, run_dag: RunDag, scan: Scan) -> None:
    written = (ready.folder / "flights.yaml").read_text()
    (ready.folder / "flights.yaml").write_text(written.replace("bronze/flights", "bronze/nowhere", 1))
    dag = dag_of(ready.folder, "flights")
    raised: list[BaseException] = []
    dag.get_task("refine").on_failure_callback = [lambda context: raised.append(context["exception"])]
    run = run_dag(dag, WHEN)
    states = {one.task_id: str(one.state) for one in run.get_task_instances()}
    assert (states["refine"], states["publish"]) == ("failed", "upstream_failed")
    assert "SOURCE_MISSING" in str(raised[0])
    assert [step["task"] for step in steps_of(drivers(scan))].count("refine") == 1
    gone(ready.namespace, ApplicationApi.KUBEFLOW)
