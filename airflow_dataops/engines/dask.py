# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - names and values pass through ident() and text()
"""The engine of a Dask cluster: DuckDB's SQL on parts of the source, on the workers; see :mod:`airflow_dataops.engines.dask_split`."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from sqlglot import exp

from airflow_dataops.clients.storage import storage_for
from airflow_dataops.core.errors import DataOpsError
from airflow_dataops.core.refine.spec import StagedFile
from airflow_dataops.core.sql.dialects import render
from airflow_dataops.core.tables import Resources, SourceSpec
from airflow_dataops.engines import dask_tasks as tasks
from airflow_dataops.engines.base import SourceInfo
from airflow_dataops.engines.dask_client import client_for, driver_memory, results
from airflow_dataops.engines.dask_runs import Kept, Runs
from airflow_dataops.engines.dask_split import PARTIAL, Split, is_repeated, split, tail
from airflow_dataops.engines.duckdb import DuckDBEngine
from airflow_dataops.engines.duckdb_session import ident


class DaskEngine:
    """Runs on the workers of a Dask cluster; see :class:`~airflow_dataops.engines.base.Engine` for each method.

    The driver's own DuckDB knows every relation too: it opens sources, types queries, and answers what reads no table.

    Args:
        resources: Limits of the job: of the driver where it was given a cluster, of the cluster on this machine else.
        part_bytes: Size of a part of a source; by the number of threads when omitted.
    """

    name = "dask"
    dialect = "duckdb"
    along = None

    def __init__(self, resources: Resources | None = None, *, part_bytes: int | None = None) -> None:
        resources = resources or Resources()
        self._stack = contextlib.ExitStack()
        self._client = self._stack.enter_context(client_for(resources))
        try:
            own = {"memory_bytes": driver_memory(resources)} if resources.memory_bytes else {}
            self._local = DuckDBEngine(resources.model_copy(update=own))
            self._runs = Runs(self._client, self._local, part_bytes)
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open_source(self, source: SourceSpec, view: str, *, decoded: str) -> SourceInfo:
        """See :class:`~airflow_dataops.engines.base.Engine`. Text files are decoded on the workers, each by one."""
        self._runs.forget(view, f"{view}_rejected")
        return self._local.open_source(source, view, decoded=decoded, all_of=self._decode(source))

    def open_parquet(self, files: Sequence[str], view: str, *, types: Mapping[str, str] | None = None) -> SourceInfo:
        """See :class:`~airflow_dataops.engines.base.Engine`."""
        self._runs.forget(view)
        return self._local.open_parquet(files, view, types=types)

    def create_view(self, name: str, query: exp.Query) -> None:
        """See :class:`~airflow_dataops.engines.base.Engine`."""
        self._runs.forget(name)
        self._local.create_view(name, query)
        self._runs.views[name] = query

    def create_table(self, name: str, query: exp.Query) -> int:
        """See :class:`~airflow_dataops.engines.base.Engine`. Its rows stay on the workers."""
        if self._runs.base(query) is None:
            return self._local.create_table(name, query)
        kept = self._keep(query)
        self._local.session.run(
            f"CREATE OR REPLACE TEMP TABLE {ident(name)} AS SELECT * FROM ({render(query, 'duckdb')}) LIMIT 0"
        )
        self._runs.forget(name)
        self._runs.kept[name] = kept
        return kept.rows

    def columns(self, relation: str) -> dict[str, str]:
        """See :class:`~airflow_dataops.engines.base.Engine`."""
        return self._local.columns(relation)

    def rows(self, query: exp.Query) -> list[dict[str, Any]]:
        """See :class:`~airflow_dataops.engines.base.Engine`."""
        if self._runs.base(query) is None:
            return self._local.rows(query)
        kinds = self._local.session.types(render(query, "duckdb"))
        (table,) = results(self._client, [self._runs.one(self._keep(query))])
        session = self._local.session
        session.connection.register("_dataops_result", table)
        try:
            # Arrow has no 128-bit whole numbers, for one: each value comes as the type that DuckDB itself would give.
            items = [f"CAST({ident(name)} AS {kind}) AS {ident(name)}" for name, kind in kinds.items()]
            return session.rows(f"SELECT {', '.join(items)} FROM _dataops_result")
        finally:
            session.connection.unregister("_dataops_result")

    def write_file(self, query: exp.Query, path: str) -> int:
        """See :class:`~airflow_dataops.engines.base.Engine`. The parts are written by many, and put together by one."""
        if self._runs.base(query) is None:
            return self._local.write_file(query, path)
        made = split(query, self._runs.outputs)
        if made.by is not None or (made.last is not None and not made.last.is_star):
            return self._write_kept(made, path)
        folder = path.rpartition("/")[0]
        pieces = results(self._client, self._runs.each(made.each, tasks.write_piece, folder))
        names = [name for name, _ in pieces if name]
        last = made.last or exp.select(exp.Star()).from_(PARTIAL)
        if not names:
            (empty,) = self._runs.works(query, [None])
            return int(results(self._client, [self._runs.submit(tasks.write_one, empty, {}, path)])[0])
        work = tasks.Work((), render(last, "duckdb"))
        rows = int(results(self._client, [self._runs.submit(tasks.join_pieces, work, names, PARTIAL, path)])[0])
        # Not by the task: it may run a second time, where its worker dies right after it.
        for name in names:
            storage_for(name).delete(name)
        return rows

    def write_table(
        self, query: exp.Query, folder: str, *, partition_by: Sequence[str], stem: str, window: str | None
    ) -> list[StagedFile]:
        """See :class:`~airflow_dataops.engines.base.Engine`. Each part writes files of its own.

        A worker of an earlier try may still write here: its files have other names, and nobody asks for them.
        """
        options: dict[str, Any] = {"partition_by": list(partition_by), "window": window}
        if self._runs.base(query) is None:
            return self._local.write_table(query, folder, stem=stem, **options)
        made = split(query, self._runs.outputs)
        if made.last is not None:
            raise DataOpsError(
                "only a query that gives a row for a row can be written as a table on Dask", code="DASK_QUERY"
            )
        work = self._runs.each(made.each, tasks.write_part, folder, numbered=stem, **options)
        found = [file for files in results(self._client, work) for file in files]
        storage_for(folder).delete_tree(f"{folder}.parts")
        return sorted(found, key=lambda file: file.path)

    def versions(self) -> dict[str, str]:
        """See :class:`~airflow_dataops.engines.base.Engine`."""
        from importlib.metadata import version

        return {**self._local.versions(), "dask": version("dask"), "distributed": version("distributed")}

    def close(self) -> None:
        """See :class:`~airflow_dataops.engines.base.Engine`. The rows that were kept on the workers go; a cluster that was given stays."""
        self._runs.close()
        self._local.close()
        self._stack.close()

    def _keep(self, query: exp.Query) -> Kept:
        if isinstance(query, exp.Select) and is_repeated(query):
            return self._runs.repeated(query)
        return self._runs.keep(split(query, self._runs.outputs))

    def _write_kept(self, made: Split, path: str) -> int:
        kept = self._runs.keep(made, finished=False)  # the writer sorts, which may spill
        whole = tail(made) or exp.select(exp.Star()).from_(PARTIAL)
        future = self._runs.submit(
            tasks.write_one, tasks.Work((), render(whole, "duckdb")), {PARTIAL: kept.futures}, path
        )
        return int(results(self._client, [future])[0])

    def _decode(self, source: SourceSpec) -> Any:
        def all_of(pairs: Sequence[tuple[str, str]]) -> list[Any]:
            return results(self._client, [self._runs.submit(tasks.decode_file, source, *pair) for pair in pairs])

        return all_of


def dask_engine(resources: Resources) -> DaskEngine:
    """Make an engine with the limits of a job (:class:`~airflow_dataops.engines.base.EngineFactory`)."""
    return DaskEngine(resources)
