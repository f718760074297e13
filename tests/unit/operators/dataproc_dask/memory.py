# SPDX-License-Identifier: Apache-2.0
"""Google in memory behind the client's own interface: the machine's simulator, whose clock the performer's waits move."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Self

import pytest

from airflow_dataops.clients.google import CloudError
from airflow_dataops.core.dataproc_dask.observation import Look, Observation, Reply
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.dataproc_dask.state import State
from airflow_dataops.core.dataproc_dask.turn import Call
from airflow_dataops.core.machine import CallError
from tests.unit.core.dataproc_dask.samples import document
from tests.unit.core.dataproc_dask.workflows import WorkflowDataproc

LOG = "gs://staging/driveroutput"


class Buckets:
    """Objects in memory."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def read(self, uri: str, *, start: int = 0, size: int | None = None) -> bytes:
        if uri not in self.objects:
            raise CloudError(CallError("NOT_FOUND", "no such object"), f"read {uri}")
        return self.objects[uri][start : None if size is None else start + size]

    def sizes(self, prefix: str) -> dict[str, int]:
        return {uri: len(data) for uri, data in self.objects.items() if uri.startswith(prefix)}

    def write(self, uri: str, data: bytes, *, if_absent: bool = False, content_type: str = "") -> bool:
        if if_absent and uri in self.objects:
            return False
        self.objects[uri] = data
        return True

    def close(self) -> None: ...


class World:
    """What a test sees: Google, its buckets, and how many clients are open."""

    def __init__(self) -> None:
        self.google, self.buckets = WorkflowDataproc(), Buckets()
        self.open, self.settings = 0, []  # type: tuple[int, list[Any]]
        self.on_sleep: Any = None

    def result(self, value: Any = None, **said: Any) -> None:
        """Let every job leave this result."""
        self.answer = {"schema_version": 1, "ok": True, "result": value, "seconds": {"function": 1.5}} | said

    answer: dict[str, Any] = {"schema_version": 1, "ok": True, "result": None}

    def patch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put this world in the place of Google's."""
        from airflow_dataops.clients import gcs
        from airflow_dataops.clients.dataproc_dask import client, drive

        async def sleep(seconds: float) -> None:
            self.google.advance(timedelta(seconds=seconds))
            if self.on_sleep is not None:
                await self.on_sleep()

        monkeypatch.setattr(client, "DataprocDaskClient", lambda settings: Client(self, settings))
        monkeypatch.setattr(gcs, "Gcs", lambda settings: self.buckets)
        monkeypatch.setattr(drive, "utcnow", lambda: self.google.now)
        timed = partial(drive.perform, clock=lambda: self.google.now, sleep=sleep, jitter=lambda: 0.5)
        monkeypatch.setattr(drive, "perform", timed)


class Client:
    """The client's interface over the simulator."""

    def __init__(self, world: World, settings: Any) -> None:
        self._world, self.gcs, self.calls = world, world.buckets, Counter[str]()
        self.histories: dict[str, Any] = {}
        world.settings.append(settings)
        world.open += 1

    async def send(self, call: Call) -> Reply:
        self.calls[call.kind.value] += 1
        return self._world.google.perform(call)

    async def observe(self, run: DaskRun, state: State, look: frozenset[Look], reply: Reply | None) -> Observation:
        if Look.RESULT in look and run.job is not None and run.job.spec_uri is not None:
            folder = f"{run.job.spec_uri.rpartition('/')[0]}/{state.execution_id}"
            self._world.buckets.objects[f"{folder}/result.json"] = json.dumps(self._world.answer).encode()
        return self._world.google.observe(state, look, reply)

    async def aclose(self) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._world.open -= 1


def arguments(**policy: Any) -> dict[str, Any]:
    """Return arguments of :class:`DataprocDaskJobOperator`."""
    whole = document(**policy)
    job = {"function": "delays.jobs:by_carrier", "args": {"month": 11}}
    return {"cluster": whole["cluster"], "job": job, "policy": policy, "bucket": "jobs", "instance": "prod"}


def dag_of(name: str, errors: list[BaseException] | None = None, retries: int = 0, **given: Any) -> Any:
    from airflow.providers.common.compat.sdk import DAG

    from airflow_dataops.operators.dataproc_dask import DataprocDaskJobOperator

    with DAG(name, schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC), catchup=False) as dag:
        DataprocDaskJobOperator(
            task_id="delays",
            retries=retries,
            retry_delay=timedelta(0),
            on_failure_callback=lambda context: (errors if errors is not None else []).append(context["exception"]),
            **{**arguments(), **given},
        )
    return dag
