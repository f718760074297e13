# SPDX-License-Identifier: Apache-2.0
"""Delta tables through delta-rs: which files a version has, and one commit that adds and removes files."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

from airflow_dataops.core.errors import InputError

if TYPE_CHECKING:
    from deltalake import DeltaTable


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
        version: Version.
        files: Its files, sorted by path.
        partition_by: Partition columns.
        schema: The Arrow schema, partition columns included.
    """

    table: DeltaTable
    version: int
    files: tuple[DeltaFile, ...]
    partition_by: tuple[str, ...]
    schema: Any


def exists(path: str) -> bool:
    """True where a Delta table lies at ``path``."""
    from deltalake import DeltaTable

    return bool(DeltaTable.is_deltatable(path))


def snapshot(path: str) -> DeltaSnapshot:
    """Load the newest version of a table.

    Raises:
        InputError: It cannot be read (``SOURCE_UNREADABLE``), or needs a feature that is not supported (``DELTA_FEATURE``).
    """
    import pyarrow as pa
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        table = DeltaTable(path)
        _refuse_deletion_vectors(table, path)
        actions = pa.table(table.get_add_actions(flatten=False)).to_pylist()
        partition_by = tuple(table.metadata().partition_columns)
        schema = pa.schema(cast(Any, table.schema().to_arrow()))
    except DeltaError as error:
        raise InputError(
            f"Delta table {path!r} cannot be read: {error}",
            hint="check its _delta_log, or the features it needs",
            code="SOURCE_UNREADABLE",
        ) from error
    if any("://" in action["path"] for action in actions):
        raise InputError(
            f"Delta table {path!r} is a shallow clone: its files lie in another table",
            code="DELTA_FEATURE",
            hint="clone it deeply",
        )
    files = tuple(sorted((_file(action, partition_by) for action in actions), key=lambda file: file.path))
    return DeltaSnapshot(table, table.version(), files, partition_by, schema)


def partition_text(value: Any) -> str | None:
    """Return a partition value as it stands in a path: ``true``, ``2024-01-31``, ``2024-01-31 10:00:00``."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(sep=" ")
    return str(value)


def _file(action: dict[str, Any], partition_by: tuple[str, ...]) -> DeltaFile:
    values = action.get("partition") or action.get("partition_values") or {}
    return DeltaFile(
        path=unquote(action["path"]),
        size=action["size_bytes"],
        rows=action.get("num_records"),
        partition={name: partition_text(values.get(name)) for name in partition_by},
    )


def _refuse_deletion_vectors(table: DeltaTable, path: str) -> None:
    import pyarrow as pa

    if "deletionVectors" not in (table.protocol().reader_features or []):
        return
    if pa.RecordBatchReader.from_stream(table.deletion_vectors()).read_all().num_rows:
        raise InputError(
            f"Delta table {path!r} has deletion vectors, and rows that they delete would come back",
            hint="rewrite it with the engine that made them: REORG TABLE … APPLY (PURGE)",
            code="DELTA_FEATURE",
        )
