# SPDX-License-Identifier: Apache-2.0
"""The machine of Spark on Kubernetes, performed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Unpack

from airflow_dataops.clients.drive import HURRIED_DEADLINE, Driving, perform
from airflow_dataops.clients.spark_k8s.client import SparkKubeClient
from airflow_dataops.clients.spark_k8s.wire import DEADLINE
from airflow_dataops.core.spark_k8s.lifecycle import decide
from airflow_dataops.core.spark_k8s.observation import Observation, Reply
from airflow_dataops.core.spark_k8s.spec import RunParts
from airflow_dataops.core.spark_k8s.state import Patience
from airflow_dataops.core.spark_k8s.turn import Call, End, Step


@dataclass(frozen=True)
class _SparkMachine:
    client: SparkKubeClient
    run: RunParts

    def is_end(self, step: Step) -> bool:
        return isinstance(step.action, End)

    async def send(self, step: Step) -> Reply | None:
        self.client.deadline = HURRIED_DEADLINE if step.state.patience is Patience.SEND else DEADLINE
        return await self.client.send(self.run, step.state, step.action) if isinstance(step.action, Call) else None

    async def look(self, step: Step, reply: Reply | None) -> Observation:
        return await self.client.observe(self.run, step.state, step.look, reply)

    def decide(self, step: Step, seen: Observation, now: datetime, jitter: float) -> Step:
        return decide(self.run, step.state, seen, now, jitter)


async def drive(client: SparkKubeClient, run: RunParts, step: Step, **how: Unpack[Driving[Step]]) -> Step:
    """Perform steps until the run is over, and return the last one, whose action is an ``End``.

    What :func:`~airflow_dataops.clients.drive.perform` says holds; who keeps the states goes on with
    :func:`~airflow_dataops.core.spark_k8s.lifecycle.resume`.

    Args:
        client: Sends and looks.
        run: What is wanted.
        step: The first step: of ``begin``, ``stop`` or ``resume``, or one that an earlier call returned.
        how: See :class:`~airflow_dataops.clients.drive.Driving`.

    Raises:
        MissingDependency: What is needed to reach Kubernetes is not installed.
    """
    return await perform(_SparkMachine(client, run), step, **how)


__all__ = ["drive"]
