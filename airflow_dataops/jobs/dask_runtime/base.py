# SPDX-License-Identifier: Apache-2.0
"""The interface of a runtime, and what all of them have in common."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from airflow_dataops.core.dataproc_dask.document import JobDocument
from airflow_dataops.core.dataproc_dask.result import Code
from airflow_dataops.core.errors import DataOpsError, TransientError

log = logging.getLogger("airflow_dataops.jobs.dask")

_HOW_TO_LOOK = {
    "local": "the lines above say why; give workers a smaller number, or free memory and processors of this machine",
    "standalone": "read the workers' logs (`journalctl -u dataops-dask-worker` on each machine), or ask for fewer",
    "yarn": "read the workers' logs (`yarn logs`), or ask for fewer",
}


def when_deserted(runtime: str) -> str:
    """Return what to do where all workers of a runtime are gone: those of this machine nobody has taken back."""
    if runtime == "local":
        return "the lines above say why they ended; most often memory: ask for fewer workers, or a larger resources.memory_bytes"
    return "spot machines may have been taken back: keep some standard ones, or run again"


@dataclass(frozen=True)
class Seen:
    """The scheduler as it answered: who it is, and how many workers it has."""

    id: str
    workers: int


@dataclass
class Session:
    """A connected client, and how to let go of what was started for it.

    Attributes:
        client: ``distributed.Client``.
        name: Name of the runtime, for the log.
        closers: Called in turn at the end, each whatever became of the one before.
        ended: Tells why no worker will ever come again; None while some may. Callable from any thread.
    """

    client: Any
    name: str
    closers: list[Callable[[], Any]] = field(default_factory=list)
    ended: Callable[[], DataOpsError | None] = lambda: None

    def look(self, timeout: float) -> Seen:
        """Ask the scheduler who it is; callable from any thread.

        Raises:
            Exception: It did not answer within ``timeout`` seconds.
        """
        found = self.client.sync(self.client.scheduler.identity, n_workers=0, callback_timeout=timeout)
        return Seen(str(found["id"]), int(found["n_workers"]))

    def wait_for_workers(self, count: int, timeout: float) -> None:
        """Return when ``count`` workers are there.

        Raises:
            TransientError: They did not come in time (``NO_WORKERS``).
        """
        try:
            self.client.wait_for_workers(count, timeout=timeout)
        except TimeoutError as late:
            there = self.look(10).workers
            raise TransientError(
                f"{there} of {count} Dask workers came within {timeout:g} s",
                hint=_HOW_TO_LOOK.get(self.name),
                code=Code.NO_WORKERS,
            ) from late

    def close(self) -> None:
        """Let go of everything; trouble is a line in the log."""
        for closer in self.closers:
            try:
                closer()
            except Exception as error:  # noqa: BLE001 - the next one is to be closed all the same
                log.warning("closing the %s runtime: %s: %s", self.name, type(error).__name__, error)


def start(document: JobDocument, scratch: Path) -> Session:
    """Start or find the scheduler and the workers that a job asks for, and connect.

    Args:
        document: The job.
        scratch: Folder for local files.

    Raises:
        DataOpsError: There is no scheduler (``NO_SCHEDULER``), or the runtime could not be started (``RUNTIME_FAILED``).
    """
    runtime = import_module(f"airflow_dataops.jobs.dask_runtime.{document.runtime}")
    try:
        session: Session = runtime.start(document, scratch)
    except DataOpsError:
        raise
    except Exception as error:
        raise TransientError(
            f"the {document.runtime} runtime could not be started: {type(error).__name__}: {error}",
            hint="the traceback is in the driver's log",
            code=Code.RUNTIME_FAILED,
        ) from error
    session.client.run_on_scheduler(bound_waiting, document.no_workers_timeout)
    return session


def bound_waiting(seconds: float, dask_scheduler: Any = None) -> None:
    """Run on the scheduler: work without any worker fails after ``seconds``, while by default it waits for ever.

    A function that computes by itself for a while leaves the scheduler idle, which is no reason to end it.
    """
    dask_scheduler.no_workers_timeout = seconds
    dask_scheduler.idle_timeout = None


__all__ = ["Seen", "Session", "bound_waiting", "start"]
