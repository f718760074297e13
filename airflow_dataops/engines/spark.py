# SPDX-License-Identifier: Apache-2.0
"""The engine of a Spark application: the same queries as Spark SQL, typed by the driver's own DuckDB, on the executors."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from sqlglot import exp

from airflow_dataops.clients.storage import storage_for
from airflow_dataops.core.errors import DataOpsError
from airflow_dataops.core.refine.spec import StagedFile
from airflow_dataops.core.sql.dialects import render
from airflow_dataops.core.tables import Resources, SourceSpec
from airflow_dataops.engines import spark_source as source_of
from airflow_dataops.engines.base import SourceInfo
from airflow_dataops.engines.duckdb import DuckDBEngine
from airflow_dataops.engines.duckdb_decode import LINE, REASON
from airflow_dataops.engines.duckdb_session import ident
from airflow_dataops.engines.limits import limits
from airflow_dataops.engines.spark_along import SparkAlong
from airflow_dataops.engines.spark_errors import translated
from airflow_dataops.engines.spark_rows import fetch
from airflow_dataops.engines.spark_session import session_for
from airflow_dataops.engines.spark_types import as_columns, refuse_lacking
from airflow_dataops.engines.spark_write import write_files, write_one

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# What the driver's own DuckDB may take: footers, and the types of queries.
_OWN = 256 * 2**20
_REJECTED = {"line": "string", "reason": "string"}


class SparkEngine:
    """Runs on a Spark application; see :class:`~airflow_dataops.engines.base.Engine` for each method.

    The driver's own DuckDB knows every relation too: it lists and types what is read, and says which type each column of a query has.

    Args:
        resources: Limits of Spark where it runs on this machine only; a cluster's are those of its submission.

    Attributes:
        along: What is counted along a write: to read the source once more costs Spark more than to count.
    """

    name = "spark"
    dialect = "spark"

    def __init__(self, resources: Resources | None = None) -> None:
        resources = resources or Resources()
        self._kept: dict[str, DataFrame] = {}
        self._stack = contextlib.ExitStack()
        self._threads = limits(resources).threads
        self._spark, self._refused = self._stack.enter_context(session_for(resources))
        try:
            own = Resources(memory_bytes=_OWN * 2, threads=1, spill_dir=resources.spill_dir)
            self._local = self._stack.enter_context(DuckDBEngine(own))
        except BaseException:
            self._stack.close()
            raise
        self.along = SparkAlong(self._spark, self._create_view)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open_source(self, source: SourceSpec, view: str, *, decoded: str) -> SourceInfo:
        """See :class:`~airflow_dataops.engines.base.Engine`. Text files are decoded by the executors, each by one."""
        self._reachable(source.path, decoded)
        info = self._local.open_source(source, view, decoded=decoded, all_of=self._decode(source))
        refuse_lacking(info.columns, source.path)
        with translated():
            if source.format in ("csv", "jsonl", "text"):
                rows = self._scanned(view, {**info.columns, LINE: "string", REASON: "string"})
                good = rows.filter(f"{REASON} IS NULL").drop(LINE, REASON)
                bad = rows.filter(f"{REASON} IS NOT NULL").withColumnsRenamed({LINE: "line", REASON: "reason"})
                self._name(view, good)
                self._name(f"{view}_rejected", as_columns(bad, {**source_of.PLACE, **_REJECTED}))
                return info
            self._name(view, self._scanned(view, info.columns))
            nothing = self._spark.sql("SELECT 1 AS nothing WHERE false")
            self._name(f"{view}_rejected", as_columns(nothing, {**source_of.PLACE, **_REJECTED}))
        return info

    def open_parquet(self, files: Sequence[str], view: str, *, types: Mapping[str, str] | None = None) -> SourceInfo:
        """See :class:`~airflow_dataops.engines.base.Engine`."""
        self._reachable(*files)
        info = self._local.open_parquet(files, view, types=types)
        with translated():
            self._name(view, self._scanned(view, info.columns))
        return info

    def create_view(self, name: str, query: exp.Query) -> None:
        """See :class:`~airflow_dataops.engines.base.Engine`."""
        self._create_view(name, query, lambda frame: frame)

    def create_table(self, name: str, query: exp.Query) -> int:
        """See :class:`~airflow_dataops.engines.base.Engine`. Its rows stay with the executors, in memory and on their disks."""
        with translated():
            frame = self._typed(query).persist()
            rows = int(frame.count())
        self._local.session.run(
            f"CREATE OR REPLACE TEMP TABLE {ident(name)} AS SELECT * FROM ({render(query, 'duckdb')}) LIMIT 0"  # noqa: S608
        )
        self._name(name, frame)
        self._kept[name] = frame
        return rows

    def columns(self, relation: str) -> dict[str, str]:
        """See :class:`~airflow_dataops.engines.base.Engine`."""
        return self._local.columns(relation)

    def rows(self, query: exp.Query) -> list[dict[str, Any]]:
        """See :class:`~airflow_dataops.engines.base.Engine`."""
        sql = render(query, "duckdb")
        whole = {name for name, kind in self._local.session.types(sql).items() if kind.endswith("HUGEINT")}
        with translated():
            return fetch(self._spark.sql(render(query, "spark")), self._local.session.canonical(sql), whole)

    def write_file(self, query: exp.Query, path: str) -> int:
        """See :class:`~airflow_dataops.engines.base.Engine`. One task writes it."""
        self._reachable(path)
        order = query.args.get("order")
        bare = query.copy()
        bare.set("order", None)
        with translated():
            frame = self._typed(bare).repartition(1)
            if order is not None:
                frame = frame.orderBy(*(key.this.name for key in order.expressions))
            return write_one(frame, storage_for(path), path)

    def write_table(
        self, query: exp.Query, folder: str, *, partition_by: Sequence[str], stem: str, window: str | None
    ) -> list[StagedFile]:
        """See :class:`~airflow_dataops.engines.base.Engine`. Each task writes files of its own."""
        self._reachable(folder)
        storage = storage_for(folder)
        if storage.names(folder):
            raise DataOpsError(f"folder {folder} is not empty; a table is staged into an empty one", code="NOT_EMPTY")
        options: dict[str, Any] = {"partition_by": partition_by, "stem": stem, "window": window}
        with translated(), self.along.watching():
            return write_files(self._typed(query), self._local.session, storage, folder, **options)

    def versions(self) -> dict[str, str]:
        """See :class:`~airflow_dataops.engines.base.Engine`."""
        return {**self._local.versions(), "spark": self._spark.version}

    def close(self) -> None:
        """See :class:`~airflow_dataops.engines.base.Engine`. A Spark application that was there before stays."""
        for frame in self._kept.values():
            with contextlib.suppress(Exception):  # the application may be gone
                frame.unpersist()
        self._kept.clear()
        self._stack.close()

    def _create_view(self, name: str, query: exp.Query, changed: Callable[[DataFrame], DataFrame]) -> None:
        self._local.create_view(name, query)
        with translated():
            self._name(name, changed(self._typed(query)))

    def _typed(self, query: exp.Query) -> DataFrame:
        """Return a query as a frame in the types that DuckDB gives it."""
        kinds = self._local.session.canonical(render(query, "duckdb"))
        return as_columns(self._spark.sql(render(query, "spark")), kinds)

    def _reachable(self, *paths: str) -> None:
        if self._refused is not None and any(path.startswith(("s3://", "s3a://")) for path in paths):
            raise self._refused

    def _name(self, name: str, frame: DataFrame) -> None:
        old = self._kept.pop(name, None)
        frame.createOrReplaceTempView(f"`{name}`")
        if old is not None:
            old.unpersist()

    def _scanned(self, view: str, columns: Mapping[str, str]) -> DataFrame:
        scan = self._local.scans.get(view)
        if scan is None:  # a Delta table without a file
            nothing = self._spark.sql("SELECT 1 AS nothing WHERE false")
            return as_columns(nothing, {**columns, **source_of.PLACE})
        several = len(scan.shapes) > 1
        shapes = source_of.shapes_of(self._local.session, scan.files) if several else dict.fromkeys(scan.files, "")
        if scan.beside:
            return source_of.frame_beside(self._spark, shapes, columns, scan.beside)
        return source_of.frame_of(self._spark, shapes, columns, scan.hive)

    def _decode(self, source: SourceSpec) -> Any:
        def all_of(pairs: Sequence[tuple[str, str]]) -> list[Any]:
            from airflow_dataops.engines.spark_decode import decode_all

            with translated():
                return decode_all(self._spark, source, pairs)

        return all_of


def spark_engine(resources: Resources) -> SparkEngine:
    """Make an engine with the limits of a job (:class:`~airflow_dataops.engines.base.EngineFactory`)."""
    return SparkEngine(resources)
