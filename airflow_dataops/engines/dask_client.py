# SPDX-License-Identifier: Apache-2.0
"""The Dask cluster that a job runs on: the one that its driver was given, or one on this machine."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import Any

from airflow_dataops.core.errors import DataOpsError, MissingDependency, StorageError
from airflow_dataops.core.tables import Resources

_CLIENT: ContextVar[Any] = ContextVar("dataops_dask_client", default=None)


@contextlib.contextmanager
def use_client(client: Any) -> Iterator[None]:
    """Let jobs with ``engine: dask`` run on a cluster, as long as this lasts.

    Args:
        client: A ``distributed.Client`` that is connected.
    """
    token = _CLIENT.set(client)
    try:
        yield
    finally:
        _CLIENT.reset(token)


@contextlib.contextmanager
def client_for(resources: Resources) -> Iterator[Any]:
    """Give the client of :func:`use_client`; without one, that of a cluster of processes on this machine, which ends with it.

    Args:
        resources: Threads and memory of a cluster on this machine.

    Raises:
        MissingDependency: Dask is not installed.
    """
    given = _CLIENT.get()
    if given is not None:
        yield given
        return
    # Read when distributed is first imported; by itself it tells of every worker that comes and goes.
    os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "warning")
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise MissingDependency(
            "engine: dask needs Dask", hint="pip install 'airflow-dataops[dask]'", code="DASK_MISSING"
        ) from error
    from airflow_dataops.engines.limits import cores

    make_cluster: Any = LocalCluster  # its own types are not complete
    connect: Any = Client

    workers = resources.threads or cores()
    memory = (
        "auto" if resources.memory_bytes is None else (resources.memory_bytes - driver_memory(resources)) // workers
    )
    with (
        make_cluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=memory,
            dashboard_address=None,
            local_directory=resources.spill_dir,
        ) as cluster,
        connect(cluster) as client,
    ):
        yield client


def driver_memory(resources: Resources) -> int:
    """Return the bytes that the driver's own DuckDB may have: all that was given, or a quarter where the workers are here, too."""
    given = resources.memory_bytes or 0
    return given if _CLIENT.get() is not None else given // 4


def threads(client: Any) -> int:
    """Return how many tasks run at once on the workers that are there now; at least 1."""
    return max(sum(map(int, client.nthreads().values())), 1)


def results(client: Any, futures: Sequence[Any]) -> list[Any]:
    """Wait for tasks and return what they returned.

    Raises:
        StorageError: The cluster went away (``WORKERS_LOST``).
        DataOpsError: The workers that ran a task died, again and again (``OUT_OF_MEMORY``), or whatever a task raised.
    """
    from distributed.client import FutureCancelledError
    from distributed.comm.core import CommClosedError
    from distributed.scheduler import KilledWorker

    try:
        found: list[Any] = _gathered(client, futures)
    except KilledWorker as error:
        raise DataOpsError(
            f"every worker that ran a part of the work died: {error}",
            hint="the usual cause is memory: take a machine type with more of it, or fewer threads a worker; see the workers' logs",
            code="OUT_OF_MEMORY",
        ) from error
    except (FutureCancelledError, CommClosedError) as error:
        raise StorageError(
            f"the Dask cluster does not answer: {error}",
            hint="try again",
            code="WORKERS_LOST",
        ) from error
    return found


def _gathered(client: Any, futures: Sequence[Any]) -> list[Any]:
    try:
        return list(client.gather(list(futures)))
    except BaseException:
        # What has not begun need not begin; what runs, runs to its end, and nobody names what it writes.
        with contextlib.suppress(Exception):
            client.cancel(list(futures))
        raise
