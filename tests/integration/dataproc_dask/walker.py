# SPDX-License-Identifier: Apache-2.0
"""Forks processes that each drive one run, so that a process to be killed costs milliseconds and not the import of Google's clients.

See ``tests/integration/forking.py``. A child of this module writes every state to ``states`` before it acts on it, and how the run ended to ``outcome``. Nothing is connected before the fork.
"""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow_dataops.clients.dataproc_dask.client import DataprocDaskClient
from airflow_dataops.clients.dataproc_dask.drive import drive
from airflow_dataops.clients.google import GoogleSettings
from airflow_dataops.core.dataproc_dask.lifecycle import begin, resume
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.dataproc_dask.state import Goal, State
from airflow_dataops.core.dataproc_dask.turn import End, Step
from airflow_dataops.core.identity import RunIdentity
from tests.integration.forking import serve

GOOGLE = (
    "google.cloud.dataproc_v1",
    "google.cloud.storage",
    "google.auth.identity_pool",
    "google.longrunning.operations_pb2",
)


async def _work(told: dict[str, Any]) -> None:
    run = DaskRun.model_validate(told["run"])
    credentials = told["credentials"]

    def now() -> datetime:
        real, virtual, speed = told["clock"]
        return datetime.fromtimestamp(virtual + (time.time() - real) * speed, UTC)

    def made() -> Any:
        from google.auth import identity_pool

        return identity_pool.Credentials.from_info(credentials)

    async def hear(step: Step) -> None:
        _append(told["states"], step.state.model_dump_json())

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds / told["clock"][2])

    cluster = run.cluster
    settings = GoogleSettings(
        cluster.project,
        cluster.region,
        credentials=made,
        dataproc_endpoint=told["endpoint"],
        storage_endpoint=told["storage"],
    )
    async with DataprocDaskClient(settings) as client:
        ended = await drive(client, run, _first(told, run, now()), hear=hear, clock=now, sleep=sleep)
    assert isinstance(ended.action, End)
    failure = ended.action.outcome.failure
    _append(told["outcome"], json.dumps(failure.model_dump(mode="json") if failure else None))


def _append(path: str, line: str) -> None:
    with Path(path).open("a") as file:
        file.write(line + "\n")


def _first(told: dict[str, Any], run: DaskRun, now: datetime) -> Step:
    if told["state"] is not None:
        return resume(run, State.model_validate_json(told["state"]), now)
    identity = RunIdentity.model_validate(told["identity"])
    number = told["try_number"]
    return begin(run, identity, goal=Goal.RUN, now=now, attempt=f"attempt-{number}", try_number=number)


if __name__ == "__main__":
    serve(lambda told: asyncio.run(_work(told)), *GOOGLE)
