# SPDX-License-Identifier: Apache-2.0
"""Scheduler and workers as processes of this machine, which end with the driver."""

from __future__ import annotations

import os
from pathlib import Path

from distributed import Client, LocalCluster

from airflow_dataops.clients import limits
from airflow_dataops.core.dataproc_dask.document import JobDocument
from airflow_dataops.jobs.dask_runtime.base import Session

_OF_THE_LIMIT = 0.8  # the driver and the scheduler need some of it, too


def start(document: JobDocument, scratch: Path) -> Session:
    """Start a ``LocalCluster`` that listens on the loopback only."""
    count = document.workers if isinstance(document.workers, int) else document.at_least
    threads = document.worker_threads or max(1, len(os.sched_getaffinity(0)) // count)
    cluster = LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=count,
        threads_per_worker=threads,
        memory_limit=document.worker_memory or _share(count),
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        local_directory=str(scratch),
    )
    client = Client(cluster, name=f"dataops-{document.name}")  # type: ignore[no-untyped-call]
    return Session(client, "local", [client.close, cluster.close])


def _share(count: int) -> int | str:
    limit = limits.memory_limit()
    return "auto" if limit is None else int(limit * _OF_THE_LIMIT / count)


__all__ = ["start"]
