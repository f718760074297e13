# SPDX-License-Identifier: Apache-2.0
"""Which files of a table a run replaces, and what becomes of a publish that was cut short. No file is touched here."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal

from airflow_dataops.core.errors import PublishError, SpecError, unknown_name
from airflow_dataops.core.model import Model
from airflow_dataops.core.refine.spec import StagedFile
from airflow_dataops.core.run import RunContext
from airflow_dataops.core.slices import window_bounds
from airflow_dataops.core.tables import PartitionSlice, RunSlice, Slice, TableFormat, TargetSpec, WindowSlice

_DIGEST = 10
_OWNED = re.compile(r"-([0-9a-f]{10})-\d{6,}-\d{5,}\.parquet$")
_NAMED = re.compile(r"-(\d{6,})-\d{5,}\.parquet$")
_WHOLE_NUMBER = re.compile(r"[+-]?\d+")
KEPT = "kept"
NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"


class Moments(Model):
    """What the window column of a file holds.

    Attributes:
        low: First moment, UTC.
        high: Last moment, UTC.
        unknown: Rows whose value is null or no moment.
    """

    low: datetime | None = None
    high: datetime | None = None
    unknown: int = 0


class TableFile(Model):
    """A file that is in the table, or is to join it.

    Attributes:
        path: Path relative to the table.
        rows: Number of rows.
        bytes: Size.
        partition: Partition column -> value as text; None for null.
        moments: The window column's; None where nobody asked.
    """

    path: str
    rows: int
    bytes: int
    partition: dict[str, str | None] = {}
    moments: Moments | None = None


class ReplacePlan(Model):
    """What a replace does to the files that are in the table.

    Attributes:
        remove: Files that leave, whole.
        cut: Files that the slice cuts through: their other rows are written anew, then they leave.
    """

    remove: list[str] = []
    cut: list[str] = []


class AddFile(Model):
    """A file on its way into the table.

    Attributes:
        source: Full path of the file, written and synced.
        version: :attr:`airflow_dataops.clients.storage.FileInfo.version` of it: another file under the same name is not it.
        file: The file as it will be in the table.
    """

    source: str
    version: str
    file: TableFile


class CommitRecord(Model):
    """All that is needed to finish a publish, or to take it back, without the process that began it; ``commit.json``.

    Attributes:
        run: The run.
        table: Folder of the table.
        format: Format of the table.
        token: Fencing token of the lease under which it was made.
        state: ``prepared``: in force from the moment the lease points to it; ``done``: finished, staging is gone.
        add: Files that join.
        remove: Paths of the files that leave, relative to the table.
        rows_written: Rows of the run's own files.
        rows_removed: Rows that leave, those of files that were cut through included.
        manifest: Path of the manifest of what was staged.
        manifest_version: Its version: a newer one is of a later try, and its files are not touched when this publish is finished.
        version: Delta version; None before it is known, and for parquet.
        quarantine: Folder of the run's bad rows; None where there are none.
    """

    schema_version: Literal[1] = 1
    run: RunContext
    table: str
    format: TableFormat
    token: int
    state: Literal["prepared", "done"] = "prepared"
    add: list[AddFile]
    remove: list[str]
    rows_written: int
    rows_removed: int
    manifest: str
    manifest_version: str
    version: int | None = None
    quarantine: str | None = None

    @property
    def application(self) -> str:
        """Name under which Delta's log remembers the run's newest token."""
        return f"dataops/{self.run.pipeline}/{self.run.key}"


Place = Literal["table", "staged", "missing"]


def table_digest(path: str) -> str:
    """Return the name of a table's lease and index: the same with and without a slash at the end; see ``Storage.real``."""
    return hashlib.sha256(path.rstrip("/").encode()).hexdigest()[:24]


def file_stem(run: RunContext, owned: Slice | None = None) -> str:
    """Return how the names of a run's files begin: its key, and a digest of who owns them.

    Args:
        run: The run.
        owned: What it owns; files of a run slice with a source belong to whatever run reads that source.
    """
    source = owned.source if isinstance(owned, RunSlice) else None
    owner = run.key if source is None else f"\0{source}"
    digest = hashlib.sha256(f"{run.pipeline}\0{owner}".encode()).hexdigest()[:_DIGEST]
    return f"{run.key[:80]}-{digest}"


def plan_replace(
    owned: Slice, run: RunContext, files: Iterable[TableFile], columns: Mapping[str, str], target: TargetSpec
) -> ReplacePlan:
    """Return which files leave the table when a run's slice is replaced.

    Args:
        owned: What the run owns.
        run: The run.
        files: The table's files; with moments where the slice is a window.
        columns: Column -> canonical type of what was staged.
        target: The table.

    Raises:
        SpecError: The slice names something that the table is not partitioned by.
    """
    files = list(files)
    if isinstance(owned, WindowSlice):
        return _plan_window(owned, run, files)
    if isinstance(owned, PartitionSlice):
        _check_partitions(owned, target)
    owns = owner(owned, run, columns)
    return ReplacePlan(remove=[file.path for file in files if file.rows == 0 or owns(file.path, file.partition)])


def owner(owned: Slice, run: RunContext, columns: Mapping[str, str]) -> Callable[[str, Mapping[str, str | None]], bool]:
    """Return the test, by a file's path and partition values, whether a run owns all of a file.

    Args:
        owned: What the run owns; for a window only the moments in a file can tell.
        run: The run.
        columns: Column -> canonical type of what was staged.
    """
    if isinstance(owned, PartitionSlice):
        return lambda _path, partition: _within(owned, partition, columns)
    if isinstance(owned, RunSlice):
        mine = file_stem(run, owned)[-_DIGEST:]
        return lambda path, _partition: (found := _OWNED.search(path)) is not None and found[1] == mine
    return lambda _path, _partition: True


def check_staged(
    owned: Slice, run: RunContext, files: Iterable[TableFile], columns: Mapping[str, str], target: TargetSpec
) -> None:
    """Raise unless every staged row lies in the slice: others would stay when the run is done again, and be there twice.

    Raises:
        PublishError: A file holds rows outside of the slice (``ROWS_OUTSIDE_SLICE``).
        SpecError: The slice or the merge keys name an unknown column.
    """
    if target.mode == "merge":
        for key in target.keys:
            if key not in columns:
                raise unknown_name("key of the target", key, columns, code="UNKNOWN_COLUMN")
        return
    if isinstance(owned, WindowSlice):
        if owned.column not in columns:
            raise unknown_name("window column of the target", owned.column, columns, code="UNKNOWN_COLUMN")
        low, high = window_bounds(owned, run)
        for file in files:
            _check_moments(file, owned.column, low, high)
    elif isinstance(owned, PartitionSlice):
        _check_partitions(owned, target)
        for file in files:
            if file.rows and not _within(owned, file.partition, columns):
                raise _outside(f"{file.path} holds rows of partition {file.partition}; the run owns {owned.values}")


def target_path(staged: str, run: RunContext, number: int, token: int, owned: Slice | None = None) -> str:
    """Return the path in the table of a staged file: its partition folders alone, and a name that was never used before.

    Args:
        staged: Path relative to the staged table.
        run: The run.
        number: Number of the file within the publish.
        token: Fencing token: higher at every publish to the table.
        owned: What the run owns.
    """
    folder = "/".join(part for part in staged.split("/")[:-1] if "=" in part)
    name = f"{file_stem(run, owned)}-{token:06d}-{number:05d}.parquet"
    return f"{folder}/{name}" if folder else name


def kept_path(old: str, number: int, token: int) -> str:
    """Return the path of a file with what is left of ``old``, whose other rows a run replaced: it is no run's own."""
    folder = old.rpartition("/")[0]
    name = f"{KEPT}-{token:06d}-{number:05d}.parquet"
    return f"{folder}/{name}" if folder else name


def newest_token(paths: Iterable[str]) -> int:
    """Return the highest token in the names of a table's files, given by :func:`target_path`; 0 for none."""
    found = (_NAMED.search(path) for path in paths)
    return max((int(name[1]) for name in found if name), default=0)


def empty_path(partition_by: Sequence[str], run: RunContext, token: int) -> str:
    """Return the path of the file without rows that carries the columns of a parquet table that would hold no file at all."""
    folders = [f"{name}={NULL_PARTITION}" for name in partition_by]
    return target_path("/".join([*folders, "empty"]), run, 0, token)


def direction(places: Mapping[str, Place]) -> Literal["forward", "back"]:
    """Return how a parquet publish ends that was cut short after its commit point.

    Args:
        places: Target path of each file that joins -> where the file is now.

    Returns:
        ``forward`` while every file is in the table or still staged. ``back`` where one is gone, because the run has staged anew: old
        files leave only after all new ones have joined, so nothing that would be missing has left yet.
    """
    return "back" if "missing" in places.values() else "forward"


def check_schema(table: Mapping[str, str], staged: Mapping[str, str], path: str) -> None:
    """Raise where a column has another type in the table than in what was staged.

    Raises:
        PublishError: ``SCHEMA_CONFLICT``.
    """
    for name, kind in staged.items():
        known = table.get(name, kind)
        if known != kind:
            raise PublishError(
                f"column {name!r} is {known} in table {path}, but {kind} in what was staged",
                hint=f"cast it: clean: {{cast: {{{name}: {known}}}}}; or publish to a new table",
                code="SCHEMA_CONFLICT",
            )


def _plan_window(owned: WindowSlice, run: RunContext, files: Iterable[TableFile]) -> ReplacePlan:
    low, high = window_bounds(owned, run)
    remove, cut = [], []
    for file in files:
        moments = file.moments or Moments(unknown=file.rows)
        if file.rows == 0:
            remove.append(file.path)
        elif moments.low is None or moments.high is None or moments.high < low or moments.low >= high:
            continue
        elif moments.low >= low and moments.high < high and not moments.unknown:
            remove.append(file.path)
        else:
            cut.append(file.path)
    return ReplacePlan(remove=remove, cut=cut)


def _check_moments(file: TableFile, column: str, low: datetime, high: datetime) -> None:
    moments = file.moments or Moments(unknown=file.rows)
    if moments.unknown:
        raise _outside(f"{moments.unknown} rows of {file.path} have no moment in the window column {column!r}")
    if file.rows and moments.low and moments.high and not (low <= moments.low and moments.high < high):
        raise _outside(
            f"{file.path} holds {column!r} from {moments.low.isoformat()} to {moments.high.isoformat()}; the run owns "
            f"{low.isoformat()} up to, but not including, {high.isoformat()}"
        )


def _outside(what: str) -> PublishError:
    return PublishError(
        f"{what}. Rows outside of the run's slice would be there twice when the run is repeated",
        hint="drop or put aside such rows in clean or a gate, or choose a window column that cleaning does not change",
        code="ROWS_OUTSIDE_SLICE",
    )


def _check_partitions(owned: PartitionSlice, target: TargetSpec) -> None:
    for name in owned.values:
        if name not in target.partition_by:
            listed = ", ".join(target.partition_by) or "nothing"
            raise SpecError(
                f"the run owns partitions by {name!r}, but table {target.path} is partitioned by {listed}",
                hint=f"add {name!r} to target.partition_by, or give a window",
                code="SLICE_NOT_PARTITIONED",
            )


def _within(owned: PartitionSlice, partition: Mapping[str, str | None], columns: Mapping[str, str]) -> bool:
    return all(same_value(partition.get(k), value, columns.get(k, "string")) for k, value in owned.values.items())


def same_value(one: str | None, other: str, kind: str) -> bool:
    """``01`` and ``1`` are one month where the column is a number, and two where it is a text."""
    if one is None:
        return other == NULL_PARTITION
    numbers = kind in ("tinyint", "smallint", "integer", "bigint")
    if numbers and _WHOLE_NUMBER.fullmatch(one) and _WHOLE_NUMBER.fullmatch(other):
        return int(one) == int(other)
    return one == other


def staged_as_table(file: StagedFile, moments: Moments | None) -> TableFile:
    """Return a staged file as one of the table, under its staged path."""
    return TableFile(path=file.path, rows=file.rows, bytes=file.bytes, partition=file.partition, moments=moments)
