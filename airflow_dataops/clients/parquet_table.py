# SPDX-License-Identifier: Apache-2.0
"""A parquet table: a folder whose files are the table. Commit records are carried out here, forward or back."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from urllib.parse import unquote

from airflow_dataops.clients.storage import FileInfo, Storage
from airflow_dataops.core.faults import FaultPoint, reached
from airflow_dataops.core.refine.publish import NULL_PARTITION, CommitRecord, Place

log = logging.getLogger(__name__)


def table_files(storage: Storage, table: str) -> dict[str, FileInfo]:
    """Return path relative to the table -> file, for all files that a reader of the folder would read."""
    found = {info.path[len(table) + 1 :]: info for info in storage.find(table)}
    return {
        path: info
        for path, info in found.items()
        if path.endswith(".parquet") and not any(part[0] in "._" and "=" not in part for part in path.split("/"))
    }


def partition_of(path: str) -> dict[str, str | None]:
    """Return the partition values that stand in a path relative to a table."""
    parts = [part.partition("=") for part in path.split("/")[:-1] if "=" in part]
    return {unquote(name): None if value == NULL_PARTITION else unquote(value) for name, _, value in parts}


def places(storage: Storage, record: CommitRecord) -> dict[str, Place]:
    """Return where each file of a commit is now: target path -> in the table, still staged, or gone.

    A staged file counts only while it is the one that was recorded: a run that stages anew makes others of the same name.
    """
    found: dict[str, Place] = {}
    for add in record.add:
        staged = storage.info(add.source)
        if storage.info(f"{record.table}/{add.file.path}"):
            found[add.file.path] = "table"
        else:
            found[add.file.path] = "staged" if staged and staged.version == add.version else "missing"
    return found


def roll_forward(storage: Storage, record: CommitRecord, where: Mapping[str, Place]) -> float:
    """Let the new files join, then the old ones leave. Doing it again, or going on in the middle, ends in the same table.

    Returns:
        Seconds between the first and the last change: the time in which a reader may see a mix.
    """
    started = time.monotonic()
    missing = [add for add in record.add if where[add.file.path] != "table"]
    storage.copy_all([(add.source, f"{record.table}/{add.file.path}") for add in missing])
    reached(FaultPoint.TABLE_JOINED)
    for path in record.remove:
        storage.delete(f"{record.table}/{path}")
        reached(FaultPoint.TABLE_LEFT)
    seconds = time.monotonic() - started
    for folder in {path.rpartition("/")[0] for path in record.remove}:
        storage.prune(f"{record.table}/{folder}".rstrip("/"), record.table)
    return seconds


def roll_back(storage: Storage, record: CommitRecord) -> None:
    """Take the new files out again; no old one has left yet."""
    log.warning("taking back a publish of run %s to %s: it has staged anew since", record.run.key, record.table)
    for add in record.add:
        storage.delete(f"{record.table}/{add.file.path}")
        reached(FaultPoint.TABLE_TAKEN_BACK)
