# SPDX-License-Identifier: Apache-2.0
"""Asks an API server for the nodes of its cluster and the pods of a namespace; it changes nothing."""

from __future__ import annotations

import asyncio
from typing import Any

from airflow_dataops.clients.spark_k8s.settings import KubeSettings
from airflow_dataops.clients.spark_k8s.wire import Wire
from airflow_dataops.core.machine import CallError
from airflow_dataops.core.metadata.cluster import of_nodes, of_pods
from airflow_dataops.core.metadata.jobs import Check

_MOST = 500


def look(namespace: str, seconds: float, settings: KubeSettings | None = None) -> list[Check]:
    """Return how nodes and pods do; what the account may not see is unknown, never well.

    Args:
        namespace: The namespace.
        seconds: Longest wait.
        settings: Where Kubernetes is; None for this process's own cluster, or its kubeconfig.

    Raises:
        DataOpsError: The settings name no API server.
    """
    nodes, pods = asyncio.run(_ask(settings or KubeSettings(namespace), namespace, seconds))
    return [
        _unseen("nodes", nodes, "give the account get and list on nodes (a ClusterRole)") or of_nodes(nodes),
        _unseen(f"pods of {namespace}", pods, "give the account get and list on pods") or of_pods(namespace, pods),
    ]


async def _ask(settings: KubeSettings, namespace: str, seconds: float) -> tuple[Any, Any]:
    wire = Wire(settings)

    async def items(path: str) -> Any:
        found = await wire.request("GET", path, query={"limit": str(_MOST)}, deadline=seconds)
        return found if isinstance(found, CallError) else list((found or {}).get("items") or ())

    try:
        return await items("/api/v1/nodes"), await items(f"/api/v1/namespaces/{namespace}/pods")
    finally:
        await wire.close()


def _unseen(name: str, found: Any, hint: str) -> Check | None:
    if not isinstance(found, CallError):
        return None
    return Check(name=name, status="unknown", found=f"{found.code}: {found.message}", hint=hint)


__all__ = ["look"]
