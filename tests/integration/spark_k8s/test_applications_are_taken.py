# SPDX-License-Identifier: Apache-2.0
"""SparkApplications of many kinds: taken by a real API server with each field checked, and read right in each state that an operator writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from airflow_dataops.clients.spark_k8s.convert import application_view
from airflow_dataops.core.identity import RunIdentity
from airflow_dataops.core.spark_k8s import names
from airflow_dataops.core.spark_k8s.application import application
from airflow_dataops.core.spark_k8s.application_state import Stage
from airflow_dataops.core.spark_k8s.run import SparkRun, parse
from airflow_dataops.core.spark_k8s.spec import ApplicationApi
from tests.services.kube import spark_crds
from tests.services.kube.accounts import Namespace
from tests.services.kube.api import MERGE, Api, ApiError
from tests.services.kube.kube_server import KubeServer

FOLDER = Path(__file__).parent / "applications"
FILES = {ApplicationApi.KUBEFLOW: "kubeflow.yaml", ApplicationApi.APACHE: "apache.yaml"}
CASES = [
    pytest.param(kind, name, fields, id=f"{file.removesuffix('.yaml')}-{name}")
    for kind, file in FILES.items()
    for name, fields in yaml.safe_load((FOLDER / file).read_text(encoding="utf-8")).items()
]
STATES: dict[ApplicationApi, dict[str, Stage]] = {
    ApplicationApi.KUBEFLOW: {
        "SUBMITTED": Stage.WAITS,
        "RUNNING": Stage.RUNS,
        "FAILING": Stage.RUNS,
        "COMPLETED": Stage.SUCCEEDED,
    },
    ApplicationApi.APACHE: {
        "DriverRequested": Stage.WAITS,
        "RunningHealthy": Stage.RUNS,
        "Failed": Stage.RUNS,
        "Succeeded": Stage.SUCCEEDED,
    },
}


@pytest.fixture(scope="module")
def space(kube: KubeServer) -> Iterator[Namespace]:
    made = Namespace(kube, Api(kube))
    spark_crds.install(made.api, *ApplicationApi)
    yield made
    made.remove()


@pytest.fixture(scope="module")
def airflow(space: Namespace) -> Api:
    return Api(space.kube, space.token())


def identity(name: str) -> RunIdentity:
    return RunIdentity(instance="tests", dag_id="d", task_id=name, run_id="r")


def run_of(kind: ApplicationApi, namespace: str, fields: dict[str, Any]) -> SparkRun:
    target = {"namespace": namespace, "mode": "crd", "application_api": kind.value}
    return parse({"app": fields, "target": target})


def status_of(kind: ApplicationApi, word: str) -> dict[str, Any]:
    if kind is ApplicationApi.KUBEFLOW:
        info = {"podName": "x-driver", "webUIPort": 4040}
        return {
            "applicationState": {"state": word},
            "driverInfo": info,
            "sparkApplicationId": "spark-1",
            "executionAttempts": 1,
        }
    state = {"currentStateSummary": word, "lastTransitionTime": "2026-11-22T07:00:00Z", "message": ""}
    return {
        "currentState": state,
        "stateTransitionHistory": {"0": state},
        "currentAttemptSummary": {"attemptInfo": {"id": 0}},
    }


@pytest.mark.parametrize(("kind", "name", "fields"), CASES)
def test_an_application_is_taken_and_its_states_are_read(
    space: Namespace, airflow: Api, kind: ApplicationApi, name: str, fields: dict[str, Any]
) -> None:
    run = run_of(kind, space.name, fields)
    document = application(run, identity(name), 1)
    place = space.path("sparkapplications", group=kind.value)
    made = airflow("POST", place, document, fieldValidation="Strict")
    assert names.owns(made["metadata"]["labels"], names.run_labels(identity(name)))
    kept(fields["application"], made)
    for word, stage in STATES[kind].items():
        status = {"status": status_of(kind, word)}
        space.api("PATCH", f"{place}/{made['metadata']['name']}/status", status, MERGE, fieldValidation="Strict")
        view = application_view(airflow("GET", f"{place}/{made['metadata']['name']}"))
        assert (view.state, view.stage) == (word, stage)


def kept(given: Any, made: Any) -> None:
    """See that what the user wrote is there; a list may have more."""
    if isinstance(given, dict):
        for key, value in given.items():
            kept(value, made[key])
    elif isinstance(given, list) and given and isinstance(given[0], dict):
        for entry in given:
            found = (
                [one for one in made if entry.get("name") == one.get("name")]
                if "name" in entry
                else [made[given.index(entry)]]
            )
            kept(entry, found[0])
    else:
        assert made == given


@pytest.mark.parametrize("kind", [*ApplicationApi])
def test_a_field_that_the_definition_does_not_have_is_refused_by_the_check_that_the_others_pass(
    space: Namespace, airflow: Api, kind: ApplicationApi
) -> None:
    fields = {"image": "i", "main": "local:///opt/app/job.py", "application": {"spec": {"sparkConfig": {}}}}
    document = application(run_of(kind, space.name, fields), identity("typo"), 1)
    with pytest.raises(ApiError, match=r"unknown field .*spec\.sparkConfig"):
        airflow("POST", space.path("sparkapplications", group=kind.value), document, fieldValidation="Strict")
