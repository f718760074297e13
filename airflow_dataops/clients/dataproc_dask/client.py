# SPDX-License-Identifier: Apache-2.0
"""Dataproc as the machine of ``core/dataproc_dask`` wants it: send a call once, look at things, list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from airflow_dataops.clients.dataproc_dask.convert import ClusterRead, History
from airflow_dataops.clients.dataproc_dask.observe import Observer
from airflow_dataops.clients.dataproc_dask.wire import DEADLINE, Wire
from airflow_dataops.clients.gcs import Gcs
from airflow_dataops.clients.google import CloudError, GoogleSettings, off_loop
from airflow_dataops.core.dataproc_dask.observation import (
    ClusterView,
    JobView,
    Look,
    Observation,
    OperationView,
    Reply,
)
from airflow_dataops.core.dataproc_dask.result import DriverResult
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.dataproc_dask.state import State
from airflow_dataops.core.dataproc_dask.turn import Call
from airflow_dataops.core.machine import CallError, Gone

_PAGE = 500
_MOST_HISTORIES = 100


class DataprocDaskClient:
    """All calls of one run, operator or command. It can be used from several event loops, one after another or at once.

    Args:
        settings: As whom, and where.
        gcs: Buckets with the drivers' files; made of the settings, and closed with this, where it is None.

    Attributes:
        settings: As given.
        gcs: Buckets.
        calls: Name of an RPC -> how often it was sent.
        histories: UUID of a cluster that was seen -> its states and when each began, for the bill.
        deadline: Seconds within which a call has to be answered; ``drive`` shortens it where the process has seconds to live.
    """

    def __init__(self, settings: GoogleSettings, *, gcs: Gcs | None = None) -> None:
        self.settings = settings
        self.gcs = gcs or Gcs(settings)
        self._own_gcs = gcs is None
        self.calls: Counter[str] = Counter()
        self.histories: dict[str, History] = {}
        self.deadline = DEADLINE
        self._wire = Wire(settings)
        self._observer = Observer(self, self.gcs)

    async def send(self, call: Call) -> Reply:
        """Send a call that changes something, exactly once, and return its answer; an error is an answer too.

        Raises:
            MissingDependency: Google's libraries are not installed.
        """
        reply: Reply = await self._rpc(str(call.kind), call.request)
        return reply

    async def observe(self, run: DaskRun, state: State, look: frozenset[Look], reply: Reply | None) -> Observation:
        """Look at everything that a step asks for, at once.

        Args:
            run: What is wanted.
            state: The step's state.
            look: What to look at; nothing for an observation of the reply alone.
            reply: The answer to the step's call.

        Raises:
            MissingDependency: Google's libraries are not installed.
        """
        return await self._observer.observe(run, state, look, reply)

    async def result(self, run: DaskRun, state: State) -> DriverResult | None:
        """Return what the driver of the run's job left, with what the function returned; None where it left nothing.

        Raises:
            CloudError: It cannot be read.
        """
        return await self._observer.result(run, state)

    async def read_cluster(self, name: str) -> ClusterView | Gone | CallError:
        """Return a cluster by its name."""
        read = await self._rpc("GetCluster", self._place | {"cluster_name": name})
        found: ClusterView | Gone | CallError = _gone(self._seen(read) if isinstance(read, ClusterRead) else read)
        return found

    async def read_job(self, job_id: str) -> JobView | Gone | CallError:
        """Return a job by its id."""
        found: JobView | Gone | CallError = _gone(await self._rpc("GetJob", self._place | {"job_id": job_id}))
        return found

    async def read_operation(self, name: str) -> OperationView | Gone | CallError:
        """Return a long-running operation by its name."""
        found: OperationView | Gone | CallError = _gone(await self._rpc("GetOperation", {"name": name}))
        return found

    async def list_clusters(self, filter: str) -> tuple[ClusterView, ...]:
        """Return the clusters that a filter names, of all pages.

        Args:
            filter: Google's syntax: ``labels.managed-by = airflow-dataops``; empty for all of the region.

        Raises:
            CloudError: They cannot be listed.
        """
        found = await self.pages("ListClusters", {"filter": filter})
        if isinstance(found, CallError):
            raise CloudError(found, f"list the clusters of {self.settings.region}")
        return self.seen(found)

    async def list_jobs(self, filter: str = "", *, cluster_name: str = "") -> tuple[JobView, ...]:
        """Return the jobs that a filter names, of all pages.

        Args:
            filter: Google's syntax: ``status.state = ACTIVE AND labels.env = test``.
            cluster_name: Only those that were sent to a cluster of this name.

        Raises:
            CloudError: They cannot be listed.
        """
        found = await self.pages("ListJobs", {"filter": filter, "cluster_name": cluster_name})
        if isinstance(found, CallError):
            raise CloudError(found, f"list the jobs of {self.settings.region}")
        return found

    async def pages(self, name: str, request: Mapping[str, Any]) -> tuple[Any, ...] | CallError:
        """Return the items of all pages of a list; an error of any page is the answer."""
        found: list[Any] = []
        token = ""
        while True:
            asked = {**self._place, **request, "page_size": _PAGE, "page_token": token}
            page = await self._rpc(name, asked)
            if isinstance(page, CallError):
                return page
            found += page.items
            token = page.token
            if not token:
                return tuple(found)

    def seen(self, reads: tuple[ClusterRead, ...]) -> tuple[ClusterView, ...]:
        """Return the views of clusters, and remember their past."""
        return tuple(self._seen(read) for read in reads)

    async def aclose(self) -> None:
        """Let go of connections and token; calls that are under way end as ``CANCELLED`` where nobody else uses the channel."""
        await off_loop(self.close)

    def close(self) -> None:
        """Do what :meth:`aclose` does, blocking for a moment."""
        self._wire.close()
        if self._own_gcs:
            self.gcs.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def _place(self) -> dict[str, Any]:
        return {"project_id": self.settings.project, "region": self.settings.region}

    async def _rpc(self, name: str, request: Mapping[str, Any]) -> Any:
        self.calls[name] += 1
        return await self._wire.call(name, request, self.deadline)

    def _seen(self, read: ClusterRead) -> ClusterView:
        if read.view.uuid:
            self.histories.pop(read.view.uuid, None)
            self.histories[read.view.uuid] = read.history
            while len(self.histories) > _MOST_HISTORIES:
                del self.histories[next(iter(self.histories))]
        return read.view


def _gone(answer: Any) -> Any:
    return Gone() if isinstance(answer, CallError) and answer.code == "NOT_FOUND" else answer


__all__ = ["DataprocDaskClient"]
