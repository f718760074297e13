# SPDX-License-Identifier: Apache-2.0
"""From connections to settings of Kubernetes and S3."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowNotFoundException

from airflow_dataops.clients.spark_k8s.settings import KubeSettings
from airflow_dataops.core.errors import SpecError
from airflow_dataops.hooks.spark_k8s import SparkKubernetesHook

pytestmark = pytest.mark.airflow
KUBECONFIG = {"apiVersion": "v1", "kind": "Config", "clusters": []}


def hook(monkeypatch: pytest.MonkeyPatch, **extra: Any) -> SparkKubernetesHook:
    connection = {"conn_type": "kubernetes", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_CLUSTER", json.dumps(connection))
    return SparkKubernetesHook("cluster")


@pytest.mark.parametrize("given", [KUBECONFIG, json.dumps(KUBECONFIG), "apiVersion: v1\nkind: Config\nclusters: []\n"])
@pytest.mark.parametrize("prefix", ["", "extra__kubernetes__"])
def test_a_kubeconfig_may_be_written_in_any_way(monkeypatch: pytest.MonkeyPatch, given: Any, prefix: str) -> None:
    found = hook(monkeypatch, **{f"{prefix}kube_config": given, f"{prefix}cluster_context": "c"}).settings("n")
    assert found.document is not None
    assert json.loads(found.document) == KUBECONFIG
    assert (found.namespace, found.context) == ("n", "c")


def test_a_path_and_a_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    made = hook(monkeypatch, kube_config_path="/etc/kube", namespace="etl", in_cluster=False, kube_config="")
    assert (made.settings("n"), made.namespace()) == (KubeSettings(namespace="n", kubeconfig="/etc/kube"), "etl")


def test_the_cluster_of_the_worker_needs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert hook(monkeypatch, in_cluster=True).settings("n") == KubeSettings(namespace="n")
    assert SparkKubernetesHook(None).settings("n") == KubeSettings(namespace="n")
    assert SparkKubernetesHook().settings("n") == KubeSettings(namespace="n")


def test_what_is_in_the_providers_form_and_means_nothing_here_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"disable_tcp_keepalive": True, "xcom_sidecar_container_image": "alpine", "disable_verify_ssl": False}
    assert hook(monkeypatch, **extra).settings("n") == KubeSettings(namespace="n")


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"disable_verify_ssl": True}, "turns the check of certificates off"),
        ({"in_cluster": True, "kube_config_path": "/k"}, "in_cluster and kube_config_path"),
        ({"kube_config": "- a\n- list"}, "no kubeconfig"),
        ({"kube_config": "a: [s3cr3t"}, "no kubeconfig"),
        ({"namespcae": "etl"}, "namespcae"),
    ],
)
def test_what_cannot_be_meant_is_refused(monkeypatch: pytest.MonkeyPatch, extra: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words) as refused:
        hook(monkeypatch, **extra).settings("n")
    assert refused.value.code == "KUBERNETES_CONNECTION"
    assert "s3cr3t" not in str(refused.value)


def test_a_connection_that_is_named_must_be_there() -> None:
    with pytest.raises(AirflowNotFoundException):
        SparkKubernetesHook("nowhere").settings("n")


def test_s3_has_references_in_the_place_of_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = {
        "conn_type": "aws",
        "login": "id",
        "password": "pw",
        "extra": {"endpoint_url": "https://s3.example.com"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps(connection))
    found = SparkKubernetesHook(None, "lake").s3()
    assert found is not None
    assert (found.access_key, found.secret_key) == ("conn:lake.login", "conn:lake.password")
    assert SparkKubernetesHook(None).s3() is None
