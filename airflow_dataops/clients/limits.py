# SPDX-License-Identifier: Apache-2.0
"""What this machine or container allows: memory, free disk; and whether the kernel has killed for memory. Linux cgroup v2 and v1."""

from __future__ import annotations

import glob
import os
import shutil
from contextlib import suppress
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_UNLIMITED = 1 << 60  # v1 writes a huge number where there is no limit


def memory_limit(root: Path = _CGROUP) -> int | None:
    """Return the bytes that all processes of this container may use together: the cgroup's limit, else the machine's memory.

    Args:
        root: Where the cgroup file system is mounted.

    Returns:
        Bytes; None where the system says neither.
    """
    limits = [_number(root / name) for name in ("memory.max", "memory/memory.limit_in_bytes")]
    known = [limit for limit in limits if limit is not None and limit < _UNLIMITED]
    with suppress(ValueError, OSError, AttributeError):
        known.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return min(known, default=None)


def oom_kills(root: Path = _CGROUP) -> int | None:
    """Return how many processes of this container the kernel has killed for memory; None where it does not say."""
    for name in ("memory.events", "memory/memory.oom_control"):
        try:
            lines = (root / name).read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            key, _, value = line.partition(" ")
            if key == "oom_kill" and value.isdigit():
                return int(value)
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


def _number(file: Path) -> int | None:
    try:
        text = file.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


__all__ = ["free_bytes", "local_size", "memory_limit", "oom_kills"]
