# SPDX-License-Identifier: Apache-2.0
"""Queries on the workers: what each stands on, its parts, and how rows come together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from airflow_dataops.clients.storage import storage_for
from airflow_dataops.core.errors import DataOpsError
from airflow_dataops.core.sql.dialects import render
from airflow_dataops.engines import dask_split as trees
from airflow_dataops.engines import dask_tasks as tasks
from airflow_dataops.engines.dask_client import results, threads
from airflow_dataops.engines.dask_parts import parts_of
from airflow_dataops.engines.duckdb import DuckDBEngine
from airflow_dataops.engines.duckdb_scan import Part

_REJECTED = "_rejected"
_ALL = f"SELECT * FROM {trees.PARTIAL}"  # noqa: S608 - our own name


@dataclass(frozen=True)
class Kept:
    """Rows that stay on the workers.

    Attributes:
        futures: Arrow tables.
        rows: Their number.
    """

    futures: list[Any]
    rows: int


class Runs:
    """Runs queries on parts.

    Args:
        client: Client of the cluster.
        local: The driver's DuckDB, which knows every relation.
        part_bytes: Size of a part; by the number of threads when None.

    Attributes:
        views: Name -> query, in the order of their making.
        kept: Name -> rows that :meth:`keep` made.
    """

    def __init__(self, client: Any, local: DuckDBEngine, part_bytes: int | None) -> None:
        self._client, self._local, self._part_bytes = client, local, part_bytes
        self.views: dict[str, exp.Query] = {}
        self.kept: dict[str, Kept] = {}
        self._parts: dict[tuple[str, ...], list[Part]] = {}

    def forget(self, *names: str) -> None:
        """Drop what these names stood for."""
        for name in names:
            self.views.pop(name, None)
            self.kept.pop(name, None)

    def close(self) -> None:
        """Let go of all rows."""
        self.kept.clear()

    def outputs(self, query: exp.Query) -> list[str]:
        """Return the names of a query's columns."""
        return list(self._local.session.types(render(query, "duckdb")))

    def base(self, query: exp.Query) -> str | None:
        """Return the relation whose rows a query goes through in parts; None where it reads no table.

        Raises:
            DataOpsError: It goes through two (``DASK_QUERY``).
        """
        found = {self._base_of(name) for name in self._leaves(query)}
        if len(found) > 1:
            raise DataOpsError(
                f"a query goes through the rows of {', '.join(sorted(found))} at once", code="DASK_QUERY"
            )
        base = next(iter(found), None)
        if base is not None and base in self._below(trees.aside(query)):
            raise DataOpsError(f"a query reads {base} in parts and as a whole", code="DASK_QUERY")
        return base

    def submit(self, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Send one task."""
        return self._client.submit(function, *args, pure=False, **options)

    def works(
        self, query: exp.Query, parts: Sequence[Part | None], *, by: Sequence[str] = (), buckets: int = 1
    ) -> list[tasks.Work]:
        """Return a query over each of some parts of its base, None for no row of it, as a worker wants it."""
        base, needed = self.base(query), self._below(trees.tables(query))
        scans = {name: scan for name, scan in self._local.scans.items() if name in needed}
        mine = {name for name in scans if name == base or self._base_of(name) == base}
        aside = [(name, scan.query()) for name, scan in scans.items() if name not in mine]
        views = [(name, render(tree, "duckdb")) for name, tree in self.views.items() if name in needed]
        sql = render(query, "duckdb")
        made = []
        for part in parts:
            here = Part(()) if part is None else part
            own = [(name, scans[name].query(here)) for name in mine]
            made.append(tasks.Work((*own, *aside, *views), sql, here.files, tuple(by), buckets))
        return made

    def each(
        self, query: exp.Query, function: Callable[..., Any], *args: Any, numbered: str | None = None, **options: Any
    ) -> list[Any]:
        """Send a task for each part.

        Args:
            query: What it runs.
            function: Of :mod:`airflow_dataops.engines.dask_tasks`; takes the work, its inputs, ``args`` and ``options``.
            args: For it.
            numbered: Start of a name that gets the part's number, as the option ``stem``; None for none.
            options: For it.
        """
        futures = []
        for number, (work, given) in enumerate(self._made(query)):
            named = {} if numbered is None else {"stem": f"{numbered}-{number:05d}"}
            futures.append(self.submit(function, work, given, *args, **options, **named))
        return futures

    def keep(self, split: trees.Split, *, finished: bool = True) -> Kept:
        """Run a query and keep its rows.

        Args:
            split: The query.
            finished: False leaves what :func:`~airflow_dataops.engines.dask_split.tail` returns to the caller.
        """
        if split.last is None:
            return self._counted(self._tables(split.each))
        work = tasks.Work((), render(split.last, "duckdb"))
        buckets = self._together(split.each, split.by)
        futures = [self.submit(tasks.query, work, {trees.PARTIAL: bucket}) for bucket in buckets]
        tail = trees.tail(split) if finished else None
        if tail is not None and len(futures) > 1:  # a bucket has its own first rows, and its own order
            futures = [self.submit(tasks.query, tasks.Work((), render(tail, "duckdb")), {trees.PARTIAL: futures})]
        return self._counted(futures)

    def repeated(self, query: exp.Select) -> Kept:
        """Find the keys that occur more than once: their hashes first, which are short, then the keys of rows with such a hash."""
        limit = query.args.get("limit")
        bare = query.copy()
        bare.set("limit", None)
        buckets = self._together(trees.hashes(bare), (trees.HASH,))
        twice = tasks.Work((), render(trees.twice(), "duckdb"))
        found = self._counted([self.submit(tasks.query, twice, {trees.PARTIAL: bucket}) for bucket in buckets])
        made = trees.split(bare, self.outputs)
        if not found.rows or not isinstance(made.each, exp.Select) or made.last is None:
            last = made.last or made.each
            empty = self._tables(made.each, parts=[None])
            return self._counted(
                [self.submit(tasks.query, tasks.Work((), render(last, "duckdb")), {trees.PARTIAL: empty})]
            )
        self.kept[trees.CANDIDATES] = found
        try:
            return self.keep(
                trees.Split(
                    trees.among(made.each), made.last if limit is None else made.last.limit(limit.expression), made.by
                )
            )
        finally:
            self.forget(trees.CANDIDATES)

    def one(self, kept: Kept) -> Any:
        """Return kept rows as one table, on one worker."""
        if len(kept.futures) == 1:
            return kept.futures[0]
        return self.submit(tasks.query, tasks.Work((), _ALL), {trees.PARTIAL: kept.futures})

    def _together(self, query: exp.Query, by: Sequence[str] | None) -> list[list[Any]]:
        """Run a query on each part; return its rows by bucket, so that those that agree on ``by`` are in the same."""
        count = min(threads(self._client), self._count(query)) if by else 1
        if count == 1:
            return [self._tables(query)]
        dealt = self._tables(query, by=tuple(by or ()), buckets=count)
        return [[self.submit(tasks.piece, tables, number) for tables in dealt] for number in range(count)]

    def _tables(
        self, query: exp.Query, *, by: Sequence[str] = (), buckets: int = 1, parts: Sequence[Part | None] | None = None
    ) -> list[Any]:
        made = self._made(query, parts, by=by, buckets=buckets)
        return [self.submit(tasks.query, work, given) for work, given in made]

    def _made(
        self, query: exp.Query, parts: Sequence[Part | None] | None = None, *, by: Sequence[str] = (), buckets: int = 1
    ) -> list[tuple[tasks.Work, dict[str, list[Any]]]]:
        """Return a piece of work for each part, with its inputs."""
        base = str(self.base(query))
        inputs = self._inputs(query, base)
        if base in self.kept:
            (work,) = self.works(query, [None], by=by, buckets=buckets)
            return [(work, {**inputs, base: [table]}) for table in self.kept[base].futures]
        where = self._parts_of(base) if parts is None else parts
        return [(work, inputs) for work in self.works(query, where, by=by, buckets=buckets)]

    def _count(self, query: exp.Query) -> int:
        base = self.base(query)
        return len(self.kept[base].futures if base in self.kept else self._parts_of(str(base)))

    def _counted(self, futures: list[Any]) -> Kept:
        counts = results(self._client, [self.submit(tasks.rows_of, future) for future in futures])
        return Kept(futures, sum(counts))

    def _inputs(self, query: exp.Query, base: str | None) -> dict[str, list[Any]]:
        """Return the kept relations that a query reads beside its base."""
        return {n: self.kept[n].futures for n in self._below(trees.tables(query)) if n in self.kept and n != base}

    def _parts_of(self, base: str) -> list[Part]:
        scan = self._local.scans[base]
        if scan.files not in self._parts:
            sizes = {path: info.size for path in scan.files if (info := storage_for(path).info(path))}
            self._parts[scan.files] = parts_of(
                self._local.session, scan, sizes, threads(self._client), self._part_bytes
            )
        return self._parts[scan.files]

    def _base_of(self, name: str) -> str:
        """A source's rejected lines lie in the same files as its rows."""
        source = name.removesuffix(_REJECTED)
        return source if name.endswith(_REJECTED) and source in self._local.scans else name

    def _leaves(self, query: exp.Query) -> set[str]:
        """Return the scans and kept tables at the end of a query's way through its views."""
        found: set[str] = set()
        for name in trees.spine(query):
            if name in self.views:
                trees.refuse_nested(trees.chain_of(self.views[name]))
                found |= self._leaves(self.views[name])
            elif name in self._local.scans or name in self.kept:
                found.add(name)
        return found

    def _below(self, names: Iterable[str]) -> set[str]:
        """Return relations and all that they stand on."""
        found: set[str] = set()
        todo = list(names)
        while todo:
            name = todo.pop()
            if name not in found:
                found.add(name)
                todo += trees.tables(self.views[name]) if name in self.views else []
        return found
