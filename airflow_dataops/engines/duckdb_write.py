# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - names and values pass through ident() and text()
"""Final Parquet files of a table, partitioned, with the statistics that publishing needs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from typing import Any

from airflow_dataops.clients.storage import LocalStorage, Storage, sync_all
from airflow_dataops.core.refine.spec import StagedFile
from airflow_dataops.engines.duckdb_parquet import normalised
from airflow_dataops.engines.duckdb_session import Session, ident, text, texts

# Large enough that a scan is not slowed by opening files, small enough that a slice rarely cuts through a huge one.
_FILE_BYTES = 256 * 2**20


def write_files(
    session: Session,
    storage: Storage,
    query: str,
    folder: str,
    *,
    partition_by: Sequence[str],
    stem: str,
    window: str | None,
) -> list[StagedFile]:
    """Write a query below ``folder``; returns the files that hold rows, sorted by path.

    Args:
        session: Connection.
        storage: Where the folder lies.
        query: What to write.
        folder: Empty folder.
        partition_by: Hive partition columns, outermost first; left out of the files.
        stem: Start of every file name.
        window: Column whose lowest and highest moment is recorded; None for none.
    """
    options = [f"FORMAT parquet, COMPRESSION zstd, RETURN_STATS, FILENAME_PATTERN {text(stem + '-{i}')}"]
    options.append(
        f"PARTITION_BY ({', '.join(map(ident, partition_by))})" if partition_by else f"FILE_SIZE_BYTES {_FILE_BYTES}"
    )
    os.makedirs(folder, exist_ok=True)
    written = session.run(f"COPY ({normalised(session, query)}) TO {text(folder)} ({', '.join(options)})")
    full = [row for row in written if row[1] > 0]
    for row in written:
        if row[1] == 0:
            storage.delete(row[0])
    _sync_all([str(row[0]) for row in full], folder)
    known = bounds(session, [str(row[0]) for row in full], window, partition_by) if window else {}
    return sorted((_staged(row, folder, partition_by, known) for row in full), key=lambda file: file.path)


def write_elsewhere(session: Session, storage: Storage, query: str, folder: str, **options: Any) -> list[StagedFile]:
    """Do :func:`write_files` for a folder that others write into too, or that is none: in an empty place first, then moved.

    That place is on the local disk for a bucket, else in ``<folder>.parts``, which is the caller's to delete once all are done.

    Args:
        session: Connection.
        storage: Where the folder lies.
        query: What to write.
        folder: Folder of a file system or of a bucket.
        options: As for :func:`write_files`.
    """
    remote = "://" in folder
    above = session.limits.spill_dir if remote else f"{folder}.parts"
    os.makedirs(above, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="part-", dir=above) as here:
        files = write_files(session, LocalStorage(), query, here, **options)
        storage.take_all([(f"{here}/{file.path}", f"{folder}/{file.path}") for file in files])
    return files


def _staged(
    row: tuple[Any, ...], folder: str, partition_by: Sequence[str], known: dict[str, tuple[str, str]]
) -> StagedFile:
    path, count, size, _footer, stats, keys, *_ = row
    partition = {name: (keys or {}).get(name) for name in partition_by}
    return StagedFile(
        path=path[len(folder) + 1 :],
        rows=count,
        bytes=size,
        partition=partition,
        window=known.get(path),
        nulls=_nulls(stats),
    )


def _nulls(stats: dict[str, dict[str, str]]) -> dict[str, int]:
    """Return column -> nulls; DuckDB names a column quoted, and one inside of another by a path of quoted names."""
    counted = {name: known["null_count"] for name, known in stats.items() if "null_count" in known}
    return {name[1:-1].replace('""', '"'): int(count) for name, count in counted.items() if _one_name(name)}


def _one_name(path: str) -> bool:
    return path.startswith('"') and '"' not in path[1:-1].replace('""', "")


def bounds(session: Session, files: list[str], window: str, partition_by: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return file -> lowest and highest moment as ISO texts; a text column is read as moments, so the statistics do not do."""
    if not files:
        return {}
    moment = f"TRY_CAST({ident(window)} AS TIMESTAMPTZ)"
    hive = f"hive_partitioning = {str(bool(partition_by)).lower()}"
    found = session.rows(
        f"SELECT filename, min({moment}) AS low, max({moment}) AS high "
        f"FROM read_parquet({texts(files)}, filename = true, {hive}) GROUP BY filename"
    )
    return {
        row["filename"]: (row["low"].isoformat(), row["high"].isoformat()) for row in found if row["low"] is not None
    }


def _sync_all(files: list[str], folder: str) -> None:
    """Make files and every folder above them durable."""
    folders = {folder}
    for path in files:
        above = path
        while (above := above.rpartition("/")[0]) != folder:
            folders.add(above)
    sync_all([*files, *folders])
