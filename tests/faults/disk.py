# SPDX-License-Identifier: Apache-2.0
"""A small disk of one's own: a file system in memory that is really full when it is full, seen by one process only."""

from __future__ import annotations

import errno
import shutil
import subprocess
from pathlib import Path

_FILLER = ".filler"
_CHUNK = 1 << 16


class Disk:
    """A mounted tmpfs; for tests with the marker ``own_mounts``, whose mounts are gone with their process.

    Args:
        path: Where to mount it.
        size: Bytes it holds.
        inodes: Files and folders it holds; None for as many as there is room for.
    """

    def __init__(self, path: Path, size: int = 16 * 2**20, inodes: int | None = None) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        options = f"size={size},mode=755" + (f",nr_inodes={inodes}" if inodes else "")
        _run("mount", "-t", "tmpfs", "-o", options, "dataops-test", str(path))

    def fill(self, leave: int = 0) -> None:
        """Write a file that leaves only so many bytes, whole pages of 4096."""
        filler = self.path / _FILLER
        with filler.open("ab", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * _CHUNK)
            except OSError as full:
                if full.errno != errno.ENOSPC:
                    raise
            file.truncate(max(file.tell() - leave, 0))

    def give_space(self) -> None:
        """Take the filler away."""
        (self.path / _FILLER).unlink(missing_ok=True)

    def remount(self, options: str) -> None:
        """Change the disk while it is in use: ``size=64m``, ``nr_inodes=5000``, ``ro``, ``rw``."""
        _run("mount", "-o", f"remount,{options}", str(self.path))

    @property
    def free(self) -> int:
        """Bytes that are free."""
        return shutil.disk_usage(self.path).free


def can_mount() -> bool:
    """True where this process may have mounts of its own."""
    done = subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False)
    return done.returncode == 0


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
