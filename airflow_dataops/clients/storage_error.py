# SPDX-License-Identifier: Apache-2.0
"""What an operating system says when a file cannot be read or written, as an error that says what to do."""

from __future__ import annotations

import errno
import os
import re

from airflow_dataops.core.errors import DataOpsError, StorageDenied, StorageError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
# Rust's libraries write the number, DuckDB sometimes does; all write the C library's text.
_NUMBER = re.compile(r'\(os error (\d+)\)|"errno": ?"?(\d+)')
_TEXTS = {os.strerror(number): number for number in (*_FULL, *_DENIED, errno.ENOENT, errno.ELOOP, errno.EMFILE)}

_MORE_SPACE = (
    "free some space (`df -h` shows bytes, `df -i` files), or point the lake or resources.spill_dir to a larger disk; "
    "then run it again"
)


def error_number(text: str) -> int | None:
    """Return the number of the operating system's error that a library's message speaks of; None where it speaks of none."""
    found = _NUMBER.search(text)
    if found:
        return int(found[1] or found[2])
    return next((number for said, number in _TEXTS.items() if said in text), None)


def storage_error(what: str, number: int | None, *, path: str | None = None, said: str | None = None) -> DataOpsError:
    """Return the error for a file system that refuses.

    Args:
        what: What was tried, with the path: ``write of '/lake/x'``.
        number: The operating system's number of the error; None where it is not known.
        path: File or folder.
        said: What the system said; the text of ``number`` when omitted.

    Returns:
        ``DISK_FULL`` (no space, no free inode, a quota or a limit on file sizes; a retry may find space), ``STORAGE_DENIED`` (no
        permission, or mounted read-only; a retry would not help), else ``STORAGE``.
    """
    text = said or (os.strerror(number) if number else "no reason was given")
    message, details = f"{what} failed: {text}", {"path": path} if path else {}
    if number in _FULL:
        return StorageError(message, hint=_MORE_SPACE, code="DISK_FULL", details=details)
    if number in _DENIED:
        writable = (
            "mount the volume for writing"
            if number == errno.EROFS
            else f"let user {_user()} use it (owner, mode, mount)"
        )
        return StorageDenied(message, hint=f"{writable}, then run it again", details=details)
    hint = "run it again; if it stays so, look at the volume and its mount"
    return StorageError(message, hint=hint, details=details)


def spill_full(said: str) -> StorageError:
    """Return the error for a spill folder without space."""
    return StorageError(
        f"what does not fit in memory does not fit in the spill folder either: {said}",
        hint="point resources.spill_dir to a larger disk, raise resources.memory_bytes, or make the run's slice smaller",
        code="SPILL_FULL",
    )


def _user() -> str:
    return str(os.geteuid()) if hasattr(os, "geteuid") else "of this process"


__all__ = ["error_number", "spill_full", "storage_error"]
