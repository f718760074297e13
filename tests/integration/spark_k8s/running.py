# SPDX-License-Identifier: Apache-2.0
"""Runs through the product's client, with a token that may do only what Airflow needs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_dataops.clients.drive import utcnow
from airflow_dataops.clients.spark_k8s.client import SparkKubeClient
from airflow_dataops.clients.spark_k8s.drive import drive
from airflow_dataops.clients.spark_k8s.pod_log import PodLog
from airflow_dataops.clients.spark_k8s.settings import KubeSettings
from airflow_dataops.core.identity import RunIdentity
from airflow_dataops.core.spark_k8s.lifecycle import begin
from airflow_dataops.core.spark_k8s.run import SparkRun, parse
from airflow_dataops.core.spark_k8s.state import Outcome
from airflow_dataops.core.spark_k8s.turn import End, Step
from tests.services.kube.accounts import DRIVER, Namespace
from tests.unit.clients.logs import lines_of


class Clock:
    """The machine's clock, until a test lets it jump."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def jump(self, length: timedelta) -> None:
        """Let so much time pass at once."""
        self._ahead += length


IDENTITY = RunIdentity(instance="tests", dag_id="flights", task_id="refine", run_id="manual__1")


def run_of(
    namespace: Namespace, program: str, *args: str, app: dict[str, Any] | None = None, **policy: Any
) -> SparkRun:
    """Return a run of a program in ``/opt/app`` of an image."""
    return parse(
        {
            "app": {
                "main": f"local:///opt/app/{program}",
                "args": list(args),
                "image": "stand-in/spark:3.5",
                "driver": {"cores": "100m"},
                **(app or {}),
            },
            "target": {"namespace": namespace.name, "service_account": DRIVER, "api_server": namespace.kube.url},
            "policy": {"poll": "1s", "backoff": "1s", **policy},
        }
    )


def settings_of(namespace: Namespace) -> KubeSettings:
    """Return the settings of Airflow's account, with a token of its own."""
    token = namespace.token()
    return KubeSettings(
        namespace=namespace.name,
        host=namespace.kube.url,
        token=lambda: token,
        ca_file=str(namespace.kube.authority.file),
    )


async def quarter(seconds: float) -> None:
    """Sleep, but not for so long."""
    await asyncio.sleep(seconds / 4)


async def driven(
    namespace: Namespace,
    run: SparkRun,
    at: Callable[[Step], None] = lambda step: None,
    clock: Callable[[], datetime] = utcnow,
) -> tuple[Outcome, list[str], SparkKubeClient]:
    """Drive a run to its end, and return how it ended, the driver's log, and the client that counted."""
    async with SparkKubeClient(settings_of(namespace)) as client:
        log, lines = PodLog(client), []

        async def hear(step: Step) -> None:
            at(step)
            if step.state.pod_name and client.source(step.state.pod_name):
                lines.extend(await lines_of(log, step.state.pod_name, client.source(step.state.pod_name)))

        step = await drive(client, run, begin(run, IDENTITY, now=clock()), hear=hear, clock=clock, sleep=quarter)
        assert isinstance(step.action, End)
        return step.action.outcome, lines, client
