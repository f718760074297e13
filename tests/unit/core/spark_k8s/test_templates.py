# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from airflow_dataops.core.spark_k8s.run import faults_of
from tests.unit.core.spark_k8s.samples import changed

DRIVER, EXECUTOR = "spark-kubernetes-driver", "spark-kubernetes-executor"


def container(name: str = DRIVER, **parts: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": name, **parts}]}}


def codes(template: Any, key: str = "pod_template", profile: str = "openshift") -> list[str]:
    whole = changed(f"app.{key}", template)
    whole["app"]["profile"] = profile
    return [fault.code for fault in faults_of(whole)]


@pytest.mark.parametrize(
    "template",
    [
        {},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"labels": {"a": "b"}, "annotations": {"x.y/z": "any text"}}},
        {"spec": {"nodeSelector": {"disk": "ssd"}, "tolerations": [{"key": "spark", "operator": "Exists"}]}},
        {"spec": {"containers": [{"name": "proxy", "image": "proxy:1", "args": ["--port", "1"]}]}},
        container(resources={"limits": {"ephemeral-storage": "10Gi"}}, env=[{"name": "LANG", "value": "C.UTF-8"}]),
        container(env=[{"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "pw"}}}]),
        container(securityContext={"capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]}}),
        {"spec": {"volumes": [{"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}}], "securityContext": None}},
        {"spec": {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "d"}}, {"name": "empty"}]}},
        {"spec": {"securityContext": {"supplementalGroups": [5555], "runAsGroup": 0}}},
        container(securityContext={"seccompProfile": {"type": "RuntimeDefault"}}),
        {"metadata": None, "spec": None},
    ],
)
def test_a_template_that_is_fine(template: dict[str, Any]) -> None:
    assert codes(template) == []


@pytest.mark.parametrize(
    ("template", "code"),
    [
        ({"status": {}}, "BAD_TEMPLATE"),
        ({"kind": "Deployment"}, "BAD_TEMPLATE"),
        ({"spec": []}, "BAD_TEMPLATE"),
        ({"metadata": "x"}, "BAD_TEMPLATE"),
        ({"metadata": {"labels": []}}, "BAD_TEMPLATE"),
        ({"metadata": {"labels": ["x"]}}, "BAD_TEMPLATE"),
        ({"spec": {"containers": {}}}, "BAD_TEMPLATE"),
        ({"spec": {"containers": ["x"]}}, "BAD_TEMPLATE"),
        ({"spec": {"containers": [{"image": "x"}]}}, "BAD_TEMPLATE"),
        ({"spec": {"containers": [{"name": "a"}, {"name": "a"}]}}, "BAD_TEMPLATE"),
        ({"spec": {"volumes": [{"emptyDir": {}}]}}, "BAD_TEMPLATE"),
        (container(env=[{"value": "x"}]), "BAD_TEMPLATE"),
        (container(env={"A": "x"}), "BAD_TEMPLATE"),
        (container(volumeMounts=[{"name": "x"}]), "BAD_TEMPLATE"),
        ({"spec": {"x": {1, 2}}}, "BAD_TEMPLATE"),
        ({"spec": {"x": float("nan")}}, "BAD_TEMPLATE"),
        ({"metadata": {"name": "mine"}}, "TEMPLATE_OURS"),
        ({"metadata": {"namespace": "other"}}, "TEMPLATE_OURS"),
        ({"metadata": {"finalizers": ["x"]}}, "TEMPLATE_OURS"),
        ({"metadata": {"ownerReferences": []}}, "TEMPLATE_OURS"),
        ({"spec": {"restartPolicy": "Always"}}, "TEMPLATE_OURS"),
        ({"spec": {"serviceAccountName": "admin"}}, "TEMPLATE_OURS"),
        ({"spec": {"activeDeadlineSeconds": 5}}, "TEMPLATE_OURS"),
        (container(command=["sh"]), "TEMPLATE_OURS"),
        (container(args=["x"]), "TEMPLATE_OURS"),
        (container(image="other"), "TEMPLATE_OURS"),
        (container(volumeMounts=[{"name": "x", "mountPath": "/opt/spark/conf/"}]), "TEMPLATE_OURS"),
        (container(env=[{"name": "SPARK_CONF_DIR", "value": "/x"}]), "VARIABLE_IS_OURS"),
        (container(env=[{"name": "TZ", "value": "CET"}]), "VARIABLE_TWICE"),
        (container(env=[{"name": "DB_PASSWORD", "value": "x1"}]), "SECRET_IN_TEMPLATE"),
        ({"spec": {"containers": [{"name": "proxy", "args": ["--url=http://me:pw@host"]}]}}, "SECRET_IN_TEMPLATE"),
        ({"metadata": {"labels": {"managed-by": "me"}}}, "RESERVED_LABEL"),
        ({"metadata": {"labels": {"n": 1}}}, "BAD_LABEL_VALUE"),
        ({"metadata": {"annotations": {"dataops/x": "y"}}}, "RESERVED_ANNOTATION"),
        ({"metadata": {"annotations": {"n": 1}}}, "BAD_ANNOTATION"),
    ],
)
def test_a_template_that_would_be_dropped_or_refused_is_a_fault(template: Any, code: str) -> None:
    assert codes(template) == [code]


@pytest.mark.parametrize(
    "template",
    [
        {"spec": {"hostNetwork": True}},
        {"spec": {"volumes": [{"name": "x", "hostPath": {"path": "/"}}]}},
        {"spec": {"volumes": [{"name": "x", "nfs": {"server": "nas", "path": "/"}}]}},
        {"spec": {"securityContext": {"seccompProfile": {"type": "Unconfined"}}}},
        container(securityContext={"seccompProfile": {"type": "Localhost", "localhostProfile": "p.json"}}),
        container(securityContext={"seLinuxOptions": {"level": "s0:c1,c2"}}),
        {"spec": {"securityContext": {"runAsUser": 185}}},
        {"spec": {"securityContext": {"fsGroup": 185}}},
        container(securityContext={"privileged": True}),
        container(securityContext={"allowPrivilegeEscalation": True}),
        container(securityContext={"runAsNonRoot": False}),
        container(securityContext={"capabilities": {"add": ["SYS_ADMIN"]}}),
        container(ports=[{"containerPort": 1, "hostPort": 1}]),
    ],
)
def test_what_openshift_would_refuse_is_a_fault_on_openshift_only(template: dict[str, Any]) -> None:
    assert codes(template) == ["SCC_REFUSES"]
    assert codes(template, profile="kind") == []


def test_an_executor_template_may_have_its_own_account_but_no_restarts() -> None:
    spec = {"serviceAccountName": "executor", "activeDeadlineSeconds": 60}
    assert codes({"spec": spec}, "executor_template") == []
    assert codes({"spec": {"restartPolicy": "Always"}}, "executor_template") == ["TEMPLATE_OURS"]
    assert codes(container(EXECUTOR, command=["x"]), "executor_template") == ["TEMPLATE_OURS"]
