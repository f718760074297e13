# SPDX-License-Identifier: Apache-2.0
"""A real API server takes each object that is made for a driver, as the account of Airflow, with Pod Security ``restricted`` in force.

Every field is checked (``fieldValidation=Strict``): one that Kubernetes does not know is an error here, not dropped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from airflow_dataops.core.identity import RunIdentity
from airflow_dataops.core.spark_k8s.driver_pod import executor_template
from airflow_dataops.core.spark_k8s.merge import Document
from airflow_dataops.core.spark_k8s.objects import objects, owned
from airflow_dataops.core.spark_k8s.run import SparkRun, parse
from tests.services.kube.accounts import DRIVER, Namespace
from tests.services.kube.api import Api, ApiError
from tests.services.kube.kube_server import KubeServer

IDENTITY = RunIdentity(
    instance="Prod · 1",
    dag_id="flights",
    task_id="a_task.of-quite.A_LONG_name__" * 6,
    run_id="manual__2026-11-22T00:00:00+00:00",
)
KINDS = {"ConfigMap": "configmaps", "Secret": "secrets", "Service": "services", "Pod": "pods"}
TEMPLATE = {
    "metadata": {"labels": {"cost": "a"}},
    "spec": {
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "spark", "operator": "Exists", "effect": "NoSchedule"}],
        "volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "5Gi"}}],
        "containers": [{"name": "spark-kubernetes-driver", "resources": {"limits": {"ephemeral-storage": "1Gi"}}}],
    },
}


@pytest.fixture(scope="module")
def space(kube: KubeServer) -> Iterator[Namespace]:
    made = Namespace(kube, Api(kube))
    yield made
    made.remove()


def run_of(space: Namespace, **app: Any) -> SparkRun:
    parts = {
        "main": "local:///opt/app/job.py",
        "args": ["$(HOME)", "$$", 1, True],
        "image": "registry.example.com:5000/team/spark@sha256:" + "0" * 64,
        "image_pull_secrets": ["registry"],
        "env": {"X": "$(Y)"},
        "secret_env": {"A": {"name": "s3", "key": "id"}, "B": "conn:s3.password"},
        "driver": {"cores": "0.5", "cpu_limit": "1500m", "memory": "512m"},
        "event_log": "s3a://logs/events",
        "service": True,
        "annotations": {"example.com/owner": "the data team, 日本"},
        **app,
    }
    return parse({"app": parts, "target": {"namespace": space.name, "service_account": DRIVER}})


def create(space: Namespace, api: Api, document: Document) -> Any:
    path = space.path(KINDS[document["kind"]])
    return api("POST", path, document, fieldValidation="Strict", dryRun="All")


@pytest.mark.parametrize("profile", ["openshift", "kind"])
@pytest.mark.parametrize(
    "more",
    [{}, {"pod_template": TEMPLATE}, {"module": "jobs.refine", "main": None}],
    ids=["plain", "template", "module"],
)
def test_every_object_is_taken(space: Namespace, profile: str, more: dict[str, Any]) -> None:
    made = objects(run_of(space, profile=profile, **more), IDENTITY, 99)
    api = Api(space.kube, space.token())
    driver = create(space, api, made.driver)
    requests = driver["spec"]["containers"][0]["resources"]["requests"]
    assert (requests["cpu"], requests["memory"]) == ("500m", "896Mi")
    others = [made.config, made.secret, made.service]
    for document in others:
        assert document is not None
        taken = create(space, api, owned(document, made.driver, driver["metadata"]["uid"]))
        assert taken["metadata"]["labels"] == document["metadata"]["labels"]


def test_pods_of_the_executors_template_are_taken(space: Namespace) -> None:
    template = executor_template(run_of(space).app)
    container = template["spec"]["containers"][0]
    pod = {
        **template,
        "metadata": {"name": "exec-1"},
        "spec": {**template["spec"], "containers": [{**container, "image": "i"}]},
    }
    assert create(space, Api(space.kube, space.token()), pod)["metadata"]["name"] == "exec-1"


def test_the_plain_profile_is_for_namespaces_that_allow_more(space: Namespace) -> None:
    with pytest.raises(ApiError, match="violates PodSecurity"):
        create(space, Api(space.kube, space.token()), objects(run_of(space, profile="plain"), IDENTITY, 1).driver)
