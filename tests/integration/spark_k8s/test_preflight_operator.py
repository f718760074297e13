# SPDX-License-Identifier: Apache-2.0
"""The preflight's task on a real API server, with the connection that the run has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from unittest.mock import MagicMock

import pytest

from airflow_dataops.operators.spark_k8s import SparkKubernetesPreflightOperator
from tests.integration.spark_k8s.operating import arguments, connect
from tests.services.kube.accounts import Namespace
from tests.services.kube.api import Api
from tests.services.kube.kube_server import KubeServer
from tests.unit.operators.shell import Ti

pytestmark = [pytest.mark.integration, pytest.mark.airflow]


@pytest.fixture
def space(kube: KubeServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Namespace]:
    made = Namespace(kube, Api(kube))
    connect(made, monkeypatch)
    yield made
    made.remove()


def task_of(space: Namespace, **given: Any) -> SparkKubernetesPreflightOperator:
    kept = ("app", "target", "policy", "kubernetes_conn_id")
    same = {name: value for name, value in arguments(space, "job.py").items() if name in kept}
    return SparkKubernetesPreflightOperator(task_id="look", **{**same, **given})


def test_the_runs_own_arguments_are_looked_at_in_the_connections_namespace(space: Namespace) -> None:
    report = task_of(space, fail_on="warning").execute({"ti": Ti("look")})
    assert report == {"levels": {"ok": report["levels"]["ok"]}, "findings": []}
    assert report["levels"]["ok"] >= 8


def test_it_fails_with_what_is_missing_and_leaves_the_yaml(space: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.providers.common.compat.sdk import AirflowFailException

    ti, task = Ti("look"), task_of(space)
    task.app = {**task.app, "image_pull_secrets": ["registry"]}
    log = MagicMock()
    monkeypatch.setattr(SparkKubernetesPreflightOperator, "log", log)
    with pytest.raises(
        AirflowFailException, match=r"PREFLIGHT_FAILED.*image_pull_secret\.registry: there is no Secret"
    ):
        task.execute({"ti": ti})
    [finding] = ti.xcom_pull(task_ids="look")["findings"]
    assert finding["manifests"][0]["type"] == "kubernetes.io/dockerconfigjson"
    said = [one.args[1] % one.args[2:] for one in log.log.call_args_list]
    assert any("kubectl apply --server-side -f -" in line and "kind: Secret" in line for line in said)
    assert "Pa55" not in json.dumps(said)


def test_a_store_that_cannot_be_reached_and_one_that_nobody_describes(
    space: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("S3_ENDPOINT_URL", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    extra = {"endpoint_url": "http://127.0.0.1:9", "region_name": "eu-west-1"}
    document = {"conn_type": "aws", "login": "id", "password": "key", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps(document))
    ti = Ti("look")
    with pytest.raises(Exception, match=r"s3\.lake: s3a://lake/silver: STORAGE"):
        task_of(space, lake="s3a://lake/silver", aws_conn_id="lake").execute({"ti": ti})
    task = task_of(space, lake="s3a://lake/silver")
    task.app = {**task.app, "conf": {"spark.hadoop.fs.s3a.endpoint": "http://elsewhere"}}
    report = task.execute({"ti": Ti("look")})
    assert [(one["check"], one["level"]) for one in report["findings"]] == [("s3.lake", "unknown")]
