# SPDX-License-Identifier: Apache-2.0
"""What a step asks to look at, all at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_dataops.clients.drive import seen_by
from airflow_dataops.clients.gcs import Gcs
from airflow_dataops.clients.google import CloudError, off_loop
from airflow_dataops.core.dataproc_dask import names
from airflow_dataops.core.dataproc_dask.observation import (
    ClusterView,
    HeartbeatView,
    JobView,
    Look,
    Observation,
    Reply,
    ResultView,
)
from airflow_dataops.core.dataproc_dask.result import DriverResult, read_result
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.dataproc_dask.state import State
from airflow_dataops.core.machine import CallError, Gone

if TYPE_CHECKING:
    from airflow_dataops.clients.dataproc_dask.client import DataprocDaskClient

RESULT, HEARTBEAT, REPORT, LOG_CURSOR = "result.json", "heartbeat.json", "report.html", "log-cursor.json"


class Observer:
    """Looks on behalf of a client."""

    def __init__(self, client: DataprocDaskClient, gcs: Gcs) -> None:
        self._client, self._gcs = client, gcs

    async def observe(self, run: DaskRun, state: State, look: frozenset[Look], reply: Reply | None) -> Observation:
        """Look at everything that a step asks for; nothing is left running where one of the looks breaks or this is cancelled."""
        return Observation(reply=reply, **await seen_by(look, lambda one: self._look(one, run, state)))

    async def result(self, run: DaskRun, state: State) -> DriverResult | None:
        """Return the driver's whole result; None where it left none."""
        read = await self._file(run, state, RESULT)
        if isinstance(read, CallError):
            raise CloudError(read, f"read the result of job {state.job_id}")
        return None if isinstance(read, Gone) else read_result(read)

    def _look(self, look: Look, run: DaskRun, state: State) -> Coroutine[Any, Any, Any]:
        client = self._client
        ways: dict[Look, Callable[[], Coroutine[Any, Any, Any]]] = {
            Look.CLUSTERS: lambda: self._clusters(state),
            Look.JOBS: lambda: self._jobs(state),
            Look.CLUSTER: lambda: client.read_cluster(state.cluster_name),
            Look.OPERATION: lambda: client.read_operation(state.operation),
            Look.JOB: lambda: client.read_job(state.job_id),
            Look.HEARTBEAT: lambda: self._heartbeat(run, state),
            Look.RESULT: lambda: self._result(run, state),
        }
        return ways[look]()

    async def _clusters(self, state: State) -> tuple[ClusterView, ...] | CallError:
        found = await self._client.pages("ListClusters", {"filter": names.list_filter(state.own)})
        return found if isinstance(found, CallError) else self._client.seen(found)

    async def _jobs(self, state: State) -> tuple[JobView, ...] | CallError:
        own = state.own | ({names.JOB: state.job_name} if state.job_name else {})
        return await self._client.pages("ListJobs", {"filter": names.list_filter(own)})

    async def _heartbeat(self, run: DaskRun, state: State) -> HeartbeatView | Gone | CallError:
        read = await self._file(run, state, HEARTBEAT)
        return read if isinstance(read, Gone | CallError) else heartbeat_of(read)

    async def _result(self, run: DaskRun, state: State) -> ResultView | Gone | CallError:
        read = await self._file(run, state, RESULT)
        if isinstance(read, Gone | CallError):
            return read
        said = read_result(read)
        return ResultView(said.ok, said.code, said.message)

    async def _file(self, run: DaskRun, state: State, name: str) -> bytes | Gone | CallError:
        """Read a file of the job's folder."""
        folder = folder_of(run, state)
        if folder is None:
            return Gone()
        try:
            return await off_loop(self._gcs.read, f"{folder}/{name}")
        except CloudError as error:
            return Gone() if error.code == "NOT_FOUND" else error.error


def folder_of(run: DaskRun, state: State) -> str | None:
    """Return the folder of the job's present execution; None where there is no job, or none was sent yet."""
    if run.job is None or run.job.spec_uri is None or not state.job_id:
        return None
    return names.job_folder(run.job.spec_uri, state.execution_id)


def heartbeat_of(data: bytes) -> HeartbeatView | CallError:
    """Return the driver's sign of life; a moment without a zone is UTC. What is none is an answer that does not count."""
    try:
        at = datetime.fromisoformat(json.loads(data)["at"])
    except (ValueError, KeyError, TypeError) as error:
        return CallError("DATA_LOSS", f"{HEARTBEAT} is not what a driver writes: {type(error).__name__}")
    return HeartbeatView(at if at.tzinfo else at.replace(tzinfo=UTC))
