# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - names and values pass through ident() and text()
"""What a Dask worker does for the engine: one query over one part, in a DuckDB connection of its own."""

from __future__ import annotations

import contextlib
import tempfile
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_dataops.clients.limits import memory_free
from airflow_dataops.clients.storage import TEMPORARY, storage_for
from airflow_dataops.core.refine.spec import StagedFile
from airflow_dataops.engines import duckdb_parquet as parquet
from airflow_dataops.engines.duckdb_session import Session, ident, texts, translated
from airflow_dataops.engines.limits import Limits

BUCKET = "_dataops_bucket"
# Of a worker's memory; the rest is for its Arrow tables and for Python.
_SHARE = 0.6
_IDLE = threading.local()


@dataclass(frozen=True)
class Work:
    """A query and what it stands on.

    Attributes:
        views: Name -> SQL, in an order in which each finds what it needs.
        sql: The query.
        files: Files of the part, to name the broken one where DuckDB does not.
        by: Columns by which the rows are dealt into ``buckets``; none for one table.
        buckets: Number of tables.
    """

    views: tuple[tuple[str, str], ...]
    sql: str
    files: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    buckets: int = 1


def query(work: Work, inputs: Mapping[str, Sequence[Any]]) -> Any:
    """Run a query.

    Args:
        work: The query.
        inputs: Relation -> Arrow tables that make it up.

    Returns:
        An Arrow table; a list of them where the rows are dealt into buckets.
    """
    with _opened(work, inputs) as session, translated():
        session.reach(work.sql)
        if not work.by:
            return session.connection.sql(work.sql).to_arrow_table()
        key = f"(hash({', '.join(map(ident, work.by))}) % {work.buckets})::INTEGER"
        found = session.connection.sql(f"SELECT *, {key} AS {BUCKET} FROM ({work.sql})").to_arrow_table()
        return _dealt(found, work.buckets)


def rows_of(table: Any) -> int:
    """Return the number of rows of an Arrow table."""
    return int(table.num_rows)


def piece(tables: Sequence[Any], number: int) -> Any:
    """Return one of the tables that :func:`query` dealt out."""
    return tables[number]


def write_piece(work: Work, inputs: Mapping[str, Sequence[Any]], folder: str) -> tuple[str, int]:
    """Write the rows of a part into a file that no listing shows; returns its path and the rows, and no path for no row."""
    path = f"{folder}/{TEMPORARY}{uuid.uuid4().hex}"
    with _opened(work, inputs) as session:
        rows = parquet.write_parquet(session, storage_for(folder), work.sql, path)
    if not rows:
        storage_for(path).delete(path)
        return "", 0
    return path, rows


def join_pieces(work: Work, pieces: Sequence[str], relation: str, path: str) -> int:
    """Write the rows of many files into one; returns the rows.

    Args:
        work: Query over ``relation``, which its views do not make.
        pieces: Parquet files.
        relation: Name under which the query reads them.
        path: File to write.
    """
    read = f"SELECT * FROM read_parquet({texts(pieces)}, hive_partitioning = false, {parquet.NAN})"
    with _opened(Work(((relation, read),), work.sql), {}) as session:
        return parquet.write_parquet(session, storage_for(path), work.sql, path)


def write_one(work: Work, inputs: Mapping[str, Sequence[Any]], path: str) -> int:
    """Write a query into one file; returns the rows."""
    with _opened(work, inputs) as session:
        return parquet.write_parquet(session, storage_for(path), work.sql, path)


def write_part(
    work: Work,
    inputs: Mapping[str, Sequence[Any]],
    folder: str,
    *,
    partition_by: Sequence[str],
    stem: str,
    window: str | None,
) -> list[StagedFile]:
    """Write the final files of a part into a table's folder; returns them.

    Their names end in a word of this execution: where Dask runs the task a second time, the first one's files stay whole, and unnamed.
    """
    from airflow_dataops.engines.duckdb_write import write_elsewhere

    options = {"partition_by": partition_by, "stem": f"{stem}-{uuid.uuid4().hex[:8]}", "window": window}
    with _opened(work, inputs) as session:
        return write_elsewhere(session, storage_for(folder), work.sql, folder, **options)


def decode_file(source: Any, path: str, target: str) -> Any:
    """Decode one text file into Parquet; see :func:`airflow_dataops.engines.duckdb_decode.decode`."""
    from airflow_dataops.engines.duckdb_decode import decode_file as decode

    with _opened(Work((), ""), {}) as session:
        return decode(session, storage_for(target), source, path, target)


def _dealt(table: Any, buckets: int) -> list[Any]:
    import pyarrow as pa
    import pyarrow.compute

    compute: Any = pyarrow.compute
    numbers = table[BUCKET]
    order = compute.array_sort_indices(numbers.combine_chunks() if numbers.num_chunks else pa.array([], pa.int32()))
    counted = {row["values"]: row["counts"] for row in compute.value_counts(numbers).to_pylist()}
    ranked, made, start = table.drop_columns([BUCKET]).take(order), [], 0
    for number in range(buckets):
        made.append(ranked.slice(start, counted.get(number, 0)))
        start += counted.get(number, 0)
    return made


@contextlib.contextmanager
def _opened(work: Work, inputs: Mapping[str, Sequence[Any]]) -> Iterator[Session]:
    """Give a connection with the views and inputs of a piece of work; its files are looked through where one is broken."""
    import duckdb
    import pyarrow as pa

    session = _session()
    try:
        for name, tables in inputs.items():
            session.connection.register(name, pa.concat_tables(tables))
        for name, sql in work.views:
            session.run(f"CREATE TEMP VIEW {ident(name)} AS {sql}")
        yield session
        for name, _ in reversed(work.views):
            session.run(f"DROP VIEW {ident(name)}")
        for name in inputs:
            session.connection.unregister(name)
    except BaseException as error:
        # Nobody knows in what state it is: the next task gets a new one.
        del _IDLE.session
        found = parquet.damaged(session, work.files) if type(error) is duckdb.Error else None
        session.close()
        if found is None:
            raise
        raise found from error


def _session() -> Session:
    """Return this thread's connection: to open one takes longer than many a task."""
    wanted = _limits()
    known: Session | None = getattr(_IDLE, "session", None)
    if known is None or known.limits != wanted:
        known = _IDLE.session = Session(wanted)
    return known


def _limits() -> Limits:
    """Return this task's share of its worker's memory; one thread, since the worker has one for each task."""
    from distributed import get_worker

    try:
        worker: Any = get_worker()
    except ValueError:
        return Limits(None, 1, tempfile.gettempdir())
    memory = worker.memory_manager.memory_limit or memory_free()
    share = None if memory is None else max(int(memory * _SHARE / worker.state.nthreads), 64 * 2**20)
    return Limits(share, 1, worker.local_directory)
