# SPDX-License-Identifier: Apache-2.0
"""Are the nodes of a cluster and the pods of a namespace well? From the documents of the API server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airflow_dataops.core.metadata.jobs import Check, State

_MOST = 5


def of_nodes(nodes: Iterable[Mapping[str, Any]]) -> Check:
    """Return whether any node can take pods, and which cannot.

    Args:
        nodes: Documents of the kind ``Node``.
    """
    found = list(nodes)
    bad = sorted(_name(node) for node in found if not _is(node, "Ready"))
    if len(bad) == len(found):
        return Check(
            name="nodes", status="failed", found=f"none of {len(found)} nodes is ready", hint="kubectl describe nodes"
        )
    if bad:
        return Check(
            name="nodes",
            status="warning",
            found=f"{len(bad)} of {len(found)} are not ready: {_some(bad)}",
            hint="kubectl describe nodes",
        )
    return Check(name="nodes", status="ok", found=f"{len(found)} are ready")


def of_pods(namespace: str, pods: Iterable[Mapping[str, Any]]) -> Check:
    """Return whether the pods of a namespace do what they are for; those that are done do not count.

    Args:
        namespace: The namespace.
        pods: Documents of the kind ``Pod``.
    """
    name = f"pods of {namespace}"
    found = [pod for pod in pods if pod.get("status", {}).get("phase") != "Succeeded"]
    bad = sorted(f"{_name(pod)} ({_why(pod)})" for pod in found if not _is(pod, "Ready"))
    hint = f"kubectl -n {namespace} describe pods"
    if not found:
        return Check(name=name, status="warning", found="there is none", hint=hint)
    if bad:
        status: State = "failed" if len(bad) == len(found) else "warning"
        return Check(
            name=name, status=status, found=f"{len(bad)} of {len(found)} are not ready: {_some(bad)}", hint=hint
        )
    return Check(name=name, status="ok", found=f"{len(found)} are ready")


def _is(document: Mapping[str, Any], condition: str) -> bool:
    conditions = document.get("status", {}).get("conditions") or ()
    return any(one.get("type") == condition and one.get("status") == "True" for one in conditions)


def _why(pod: Mapping[str, Any]) -> str:
    """Return what a container waits for, as kubectl shows it; else the pod's phase."""
    status = pod.get("status", {})
    for container in status.get("containerStatuses") or ():
        state = container.get("state", {})
        reason = (state.get("waiting") or state.get("terminated") or {}).get("reason")
        if reason:
            return str(reason)
    return str(status.get("reason") or status.get("phase") or "unknown")


def _name(document: Mapping[str, Any]) -> str:
    return str(document.get("metadata", {}).get("name", "?"))


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return ", ".join(names[:_MOST]) + more


__all__ = ["of_nodes", "of_pods"]
