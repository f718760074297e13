# SPDX-License-Identifier: Apache-2.0
"""A driver pod as spark-submit in cluster mode makes it, as far as a stand-in for Spark's image can tell."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from airflow_dataops.core.spark_k8s.merge import merge
from tests.services.kube.api import Api

Document = dict[str, Any]

CONTAINER = "spark-kubernetes-driver"
_FOLDER, _TEMPLATE = "/opt/spark/conf", "pod-spec-template.yml"
_ADDRESS = "SPARK_DRIVER_BIND_ADDRESS"


def create_driver(api: Api, application: Mapping[str, Any], name: str, app_id: str, parts: Mapping[str, Any]) -> None:
    """Create a driver pod and its ConfigMap.

    Args:
        api: The operator's.
        application: Owns the pod.
        name: The pod's name.
        app_id: Spark's id of the run.
        parts: ``conf``, ``labels``, ``annotations``, ``template``, ``executor`` (its template), ``main`` and ``args``, ``main_class``,
            ``image``, ``account``.
    """
    meta = application["metadata"]
    place = f"/api/v1/namespaces/{meta['namespace']}"
    pod = _pod(application, name, app_id, parts)
    made = api("POST", f"{place}/pods", pod)
    owner = {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": made["metadata"]["uid"], "controller": True}
    conf = {**parts["conf"], **_submitted(parts["conf"], name, app_id, meta["namespace"])}
    lines = [f"{key}={value}" for key, value in sorted(conf.items())]
    body = {
        "metadata": {"name": f"{name}-conf-map", "ownerReferences": [owner]},
        "data": {"spark.properties": "\n".join(lines) + "\n", _TEMPLATE: json.dumps(parts["executor"])},
    }
    api("POST", f"{place}/configmaps", body)


def _submitted(conf: Mapping[str, str], name: str, app_id: str, namespace: str) -> dict[str, str]:
    """Return the properties that make a driver in a pod the one that asks for executors."""
    return {
        "spark.app.id": app_id,
        "spark.master": f"k8s://{conf.get('spark.kubernetes.driver.master', 'https://kubernetes.default.svc')}",
        "spark.kubernetes.namespace": namespace,
        "spark.kubernetes.driver.pod.name": name,
        "spark.kubernetes.submitInDriver": "true",
        "spark.kubernetes.executor.podTemplateFile": f"{_FOLDER}/{_TEMPLATE}",
        "spark.driver.port": "7078",
        "spark.driver.blockManager.port": "7079",
    }


def _pod(application: Mapping[str, Any], name: str, app_id: str, parts: Mapping[str, Any]) -> Document:
    meta = application["metadata"]
    owner = {key: application[key] for key in ("apiVersion", "kind")}
    owner |= {"name": meta["name"], "uid": meta["uid"], "controller": True}
    chosen = ["--class", parts["main_class"]] if parts.get("main_class") else []
    args = ["driver", "--properties-file", f"{_FOLDER}/spark.properties", "--conf", f"spark.driver.host=$({_ADDRESS})"]
    args += [*chosen, parts["main"], *parts["args"]]
    address = {"name": _ADDRESS, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}}
    container = {
        "name": CONTAINER,
        "image": parts["image"],
        "args": args,
        "env": [address, {"name": "SPARK_CONF_DIR", "value": _FOLDER}, *_env(parts["conf"])],
        "resources": {"requests": {"cpu": parts["conf"].get("spark.kubernetes.driver.request.cores", "1")}},
        "volumeMounts": [{"name": "spark-conf-volume-driver", "mountPath": _FOLDER}],
    }
    volume = {"name": "spark-conf-volume-driver", "configMap": {"name": f"{name}-conf-map"}}
    spark = {
        "metadata": {
            "name": name,
            "labels": {**parts["labels"], "spark-role": "driver", "spark-app-selector": app_id},
            "annotations": dict(parts["annotations"]),
            "ownerReferences": [owner],
        },
        "spec": {
            "restartPolicy": "Never",
            "serviceAccountName": parts["account"],
            "containers": [container],
            "volumes": [volume],
        },
    }
    return merge(parts["template"], spark)


def _env(conf: Mapping[str, str]) -> list[Document]:
    plain, secret = "spark.kubernetes.driverEnv.", "spark.kubernetes.driver.secretKeyRef."
    found: list[Document] = [
        {"name": key.removeprefix(plain), "value": value} for key, value in conf.items() if key.startswith(plain)
    ]
    for key, value in conf.items():
        if key.startswith(secret):
            name, _, part = value.partition(":")
            reference = {"secretKeyRef": {"name": name, "key": part}}
            found.append({"name": key.removeprefix(secret), "valueFrom": reference})
    return found


def under(conf: Mapping[str, str], prefix: str) -> dict[str, str]:
    """Return the properties under a prefix, without it."""
    return {key.removeprefix(prefix): value for key, value in conf.items() if key.startswith(prefix)}
