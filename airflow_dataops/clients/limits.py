# SPDX-License-Identifier: Apache-2.0
"""What this machine or container allows: memory, free disk; and whether the kernel has killed for memory. Linux cgroup v2 and v1."""

from __future__ import annotations

import glob
import os
import shutil
from contextlib import suppress
from pathlib import Path

from airflow_dataops.clients import cgroup

_UNLIMITED = 1 << 60  # v1 writes a huge number where there is no limit


def memory_limit(root: Path = cgroup.ROOT, process: Path = cgroup.PROCESS) -> int | None:
    """Return the bytes that all processes of this container may use together: the cgroup's limit, else the machine's memory.

    Args:
        root: Where the cgroup file system is mounted.
        process: The kernel's list of this process's cgroups; the lowest limit on the way up counts.

    Returns:
        Bytes; None where the system says neither.
    """
    known = [limit for folder in cgroup.folders("memory", root, process) for limit in _limits(folder)]
    with suppress(ValueError, OSError, AttributeError):
        known.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return min(known, default=None)


def memory_free(root: Path = cgroup.ROOT, process: Path = cgroup.PROCESS) -> int | None:
    """Return the bytes that this container or machine has left now; page cache counts as free, since the kernel gives it up.

    Args:
        root: Where the cgroup file system is mounted.
        process: The kernel's list of this process's cgroups; the one with the least left counts.

    Returns:
        Bytes; None where the system says neither how much is free nor how much there is.
    """
    left = [free for folder in cgroup.folders("memory", root, process) for free in _left(folder)]
    machine = _labelled(Path("/proc/meminfo"), "MemAvailable:")
    return min([*left, *([] if machine is None else [machine * 1024])], default=memory_limit(root, process))


def oom_kills(root: Path = cgroup.ROOT, process: Path = cgroup.PROCESS) -> int | None:
    """Return how many processes of this container the kernel has killed for memory; None where it does not say."""
    for folder in cgroup.folders("memory", root, process):
        for name in ("memory.events", "memory.oom_control"):
            found = _labelled(folder / name, "oom_kill")
            if found is not None:
                return found
    return None


def free_bytes(folder: str) -> int | None:
    """Return the free space of the file system that holds ``folder``, or would hold it; None where it cannot be asked."""
    place = Path(folder).absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        return shutil.disk_usage(place).free
    except OSError:
        return None


def local_size(path: str) -> int | None:
    """Return the bytes of the files behind a local file, folder or glob; None for a URI of an object store.

    Args:
        path: As in a source; ``file://`` is a local path.
    """
    path = path.removeprefix("file://")
    if "://" in path:
        return None
    found = [path] if os.path.exists(path) else glob.iglob(path, recursive=True)
    return sum(_size(Path(one)) for one in found)


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    # Hidden folders hold what is not data: .dataops, _delta_log's neighbours of other tools.
    return sum(
        file.stat().st_size for file in path.rglob("*") if file.is_file() and not file.name.startswith((".", "_"))
    )


def _limits(folder: Path) -> list[int]:
    return [n for n in cgroup.numbers(folder, "memory.max", "memory.limit_in_bytes") if n < _UNLIMITED]


def _left(folder: Path) -> list[int]:
    """Return what the limit of one cgroup leaves, where it has one; what can be dropped from the page cache is not in use."""
    used = sum(cgroup.numbers(folder, "memory.current", "memory.usage_in_bytes"))
    cache = _labelled(folder / "memory.stat", "total_inactive_file") or _labelled(
        folder / "memory.stat", "inactive_file"
    )
    return [max(limit - used + (cache or 0), 0) for limit in _limits(folder)]


def _labelled(file: Path, label: str) -> int | None:
    """Return the number that follows a label at the start of a line."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return None
    found = (line.split()[1] for line in lines if line.split()[:1] == [label])
    return next((int(word) for word in found if word.isdigit()), None)


__all__ = ["free_bytes", "local_size", "memory_free", "memory_limit", "oom_kills"]
