# SPDX-License-Identifier: Apache-2.0
"""The scheduler that the init script has started on the master, with one worker process a machine."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from distributed import Client

from airflow_dataops.core.dataproc_dask.document import JobDocument
from airflow_dataops.core.dataproc_dask.result import Code
from airflow_dataops.core.errors import TransientError
from airflow_dataops.jobs.dask_runtime.base import Session

ADDRESS = "DATAOPS_DASK_SCHEDULER"
_PORT = 8786
_CONNECT_FOR = 60.0


def start(document: JobDocument, scratch: Path) -> Session:  # noqa: ARG001 - the interface of a runtime
    """Connect to ``DATAOPS_DASK_SCHEDULER``, or to port 8786 of this machine: the driver runs on the master.

    Raises:
        TransientError: Nobody answers there (``NO_SCHEDULER``).
    """
    address = os.environ.get(ADDRESS) or f"tcp://{socket.gethostname()}:{_PORT}"
    timeout = min(_CONNECT_FOR, document.wait_for_workers)
    try:
        client = Client(address, timeout=timeout, name=f"dataops-{document.name}")  # type: ignore[no-untyped-call]
    except OSError as error:
        raise TransientError(
            f"no Dask scheduler answers at {address} within {timeout:g} s",
            hint="look at `journalctl -u dataops-dask-scheduler` on the master; the cluster needs our init script",
            code=Code.NO_SCHEDULER,
        ) from error
    return Session(client, "standalone", [client.close])


__all__ = ["ADDRESS", "start"]
