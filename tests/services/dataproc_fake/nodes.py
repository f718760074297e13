# SPDX-License-Identifier: Apache-2.0
"""The machines of a cluster, as far as a job needs them: a real Dask scheduler and real workers, processes on loopback."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from tests.services.ports import free_port
from tests.services.processes import Keeper, Process

_START = 300.0


@dataclass
class Nodes:
    """A scheduler and its workers.

    Attributes:
        address: Where clients connect to.
        dashboard: Port of the scheduler's HTTP server.
    """

    address: str
    dashboard: int
    scheduler: Process
    workers: list[Process]

    def wait(self) -> None:
        """Wait until all workers have come.

        Raises:
            RuntimeError: They do not.
        """
        end = time.monotonic() + _START
        while _count(self.dashboard) < len(self.workers):
            dead = [one for one in (self.scheduler, *self.workers) if one.poll() is not None]
            if dead or time.monotonic() > end:
                raise RuntimeError(f"Dask did not start, see {(dead or [self.scheduler])[0].output.parent}")
            time.sleep(0.05)

    def kill_workers(self) -> None:
        """Take all workers away at once, as when spot machines are taken back."""
        for worker in self.workers:
            worker.signal(signal.SIGKILL)

    def kill_scheduler(self) -> None:
        """Kill the scheduler."""
        self.scheduler.signal(signal.SIGKILL)

    def end(self) -> None:
        """End all; they share nothing that they would have to close."""
        for process in (*self.workers, self.scheduler):
            process.signal(signal.SIGKILL)


def start(keeper: Keeper, folder: Path, workers: int) -> Nodes:
    """Start a scheduler and workers, and return at once; they come up by themselves."""
    folder.mkdir(parents=True, exist_ok=True)
    port, dashboard = free_port(), free_port()
    address, dask = f"tcp://127.0.0.1:{port}", [sys.executable, "-m", "dask"]
    env = dict(os.environ) | {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "60s", "OMP_NUM_THREADS": "1"}
    options = ["--host", "127.0.0.1", "--port", str(port), "--dashboard-address", f"127.0.0.1:{dashboard}"]
    scheduler = keeper.start([*dask, "scheduler", *options], output=folder / "scheduler.log", env=env, cwd=folder)
    started = []
    for number in range(workers):
        own = ["--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0", "--name", f"worker-{number}", "--no-nanny"]
        own += ["--nthreads", "1", "--memory-limit", "1GiB", "--local-directory", str(folder / f"worker-{number}")]
        log = folder / f"worker-{number}.log"
        started.append(keeper.start([*dask, "worker", address, *own], output=log, env=env, cwd=folder))
    return Nodes(address, dashboard, scheduler, started)


def _count(port: int) -> int:
    url = f"http://127.0.0.1:{port}/json/counts.json"
    with contextlib.suppress(OSError, ValueError), urllib.request.urlopen(url, timeout=5) as answer:
        return int(json.load(answer)["workers"])
    return -1
