# SPDX-License-Identifier: Apache-2.0
"""How much of this machine or container an engine may take."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from airflow_dataops.clients.limits import memory_limit
from airflow_dataops.core.tables import Resources

# The rest is for Python, Arrow buffers and the allocator's slack: the engine counts only what it allocates itself.
_SHARE = 0.7
_LEAST = 64 * 2**20


@dataclass(frozen=True)
class Limits:
    """Limits of one engine.

    Attributes:
        memory_bytes: Memory; None where the system does not say how much there is.
        threads: Threads.
        spill_dir: Folder for what does not fit in memory.
    """

    memory_bytes: int | None
    threads: int
    spill_dir: str


def limits(resources: Resources, cgroup: Path = Path("/sys/fs/cgroup")) -> Limits:
    """Return the limits that a job set, filled up from the cgroup (v2 or v1) and the machine.

    Args:
        resources: What the job set.
        cgroup: Where the cgroup file system is mounted.
    """
    memory = resources.memory_bytes
    if memory is None:
        whole = memory_limit(cgroup)
        memory = None if whole is None else max(int(whole * _SHARE), _LEAST)
    return Limits(memory, resources.threads or cores(cgroup), resources.spill_dir or tempfile.gettempdir())


def cores(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the cores that this process may use: the cgroup's quota, or the CPUs that it may run on; at least 1."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _words(cgroup / "cpu.max") or [
        *_words(cgroup / "cpu/cpu.cfs_quota_us"),
        *_words(cgroup / "cpu/cpu.cfs_period_us"),
    ]
    if len(quota) == 2 and all(word.isdigit() for word in quota) and int(quota[1]):
        usable = min(usable, -(-int(quota[0]) // int(quota[1])))
    return max(usable, 1)


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []
