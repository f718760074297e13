# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - names and values pass through ident() and text()
"""The embedded engine: DuckDB in this process, within the memory, threads and spill folder that a job has."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from sqlglot import exp

from airflow_dataops.clients.storage import FileInfo, Storage, storage_for
from airflow_dataops.core.errors import DataOpsError
from airflow_dataops.core.refine.spec import StagedFile
from airflow_dataops.core.sql.dialects import render
from airflow_dataops.core.tables import SOURCE_FILE, SOURCE_ROW, Resources, SourceSpec
from airflow_dataops.engines import duckdb_parquet as parquet
from airflow_dataops.engines.base import SourceInfo
from airflow_dataops.engines.duckdb_scan import Scan
from airflow_dataops.engines.duckdb_session import Session, ident, text
from airflow_dataops.engines.files import fingerprint, root_of, source_files
from airflow_dataops.engines.limits import limits

if TYPE_CHECKING:
    from airflow_dataops.engines.duckdb_decode import DecodedFile

    DecodeAll = Callable[[Sequence[tuple[str, str]]], list[DecodedFile]]

# Columns of the view of lines that did not decode.
_REJECTED = f"{SOURCE_FILE}, {SOURCE_ROW}, _dataops_line AS line, _dataops_reason AS reason"
# Where a row lies in what was decoded; where it came from stands in the two source columns.
_DECODED = ("_dataops_decoded_file", "file_row_number")
_DECODED_OPTIONS = (f"filename = {text(_DECODED[0])}", "file_row_number = true")


class DuckDBEngine:
    """Runs on one connection; see :class:`~airflow_dataops.engines.base.Engine` for each method.

    Args:
        resources: Limits of the job.
        storage: Where sources and the lake lie; found by each path when omitted.

    Attributes:
        session: The connection.
        scans: View -> the scan that it stands for; of views that read files.
    """

    name = "duckdb"
    dialect = "duckdb"
    along = None

    def __init__(self, resources: Resources | None = None, *, storage: Storage | None = None) -> None:
        self._storage = storage
        self._parquet: list[str] = []
        self.scans: dict[str, Scan] = {}
        self.session = Session(limits(resources or Resources()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open_source(
        self, source: SourceSpec, view: str, *, decoded: str, all_of: DecodeAll | None = None
    ) -> SourceInfo:
        """See :class:`~airflow_dataops.engines.base.Engine`; ``all_of`` decodes text files elsewhere."""
        if source.format == "delta":
            from airflow_dataops.engines.duckdb_delta import open_delta

            info, scan = open_delta(self.session, source, view)
            self._is_scan(view, scan)
            return info
        storage = self._at(source.path)
        files = source_files(storage, source.path)
        if source.format == "parquet":
            scan, columns = parquet.scan(
                self.session, [info.path for info in files], root=root_of(source.path), types=source.types
            )
            self._parquet = [info.path for info in files]
            self._scanned(view, scan)
            self._no_rejects(view)
            return _info(files, columns, 0, fingerprint(files))
        return self._open_text(source, view, files, decoded, all_of)

    def open_parquet(self, files: Sequence[str], view: str, *, types: Mapping[str, str] | None = None) -> SourceInfo:
        """See :class:`~airflow_dataops.engines.base.Engine`. Columns that say where a row came from are kept as they are."""
        if not files:
            raise ValueError("open_parquet needs at least one file")
        partitions = parquet.partition_names(files[0])
        given = {name: kind for name, kind in (types or {}).items() if name in partitions}
        scan, columns = parquet.scan(self.session, files, keep=True, types=given)
        self._scanned(view, scan)
        found = [info for path in files if (info := self._at(path).info(path))]
        return _info(found, columns, 0, fingerprint(found))

    def create_view(self, name: str, query: exp.Query) -> None:
        """See :class:`~airflow_dataops.engines.base.Engine`."""
        self._view(name, render(query, "duckdb"))

    def create_table(self, name: str, query: exp.Query) -> int:
        """See :class:`~airflow_dataops.engines.base.Engine`."""
        with self._naming():
            self.session.run(f"CREATE OR REPLACE TEMP TABLE {ident(name)} AS {render(query, 'duckdb')}")
        return int(self.session.value(f"SELECT count(*) FROM {ident(name)}"))

    def columns(self, relation: str) -> dict[str, str]:
        """See :class:`~airflow_dataops.engines.base.Engine`."""
        return self.session.canonical(f"SELECT * FROM {ident(relation)}")

    def rows(self, query: exp.Query) -> list[dict[str, Any]]:
        """See :class:`~airflow_dataops.engines.base.Engine`."""
        with self._naming():
            return self.session.rows(render(query, "duckdb"))

    def write_file(self, query: exp.Query, path: str) -> int:
        """See :class:`~airflow_dataops.engines.base.Engine`."""
        with self._naming():
            return parquet.write_parquet(self.session, self._at(path), render(query, "duckdb"), path)

    def write_table(
        self, query: exp.Query, folder: str, *, partition_by: Sequence[str], stem: str, window: str | None
    ) -> list[StagedFile]:
        """See :class:`~airflow_dataops.engines.base.Engine`. A query without rows writes no file."""
        if self._at(folder).names(folder):
            raise DataOpsError(f"folder {folder} is not empty; a table is staged into an empty one", code="NOT_EMPTY")
        from airflow_dataops.engines.duckdb_write import write_elsewhere, write_files

        write = write_elsewhere if "://" in folder else write_files
        options: dict[str, Any] = {"partition_by": partition_by, "stem": stem, "window": window}
        return write(self.session, self._at(folder), render(query, "duckdb"), folder, **options)

    def versions(self) -> dict[str, str]:
        """See :class:`~airflow_dataops.engines.base.Engine`."""
        from importlib.metadata import version

        return {name: version(name) for name in ("duckdb", "pyarrow")}

    def close(self) -> None:
        """See :class:`~airflow_dataops.engines.base.Engine`."""
        self.session.close()

    @contextlib.contextmanager
    def _naming(self) -> Iterator[None]:
        """Find the file of which DuckDB only says that something in it makes no sense: its plain error, of no class."""
        import duckdb

        try:
            yield
        except duckdb.Error as error:
            found = parquet.damaged(self.session, self._parquet) if type(error) is duckdb.Error else None
            if found is None:
                raise
            raise found from error

    def _open_text(
        self, source: SourceSpec, view: str, files: list[FileInfo], decoded: str, all_of: DecodeAll | None
    ) -> SourceInfo:
        from airflow_dataops.engines.duckdb_decode import LINE, REASON, decode

        done = decode(self.session, self._at(decoded), source, files, decoded, all_of=all_of)
        good = Scan(
            files=tuple(done.files),
            shapes=tuple(done.files),
            items=f"* EXCLUDE ({LINE}, {REASON}, {', '.join(_DECODED)})",
            options=("union_by_name = true", "hive_partitioning = false", parquet.NAN, *_DECODED_OPTIONS),
            place=_DECODED,
            where=f"{REASON} IS NULL",
        )
        self._scanned(view, good)
        self._scanned(f"{view}_rejected", replace(good, items=_REJECTED, where=f"{REASON} IS NOT NULL"))
        return _info(files, done.columns, done.rejected, done.fingerprint)

    def _no_rejects(self, view: str) -> None:
        empty = f"SELECT {text('')} AS {SOURCE_FILE}, 0::BIGINT AS {SOURCE_ROW}, {text('')} AS line, {text('')} AS reason LIMIT 0"
        self._view(f"{view}_rejected", empty)

    def _scanned(self, view: str, scan: Scan) -> None:
        self._view(view, scan.query())
        self._is_scan(view, scan)

    def _is_scan(self, view: str, scan: Scan | None) -> None:
        self.scans.pop(view, None)
        if scan is not None:
            self.scans[view] = scan

    def _view(self, name: str, query: str) -> None:
        self.scans.pop(name, None)
        self.session.run(f"CREATE OR REPLACE TEMP VIEW {ident(name)} AS {query}")

    def _at(self, path: str) -> Storage:
        return self._storage or storage_for(path)


def _info(files: Sequence[FileInfo], columns: dict[str, str], rejected: int, digest: str) -> SourceInfo:
    return SourceInfo(
        files=tuple(info.path for info in files),
        bytes=sum(info.size for info in files),
        columns=columns,
        rejected=rejected,
        fingerprint=digest,
    )


def duckdb_engine(resources: Resources) -> DuckDBEngine:
    """Make an engine with the limits of a job (:class:`~airflow_dataops.engines.base.EngineFactory`)."""
    return DuckDBEngine(resources)
