# SPDX-License-Identifier: Apache-2.0
"""What a call of the machine sends: the resource, and the manifest that ``core/spark_k8s/objects`` makes for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_dataops.core.identity import RunIdentity
from airflow_dataops.core.spark_k8s.objects import Objects, objects, owned
from airflow_dataops.core.spark_k8s.spec import RunParts
from airflow_dataops.core.spark_k8s.state import CallKind
from airflow_dataops.core.spark_k8s.turn import Call

DELETES = frozenset({CallKind.DELETE_POD, CallKind.DELETE_APPLICATION})
_DRIVERS = frozenset({CallKind.CREATE_POD, CallKind.CREATE_APPLICATION})
_RESOURCES = {
    CallKind.CREATE_POD: "pods",
    CallKind.CREATE_APPLICATION: "sparkapplications",
    CallKind.CREATE_CONFIG: "configmaps",
    CallKind.CREATE_SECRET: "secrets",
    CallKind.CREATE_SERVICE: "services",
    CallKind.DELETE_POD: "pods",
    CallKind.DELETE_APPLICATION: "sparkapplications",
}


def resource_of(run: RunParts, call: Call) -> tuple[str, str]:
    """Return the resource of a call, and its group and version."""
    resource = _RESOURCES[call.kind]
    return resource, str(run.target.application_api) if resource == "sparkapplications" else "v1"


def document_of(run: RunParts, identity: RunIdentity, call: Call) -> dict[str, Any]:
    """Return the manifest that a call creates; a Secret without its values. What is not the driver is owned by it.

    Raises:
        ValueError: The run has no such object.
    """
    found = objects(run, identity, call.attempt)
    document = _part(found, call.kind)
    if call.kind not in _DRIVERS:
        document = owned(document, found.driver, call.uid)
    metadata = document["metadata"]
    return {**document, "metadata": {**metadata, "labels": {**metadata["labels"], **dict(call.labels)}}}


def values_of(run: RunParts, identity: RunIdentity, call: Call) -> Mapping[str, str]:
    """Return the keys of a driver's Secret and the references of their values."""
    return objects(run, identity, call.attempt).secret_values


def _part(found: Objects, kind: CallKind) -> dict[str, Any]:
    parts = {
        CallKind.CREATE_CONFIG: found.config,
        CallKind.CREATE_SECRET: found.secret,
        CallKind.CREATE_SERVICE: found.service,
    }
    document = found.driver if kind in _DRIVERS else parts[kind]
    if document is None:
        raise ValueError(f"the run has nothing for {kind}")
    return document
