# SPDX-License-Identifier: Apache-2.0
"""How much of this machine or container an engine may take."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from airflow_dataops.clients import cgroup
from airflow_dataops.clients.limits import memory_free
from airflow_dataops.core.tables import Resources

# Of what is free when the job starts: others on the machine grow, too.
_SHARE = 0.8
# Python, the libraries, Arrow's buffers and what the engine does not count of its own; measured as the highest resident size of a job
# less its engine's limit, with work that fills that limit.
_RESERVE = 224 * 2**20
_LEAST = 64 * 2**20


@dataclass(frozen=True)
class Limits:
    """Limits of one engine.

    Attributes:
        memory_bytes: What the engine may allocate; None where the system does not say how much there is.
        threads: Threads.
        spill_dir: Folder for what does not fit in memory.
    """

    memory_bytes: int | None
    threads: int
    spill_dir: str


def limits(resources: Resources, root: Path = cgroup.ROOT, process: Path = cgroup.PROCESS) -> Limits:
    """Return the limits that a job set, filled up from the cgroup (v2 or v1) and the machine.

    Args:
        resources: What the job set; its memory is that of the whole process.
        root: Where the cgroup file system is mounted.
        process: The kernel's list of this process's cgroups.
    """
    memory = resources.memory_bytes
    if memory is None:
        free = memory_free(root, process)
        memory = None if free is None else max(int(free * _SHARE), _LEAST)
    engine = None if memory is None else engine_share(memory)
    return Limits(engine, resources.threads or cores(root, process), resources.spill_dir or tempfile.gettempdir())


def engine_share(process: int) -> int:
    """Return how much of a process's memory its engine may allocate: all but 224 MiB, and never less than a half.

    Args:
        process: Bytes.
    """
    return max(process - _RESERVE, process // 2)


def cores(root: Path = cgroup.ROOT, process: Path = cgroup.PROCESS) -> int:
    """Return the cores that this process may use: the lowest quota of its cgroups, or the CPUs that it may run on; at least 1.

    Args:
        root: Where the cgroup file system is mounted.
        process: The kernel's list of this process's cgroups.
    """
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for folder in cgroup.folders("cpu", root, process):
        quota = _words(folder / "cpu.max") or [
            *_words(folder / "cpu.cfs_quota_us"),
            *_words(folder / "cpu.cfs_period_us"),
        ]
        if len(quota) == 2 and all(word.isdigit() for word in quota) and int(quota[1]):
            usable = min(usable, -(-int(quota[0]) // int(quota[1])))
    return max(usable, 1)


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []
