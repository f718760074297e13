# SPDX-License-Identifier: Apache-2.0
"""What a job may ask of an engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from sqlglot import exp

from airflow_dataops.core.refine.spec import StagedFile
from airflow_dataops.core.tables import Resources, SourceSpec


@dataclass(frozen=True)
class SourceInfo:
    """A source that an engine has opened as a view.

    Attributes:
        files: The files behind it, sorted.
        bytes: Their size.
        columns: Column -> canonical type (:mod:`airflow_dataops.core.sql.types`), without the two source columns.
        rejected: Lines of a text format that could not be decoded; they are in the view ``<view>_rejected`` with the columns
            ``_dataops_source_file``, ``_dataops_source_row``, ``line`` and ``reason``.
        fingerprint: Digest of names, sizes and change times: two steps of a run compare it to see that the source stayed the same.
    """

    files: tuple[str, ...]
    bytes: int
    columns: dict[str, str]
    rejected: int
    fingerprint: str


class Along(Protocol):
    """What an engine counts along a write, so that the rows are read once."""

    def create_view(self, name: str, query: exp.Query, counts: Mapping[str, exp.Expression]) -> None:
        """Name a query whose rows are counted when the next table is written from it, and not before.

        Args:
            name: Of the view.
            query: Its rows.
            counts: Name -> aggregate over the columns of the view.
        """
        ...

    def counted(self) -> dict[str, dict[str, int]] | None:
        """Return view -> name -> count, after the table was written; None where they are not to be relied on: count by a query then."""
        ...


class Engine(Protocol):
    """One engine, open for one job. Use it as a context manager.

    Attributes:
        name: As a spec names it.
        dialect: Of its SQL.
        along: What it counts along a write; None where queries of their own are quicker.
    """

    name: str
    dialect: str

    @property
    def along(self) -> Along | None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def open_source(self, source: SourceSpec, view: str, *, decoded: str) -> SourceInfo:
        """Make ``view`` of the source's rows, plus ``_dataops_source_file`` and ``_dataops_source_row`` (0-based, int64).

        Text formats are decoded once into Parquet under ``decoded`` and read from there by every later step of the run.

        Raises:
            InputError: Nothing matches the path (``SOURCE_MISSING``), a file is empty or cut off (``SOURCE_UNREADABLE``), or files
                disagree on a column's type (``SOURCE_SCHEMA``). The message names the file.
        """
        ...

    def open_parquet(self, files: Sequence[str], view: str, *, types: Mapping[str, str] | None = None) -> SourceInfo:
        """Make ``view`` of Parquet files of our own, with the two source columns and the hive partition columns.

        Args:
            files: At least one file.
            view: Name of the view.
            types: Column -> canonical type; used for the partition columns, whose type would be guessed from their values otherwise
                (``month=01`` as a number). Other columns may be in it, and are not looked at.
        """
        ...

    def create_view(self, name: str, query: exp.Query) -> None:
        """Name a query; it runs each time it is read."""
        ...

    def create_table(self, name: str, query: exp.Query) -> int:
        """Run a query once and keep its rows (spilled to disk where they do not fit); returns their number."""
        ...

    def columns(self, relation: str) -> dict[str, str]:
        """Return column -> canonical type of a view or table."""
        ...

    def rows(self, query: exp.Query) -> list[dict[str, Any]]:
        """Run a query with a small result and return its rows."""
        ...

    def write_file(self, query: exp.Query, path: str) -> int:
        """Write a query into one Parquet file (made whole: another name first, then renamed); returns the rows."""
        ...

    def write_table(
        self, query: exp.Query, folder: str, *, partition_by: Sequence[str], stem: str, window: str | None
    ) -> list[StagedFile]:
        """Write a query as final Parquet files ``<folder>/<k=v>/…/<stem>-<n>.parquet``.

        An engine may put a folder of its own, without ``=``, before those of the partitions, and name the files in it as it likes.

        Args:
            query: What to write.
            folder: Folder that holds nothing yet.
            partition_by: Hive partition columns, outermost first; they are not written into the files.
            stem: Of this try alone, and made from the run key; every file's name begins with it, or its folder's is made of it.
            window: Column whose lowest and highest value is recorded for each file; None for none.
        """
        ...

    def versions(self) -> dict[str, str]:
        """Return package -> version of what does the work."""
        ...

    def close(self) -> None:
        """Free memory, threads and spilled files."""
        ...


class EngineFactory(Protocol):
    """Makes an engine with the limits of a job."""

    def __call__(self, resources: Resources) -> Engine: ...
