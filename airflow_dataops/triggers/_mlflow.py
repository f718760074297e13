# SPDX-License-Identifier: Apache-2.0
"""A task's run in MLflow where the task itself is not there to close it: its triggerer does, where a person ends the task."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_dataops.clients.mlflow import MlflowClient
    from airflow_dataops.core.spark_k8s.tracking import MlflowServer

MOST_SECONDS = 5.0


def client_of(server: MlflowServer) -> MlflowClient:
    """Return a client of a server, with its password or token looked up. It blocks.

    Raises:
        SpecError: That is not set (``SECRET_MISSING``).
    """
    from airflow_dataops.clients.mlflow import MlflowClient
    from airflow_dataops.hooks._secrets import lookup_secrets

    reference = server.password or server.token
    secret = lookup_secrets([reference])[reference] if reference else None
    return MlflowClient(server.uri, user=server.user, secret=secret)


def handed(run_id: str, server: MlflowServer) -> dict[str, Any]:
    """Return what a trigger needs to close a run: a document with references to secrets, and no secret."""
    return {"run_id": run_id, "server": asdict(server)}


async def close_killed(given: Mapping[str, Any], log: Any) -> None:
    """Close a run as killed, beside the event loop and within seconds. Never raises: what goes wrong is one warning.

    Args:
        given: What :func:`handed` returned.
        log: Takes the warning.
    """
    from airflow_dataops.clients.mlflow import within

    try:
        await asyncio.to_thread(within, MOST_SECONDS, lambda: _close(given))
    except Exception as error:  # noqa: BLE001  tracking is never a reason for failure
        said = " ".join(f"{type(error).__name__}: {error}".split())
        log.warning("MLflow: could not close the run %s, which may stay RUNNING: %s", given.get("run_id"), said)


def _close(given: Mapping[str, Any]) -> None:
    from airflow_dataops.clients.drive import utcnow
    from airflow_dataops.core.spark_k8s.tracking import MlflowServer

    client = client_of(MlflowServer(**given["server"]))
    client.end(given["run_id"], "KILLED", int(utcnow().timestamp() * 1000))


__all__ = ["MOST_SECONDS", "client_of", "close_killed", "handed"]
