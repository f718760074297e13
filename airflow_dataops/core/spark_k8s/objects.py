# SPDX-License-Identifier: Apache-2.0
"""All that is created for one driver, in the order of creation: the driver first, so that everything else can be owned by it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.identity import RunIdentity
from airflow_dataops.core.spark_k8s import names
from airflow_dataops.core.spark_k8s.application import application
from airflow_dataops.core.spark_k8s.conf import (
    BLOCK_PORT,
    DRIVER_PORT,
    EXECUTOR_TEMPLATE,
    LAUNCHER,
    PROPERTIES,
    UI_PORT,
    direct_conf,
)
from airflow_dataops.core.spark_k8s.driver_pod import driver_pod, executor_template
from airflow_dataops.core.spark_k8s.merge import Document
from airflow_dataops.core.spark_k8s.properties import properties_file
from airflow_dataops.core.spark_k8s.spec import RunParts

RUN_MODULE = '''\
"""Starts a module as `python -m` does; spark-submit takes files only."""
import runpy
import sys

del sys.argv[0]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
'''


@dataclass(frozen=True)
class Objects:
    """Manifests of one driver.

    Attributes:
        driver: The pod, or the SparkApplication.
        config: The ConfigMap; None with a SparkApplication, whose operator makes one.
        secret: The Secret without its values; None where no variable needs it.
        secret_values: Key in that Secret -> reference of the value that a client puts there.
        service: The headless Service; None where none is asked for, or an operator makes one.
    """

    driver: Document
    config: Document | None = None
    secret: Document | None = None
    secret_values: dict[str, str] = field(default_factory=dict)
    service: Document | None = None


def objects(run: RunParts, identity: RunIdentity, attempt: int) -> Objects:
    """Return what is created for the run's n-th driver, in mode ``direct`` or ``crd``. None of it holds a secret.

    Raises:
        SpecError: The mode is ``standalone``, which creates nothing (``SPARK_RUN_INVALID``), or the attempts are used up.
    """
    if run.target.mode == "standalone":
        hint = "start the command of spark_submit, or write mode: direct"
        raise SpecError("mode standalone creates nothing in a cluster", hint=hint, code="SPARK_RUN_INVALID")
    values = {name: source for name, source in run.app.secret_env.items() if isinstance(source, str)}
    secret = _secret(run, identity, attempt) if values else None
    if run.target.mode == "crd":
        return Objects(application(run, identity, attempt), secret=secret, secret_values=values)
    return Objects(
        driver_pod(run, identity, attempt),
        config=_config(run, identity, attempt),
        secret=secret,
        secret_values=values,
        service=_service(run, identity, attempt) if run.app.service else None,
    )


def owned(document: Document, owner: Document, uid: str) -> Document:
    """Return a manifest that is collected with its owner.

    ``blockOwnerDeletion`` is left out: it would need the right to set the owner's finalizers.

    Args:
        document: Manifest of a ConfigMap, Secret or Service.
        owner: Manifest of the driver.
        uid: The UID that the API server gave it.
    """
    name = owner["metadata"]["name"]
    reference = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": name, "uid": uid}
    return {**document, "metadata": {**document["metadata"], "ownerReferences": [reference]}}


def _config(run: RunParts, identity: RunIdentity, attempt: int) -> Document:
    data = {
        PROPERTIES: properties_file(direct_conf(run, identity, attempt)),
        EXECUTOR_TEMPLATE: json.dumps(executor_template(run.app), indent=1, sort_keys=True),
    }
    if run.app.module is not None:
        data[LAUNCHER] = RUN_MODULE
    metadata = _metadata(run, identity, attempt, names.config_name(names.driver_name(identity, attempt)))
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "immutable": True, "data": data}


def _secret(run: RunParts, identity: RunIdentity, attempt: int) -> Document:
    metadata = _metadata(run, identity, attempt, names.secret_name(names.driver_name(identity, attempt)))
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "immutable": True}


def _service(run: RunParts, identity: RunIdentity, attempt: int) -> Document:
    ports = {"driver-rpc-port": DRIVER_PORT, "blockmanager": BLOCK_PORT, "spark-ui": UI_PORT}
    selector = {**names.run_labels(identity), names.ATTEMPT: str(attempt), names.ROLE: names.DRIVER}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(run, identity, attempt, names.service_name(names.driver_name(identity, attempt))),
        "spec": {
            "clusterIP": "None",
            "selector": selector,
            "ports": [
                {"name": name, "port": port, "targetPort": port, "protocol": "TCP"} for name, port in ports.items()
            ],
        },
    }


def _metadata(run: RunParts, identity: RunIdentity, attempt: int, name: str) -> Document:
    return {
        "name": name,
        "namespace": run.target.namespace,
        "labels": names.labels_of(run, identity, attempt),
        "annotations": names.annotations_of(run, identity),
    }
