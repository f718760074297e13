# SPDX-License-Identifier: Apache-2.0
"""The files of a Delta table's log: delta-rs writes them, and leaves it to the system when they reach the disk."""

from __future__ import annotations

import os

from airflow_dataops.clients.storage import storage_for, sync_all
from airflow_dataops.clients.storage_error import storage_error


def log_names(table: str) -> list[str]:
    """Return the names in a table's log; none where there is no table."""
    folder = f"{table}/_delta_log"
    if "://" in table:
        return storage_for(folder).names(folder)
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def make_durable(table: str, version: int | None = None) -> None:
    """Make a commit survive a power cut: what was staged is deleted next, and the log entry must not be younger than that.

    Args:
        table: Folder of the table; a bucket is durable by itself.
        version: The version that was committed; without it, all that the log holds.

    Raises:
        StorageError: The disk did not take it.
    """
    if "://" in table:
        return
    folder = f"{table}/_delta_log"
    try:
        names = os.listdir(folder) if version is None else [f"{version:020d}.json"]
        entries = [f"{folder}/{name}" for name in names if name.endswith(".json")]
        # One that a cleanup of the log has put into a checkpoint meanwhile is gone.
        sync_all([*filter(os.path.exists, entries), folder, table])
    except OSError as error:
        said = error.strerror or str(error)
        raise storage_error(f"syncing the log of {table!r}", error.errno, path=folder, said=said) from error
