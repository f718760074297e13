# SPDX-License-Identifier: Apache-2.0
"""A folder for what a job spills, which does not outlive the job: what a killed one left, the next one on the same host removes."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_UNSAFE = re.compile(r"[^A-Za-z0-9-]")


@contextmanager
def private_folder(parent: str) -> Iterator[str]:
    """Make a folder below ``parent`` for this process, and remove it at the end.

    A lock that the kernel gives back when its holder dies tells a living job's folder from a dead one's. Only folders of this host are
    swept: on a disk that hosts share, a lock need not be seen by the others.

    Args:
        parent: Made where it is missing.

    Raises:
        OSError: It cannot be made or written to.
    """
    root = Path(parent)
    root.mkdir(parents=True, exist_ok=True)
    prefix = f"dataops-spill-{_UNSAFE.sub('-', socket.gethostname())}-"
    for left in root.glob(f"{prefix}*.lock"):
        _remove_if_dead(left)
    lock = root / f"{prefix}{uuid.uuid4().hex[:12]}.lock"
    descriptor = _take(lock)
    try:
        folder = lock.with_suffix("")
        folder.mkdir()
        yield str(folder)
    finally:
        _remove(lock)
        os.close(descriptor)


def _take(lock: Path) -> int:
    """Make the lock file and hold it; again, where a sweep came between the making and the holding."""
    while True:
        descriptor = os.open(lock, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.stat(lock).st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        os.close(descriptor)


def _remove_if_dead(lock: Path) -> None:
    try:
        descriptor = os.open(lock, os.O_RDWR)
    except OSError:
        return  # another sweep was quicker, or it is somebody else's
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return  # its job is alive
    else:
        _remove(lock)
    finally:
        os.close(descriptor)


def _remove(lock: Path) -> None:
    """The folder first: a lock without a folder is swept later, a folder without a lock never."""
    shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
    lock.unlink(missing_ok=True)


__all__ = ["private_folder"]
