# SPDX-License-Identifier: Apache-2.0
"""Delta tables through delta-rs, on disks and in buckets: which files a version has, and one commit that adds and removes files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

from airflow_dataops.clients import delta_actions as actions
from airflow_dataops.clients.delta_log import log_names
from airflow_dataops.clients.delta_place import Place, place_of
from airflow_dataops.clients.storage_error import error_number, storage_error
from airflow_dataops.core.errors import DataOpsError, InputError, StorageError, TransientError
from airflow_dataops.core.refine.publish import TableFile

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

_LOG_ENTRY = re.compile(r"\d{20}\.(json|checkpoint\..*)|_last_checkpoint")


class CommitConflict(TransientError):
    """Another commit came in between; nothing has changed."""

    default_code = "COMMIT_CONFLICT"


@dataclass(frozen=True)
class DeltaFile:
    """A file of a version.

    Attributes:
        path: Relative to the table, as on disk (the log holds it URL-encoded).
        size: Bytes.
        rows: Number of rows; None where the log does not say.
        partition: Partition column -> value as text; None for null.
    """

    path: str
    size: int
    rows: int | None
    partition: dict[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class DeltaSnapshot:
    """A version of a table.

    Attributes:
        table: delta-rs' own table, loaded at this version.
        path: Folder of the table, or its address in a bucket.
        place: Where delta-rs has loaded it.
        version: Version.
        files: Its files, sorted by path.
        partition_by: Partition columns.
        schema: The Arrow schema, partition columns included.
    """

    table: DeltaTable
    path: str
    place: Place
    version: int
    files: tuple[DeltaFile, ...]
    partition_by: tuple[str, ...]
    schema: Any


def exists(path: str) -> bool:
    """True where a Delta table lies at ``path``: a folder whose log has an entry, or a checkpoint."""
    return any(_LOG_ENTRY.fullmatch(name) for name in log_names(path))


def snapshot(path: str) -> DeltaSnapshot:
    """Load the newest version of a table.

    Raises:
        InputError: It cannot be read (``SOURCE_UNREADABLE``), or needs a feature that is not supported (``DELTA_FEATURE``).
    """
    import pyarrow as pa

    place = place_of(path)
    with _readable(path):
        table = _load(path, place)
        added = pa.table(table.get_add_actions(flatten=False))
        partition_by = tuple(table.metadata().partition_columns)
        schema = pa.schema(cast(Any, table.schema().to_arrow()))
    files = _files(added, partition_by)
    if any("://" in file.path for file in files):
        raise InputError(
            f"Delta table {path!r} is a shallow clone: its files lie in another table",
            code="DELTA_FEATURE",
            hint="clone it deeply",
        )
    return DeltaSnapshot(table, path, place, table.version(), files, partition_by, schema)


def columns(path: str) -> dict[str, str]:
    """Return column -> canonical type of a table's newest version, partition columns included. Its files are not looked at.

    Raises:
        InputError: As :func:`snapshot`.
        SpecError: A type has no canonical name (``UNKNOWN_TYPE``).
    """
    import pyarrow as pa

    from airflow_dataops.clients import arrow

    place = place_of(path)
    with _readable(path):
        return arrow.columns_of(pa.schema(cast(Any, _load(path, place).schema().to_arrow())))


def create(
    path: str,
    schema: Any,
    adds: Sequence[TableFile],
    *,
    partition_by: Sequence[str],
    application: str,
    token: int,
    window: str | None = None,
) -> None:
    """Create a table that holds ``adds``, in one commit.

    Args:
        path: Folder or address of the table; the files are in it already.
        schema: Arrow schema, partition columns included.
        adds: Files, under their paths in the table.
        partition_by: Partition columns.
        application: Name under which the log remembers ``token``.
        token: Number of this publish.
        window: Column that the files' moments are about.

    Raises:
        CommitConflict: Somebody else created it in the meantime.
        PublishError: A column's type does not exist in Delta (``DELTA_TYPE``).
        StorageError: The store did not answer; it is created or it is not.
    """
    from deltalake.exceptions import DeltaError
    from deltalake.transaction import create_table_with_add_actions

    place = place_of(path)
    try:
        create_table_with_add_actions(
            place.folder,
            actions.delta_schema(schema),
            [actions.joins(file, schema, window) for file in adds],
            partition_by=list(partition_by),
            commit_properties=actions.properties(application, token),
        )
    except DeltaError as error:
        raise CommitConflict(f"Delta table {path} was not created: {error}") from error
    except OSError as error:
        raise _refused("writing the log of", path, error) from error
    _land(place, path, 0)


def commit(
    state: DeltaSnapshot,
    adds: Sequence[TableFile],
    removes: Iterable[str],
    *,
    application: str,
    token: int,
    window: str | None = None,
    data_change: bool = True,
) -> int:
    """Add and remove files in one commit right after the version of ``state``; returns the new version.

    Args:
        state: The version that the caller looked at.
        adds: Files, already in the table's folder.
        removes: Paths of files of ``state``.
        application: Name under which the log remembers ``token``.
        token: Number of this publish.
        window: Column that the files' moments are about.
        data_change: False where the rows stay the same, so that readers of changes see none.

    Raises:
        CommitConflict: The table has changed since; look again and decide anew.
        StorageError: The store did not answer; the commit is in the log or it is not.
    """
    from deltalake.exceptions import CommitFailedError, DeltaError

    known = {file.path: file for file in state.files}
    changes = [actions.joins(file, state.schema, window, data_change=data_change) for file in adds]
    gone = [actions.leaves(path, known[path].size, known[path].partition, data_change=data_change) for path in removes]
    try:
        state.table.create_write_transaction(
            [*changes, *gone],
            mode="append",
            schema=state.table.schema(),
            partition_by=list(state.partition_by),
            commit_properties=actions.properties(application, token),
        )
    except CommitFailedError as error:
        raise CommitConflict(f"Delta table {state.path} changed at the same time: {error}") from error
    except DeltaError as error:
        raise StorageError(f"the commit to Delta table {state.path} failed: {error}") from error
    except OSError as error:
        raise _refused("writing the log of", state.path, error) from error
    _land(state.place, state.path, state.version + 1)
    return state.version + 1


def committed_token(state: DeltaSnapshot, application: str) -> int | None:
    """Return the newest token that ``application`` has committed; None for none."""
    token: int | None = state.table.transaction_version(application)
    return token


def add_columns(state: DeltaSnapshot, fields: Iterable[Any]) -> None:
    """Add columns (Arrow fields) to a table; rows that are there have null in them.

    Raises:
        CommitConflict: The table has changed since.
        PublishError: A column's type does not exist in Delta (``DELTA_TYPE``).
    """
    import pyarrow as pa
    from deltalake.exceptions import DeltaError

    wanted = actions.delta_schema(pa.schema(list(fields)))
    try:
        state.table.alter.add_columns(wanted.fields)
    except DeltaError as error:
        raise CommitConflict(f"Delta table {state.path} changed at the same time: {error}") from error
    except OSError as error:
        raise _refused("writing the log of", state.path, error) from error
    _land(state.place, state.path, state.version + 1)


def _land(place: Place, path: str, version: int) -> None:
    if not place.land(version):
        raise CommitConflict(f"Delta table {path} changed at the same time: version {version} is another writer's")


def _refused(what: str, path: str, error: OSError) -> DataOpsError:
    """delta-rs tells the system's error as text over several lines, without its number."""
    return storage_error(f"{what} Delta table {path}", error.errno or error_number(str(error)), path=path)


def _load(path: str, place: Place) -> DeltaTable:
    from deltalake import DeltaTable

    table = DeltaTable(place.folder)
    if "deletionVectors" in (table.protocol().reader_features or []):
        place.fetch_vectors()
        _refuse_deletion_vectors(table, path)
    return table


@contextmanager
def _readable(path: str) -> Iterator[None]:
    from deltalake.exceptions import DeltaError

    try:
        yield
    except DeltaError as error:
        raise InputError(
            f"Delta table {path!r} cannot be read: {error}",
            hint="check its _delta_log, or the features it needs",
            code="SOURCE_UNREADABLE",
        ) from error


def vacuum(path: str, *, days: int, dry_run: bool) -> list[str]:
    """Delete files that no version of the last ``days`` days needs; returns them.

    Raises:
        StorageError: It did not work.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    place = place_of(path)

    def delete(only_find: bool) -> list[str]:
        # Full: also what lies in the folder and was never committed.
        return list(DeltaTable(place.folder).vacuum(retention_hours=24 * days, dry_run=only_find, full=True))

    try:
        return place.vacuum(delete, dry_run=dry_run)
    except DeltaError as error:
        raise StorageError(f"vacuum of Delta table {path} failed: {error}") from error
    except OSError as error:
        raise _refused("vacuum of", path, error) from error


def partition_text(value: Any) -> str | None:
    """Return a partition value as it stands in a path: ``true``, ``2024-01-31``, ``2024-01-31 10:00:00``."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(sep=" ")
    return str(value)


def _files(actions: pa.Table, partition_by: tuple[str, ...]) -> tuple[DeltaFile, ...]:
    """Return the files of a version, sorted by path. The log's bounds of every column are not turned into Python."""
    count = actions.num_rows
    paths, sizes = (cast(list[Any], actions.column(name).to_pylist()) for name in ("path", "size_bytes"))
    rows = actions.column("num_records").to_pylist() if "num_records" in actions.column_names else [None] * count
    held = next((name for name in ("partition", "partition_values") if name in actions.column_names), None)
    values = actions.column(held).to_pylist() if held and partition_by else [{}] * count
    found = (
        DeltaFile(unquote(path), size, known, {name: partition_text((texts or {}).get(name)) for name in partition_by})
        for path, size, known, texts in zip(paths, sizes, rows, values, strict=True)
    )
    return tuple(sorted(found, key=lambda file: file.path))


def _refuse_deletion_vectors(table: DeltaTable, path: str) -> None:
    import pyarrow as pa

    if pa.RecordBatchReader.from_stream(table.deletion_vectors()).read_all().num_rows:
        raise InputError(
            f"Delta table {path!r} has deletion vectors, and rows that they delete would come back",
            hint="rewrite it with the engine that made them: REORG TABLE … APPLY (PURGE)",
            code="DELTA_FEATURE",
        )
