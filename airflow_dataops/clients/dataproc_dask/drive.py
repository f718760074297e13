# SPDX-License-Identifier: Apache-2.0
"""The machine of Dask on Dataproc, performed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Unpack

from airflow_dataops.clients.dataproc_dask.client import DataprocDaskClient
from airflow_dataops.clients.dataproc_dask.wire import DEADLINE
from airflow_dataops.clients.drive import HURRIED_DEADLINE, Driving, perform, run_blocking, utcnow
from airflow_dataops.core.dataproc_dask.lifecycle import decide
from airflow_dataops.core.dataproc_dask.observation import Observation, Reply
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.dataproc_dask.state import Patience
from airflow_dataops.core.dataproc_dask.turn import Call, End, Step


@dataclass(frozen=True)
class _DaskMachine:
    client: DataprocDaskClient
    run: DaskRun

    def is_end(self, step: Step) -> bool:
        return isinstance(step.action, End)

    async def send(self, step: Step) -> Reply | None:
        self.client.deadline = HURRIED_DEADLINE if step.state.patience is Patience.SEND else DEADLINE
        return await self.client.send(step.action) if isinstance(step.action, Call) else None

    async def look(self, step: Step, reply: Reply | None) -> Observation:
        return await self.client.observe(self.run, step.state, step.look, reply)

    def decide(self, step: Step, seen: Observation, now: datetime, jitter: float) -> Step:
        return decide(self.run, step.state, seen, now, jitter)


async def drive(client: DataprocDaskClient, run: DaskRun, step: Step, **how: Unpack[Driving[Step]]) -> Step:
    """Perform steps until the run is over, and return the last one, whose action is an ``End``.

    What :func:`~airflow_dataops.clients.drive.perform` says holds; who keeps the states goes on with
    :func:`~airflow_dataops.core.dataproc_dask.lifecycle.resume`.

    Args:
        client: Sends and looks.
        run: What is wanted.
        step: The first step: of ``begin``, ``stop`` or ``resume``, or one that an earlier call returned.
        how: See :class:`~airflow_dataops.clients.drive.Driving`.

    Raises:
        MissingDependency: Google's libraries are not installed.
    """
    return await perform(_DaskMachine(client, run), step, **how)


__all__ = ["drive", "run_blocking", "utcnow"]
