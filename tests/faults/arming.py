# SPDX-License-Identifier: Apache-2.0
"""What a job's process does to itself where a test says so: it dies at a named place, or right before a change of the file system."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any

from airflow_dataops.core import faults
from airflow_dataops.core.faults import FaultPoint

# Each is raised by Python before it changes something; a write is seen by the flags with which a file is opened.
CHANGES = {"os.rename", "os.remove", "os.link", "os.rmdir", "os.mkdir", "os.symlink", "os.truncate", "shutil.copyfile"}
LEASE_WAITS = "lease.waits"
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@dataclass(frozen=True)
class Plan:
    """Where a process dies.

    Attributes:
        point: Named place; None for none.
        change: Number of the file-system change before which it dies, from 1; 0 for none.
        nth: Which time it comes to the place, from 1.
        victim: ``self``, or ``parent``: the process that started it is killed instead, and it goes on as far as it can.
        meet: File for which it waits at the place before it goes on, instead of dying; None for none.
    """

    point: str | None = None
    change: int = 0
    nth: int = 1
    victim: str = "self"
    meet: str | None = None

    def document(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return asdict(self)


@contextmanager
def in_force(plan: Plan, trace: str) -> Iterator[None]:
    """Carry a plan out in this process, and write each place that it comes to into ``trace``: ``<name> <monotonic ns>``.

    So is each look at a lease that another one holds, as ``lease.waits``.
    """
    log = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def note(what: str) -> None:
        os.write(log, f"{what} {time.monotonic_ns()}\n".encode())

    _tell_of_waits(note)
    if plan.change or plan.point is None:
        _count_changes(plan.change, note)
    with faults.armed(_at_points(plan, note)):
        yield


def _at_points(plan: Plan, note: Callable[[str], None]) -> faults.Hook:
    times = 0

    def hook(point: FaultPoint) -> None:
        nonlocal times
        note(point.value)
        if point.value != plan.point:
            return
        times += 1
        if times == plan.nth:
            _strike(plan, note)

    return hook


def _strike(plan: Plan, note: Callable[[str], None]) -> None:
    if plan.meet is not None:
        note("waiting")
        while not os.path.exists(plan.meet):
            time.sleep(0.005)
        return
    if plan.victim == "self":
        os.kill(os.getpid(), signal.SIGKILL)
    os.kill(os.getppid(), signal.SIGKILL)
    # The kernel kills us with our parent. Whoever gets past this has outlived it.
    time.sleep(10)
    note("survived")


def _tell_of_waits(note: Callable[[str], None]) -> None:
    """Note each look at a lease that another one holds, until the end of this process."""
    lease: Any = import_module("airflow_dataops.clients.lease").Lease
    tried = lease._try

    def tries(held: Any) -> str | None:
        reason: str | None = tried(held)
        if reason is None:
            note(LEASE_WAITS)
        return reason

    lease._try = tries


def _count_changes(at: int, note: Callable[[str], None]) -> None:
    """Die before change number ``at``; 0 only writes down that there was one."""
    seen = 0

    def hook(event: str, args: tuple[Any, ...]) -> None:
        nonlocal seen
        if event in CHANGES or (event == "open" and isinstance(args[2], int) and args[2] & _WRITES):
            seen += 1
            if seen == at:
                os.kill(os.getpid(), signal.SIGKILL)
            if not at:
                note(f"change:{event}")

    sys.addaudithook(hook)
