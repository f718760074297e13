# SPDX-License-Identifier: Apache-2.0
"""A parquet table: a folder whose files are the table. Commit records are carried out here, forward or back."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from urllib.parse import unquote

from airflow_dataops.clients.storage import FileInfo, Storage
from airflow_dataops.core.faults import FaultPoint, reached
from airflow_dataops.core.refine.publish import NULL_PARTITION, CommitRecord, Place

log = logging.getLogger(__name__)
Wanted = Callable[[str, str | None], bool]


def table_files(storage: Storage, table: str, wanted: Wanted | None = None) -> dict[str, FileInfo]:
    """Return path relative to the table -> file, for all files that a reader of the folder would read.

    Args:
        storage: Where it lies.
        table: Folder of the table.
        wanted: Test of a partition column and its value (None for null); folders that fail it are not listed, however many there are.
    """
    if wanted is not None:
        paths = _paths(storage, table, wanted)
        return {path: info for path in paths if (info := storage.info(f"{table}/{path}")) is not None}
    found = {info.path[len(table) + 1 :]: info for info in storage.find(table)}
    return {path: info for path, info in found.items() if path.endswith(".parquet") and _shown(path)}


def any_file(storage: Storage, table: str) -> str | None:
    """Return the path, relative to the table, of one of its files; None where it has none."""
    return next(_paths(storage, table, lambda _name, _value: True), None)


def partition_of(path: str) -> dict[str, str | None]:
    """Return the partition values that stand in a path relative to a table."""
    return dict(_partition_of_folder(path.rpartition("/")[0]))


def _paths(storage: Storage, table: str, wanted: Wanted, folder: str = "") -> Iterator[str]:
    for name in storage.names(f"{table}/{folder}".rstrip("/")):
        path = f"{folder}{name}"
        if not _shown(name):
            continue
        if name.endswith("/"):
            if all(wanted(*pair) for pair in _partition_of_folder(name).items()):
                yield from _paths(storage, table, wanted, path)
        elif name.endswith(".parquet"):
            yield path


def _shown(path: str) -> bool:
    return not any(part[0] in "._" and "=" not in part for part in path.rstrip("/").split("/"))


@lru_cache(4096)
def _partition_of_folder(folder: str) -> dict[str, str | None]:
    parts = [part.partition("=") for part in folder.rstrip("/").split("/") if "=" in part]
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
