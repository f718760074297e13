# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - names and values pass through ident() and text()
"""Parquet in DuckDB: files that agree, a view over them, and files that are whole or not there."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Sequence

from airflow_dataops.clients.storage import TEMPORARY, Storage, sync
from airflow_dataops.core.errors import InputError, SpecError
from airflow_dataops.core.sql.types import from_engine
from airflow_dataops.core.tables import SOURCE_FILE, SOURCE_ROW
from airflow_dataops.engines.duckdb_scan import Scan
from airflow_dataops.engines.duckdb_session import Session, ident, pairs, sql_type, text, texts
from airflow_dataops.engines.files import unreadable

_ROW = "file_row_number"
# The least and greatest value in a file's footer leave NaN out; without this, DuckDB answers from them that there is none.
NAN = "can_have_nan = true"


def scan(
    session: Session,
    files: Sequence[str],
    *,
    hive: bool = True,
    keep: bool = False,
    root: str = "",
    types: dict[str, str] | None = None,
) -> tuple[Scan, dict[str, str]]:
    """Return the scan of Parquet files and its columns.

    Args:
        session: Connection.
        files: Paths; they must agree on the type of each column, and may lack columns.
        hive: Read ``key=value`` folders as columns.
        keep: Keep source columns that the files hold themselves (bad rows put aside); else they are made anew.
        root: Folder of the table; ``key=value`` in its own path makes no column.
        types: Hive column -> canonical type; DuckDB guesses the others from the values.

    Returns:
        The scan, with the two source columns at the end; and column -> canonical type without them.

    Raises:
        InputError: A file is no Parquet file (``SOURCE_UNREADABLE``), or files disagree (``SOURCE_SCHEMA``).
    """
    found_shapes = shapes(session, files)
    own = _agreed(session, found_shapes)
    mine = [name for name in (SOURCE_FILE, SOURCE_ROW) if name in own]
    taken = [*([] if keep else mine), *(name for name in own if name.lower() == _ROW)]
    if taken:
        raise _reserved(files[0], taken[0])
    options = [f"union_by_name = {str(len(found_shapes) > 1).lower()}", f"hive_partitioning = {str(hive).lower()}", NAN]
    if not mine:
        options += [f"filename = {text(SOURCE_FILE)}", "file_row_number = true"]
    given = []
    if types:
        _known_partitions(files[0], list(types))
        given = [f"hive_types = {pairs({name: sql_type(kind) for name, kind in types.items()})}"]
    found = session.types(f"SELECT * FROM read_parquet({texts(list(files))}, {', '.join([*options, *given])})")
    above = [name for name in partition_names(f"{root}/") if name not in own]
    data = {name: kind for name, kind in found.items() if name not in (_ROW, SOURCE_FILE, SOURCE_ROW, *above)}
    columns = {name: from_engine(kind, "duckdb") for name, kind in data.items()}
    items = [_as_canonical(name, kind, columns[name]) for name, kind in data.items()]
    row = SOURCE_ROW if mine else f"{_ROW} AS {SOURCE_ROW}"
    # Every hive column is told its type, also where the whole has had to guess: a part of the files must not guess anew.
    hive_types = {name: found[name] for name in partition_names(files[0]) if name in found} if hive else {}
    made = Scan(
        files=tuple(files),
        shapes=tuple(found_shapes),
        items=", ".join([*items, SOURCE_FILE, row]),
        options=tuple(options),
        place=None if mine else (SOURCE_FILE, _ROW),
        hive=hive_types,
    )
    return made, columns


def partition_names(path: str) -> list[str]:
    """Return the partition columns that stand in a path."""
    return [part.partition("=")[0] for part in path.split("/")[:-1] if "=" in part]


def normalised(session: Session, query: str) -> str:
    """Return the query with every column of a canonical type, so that all engines and formats read the same file alike."""
    items = [_as_canonical(name, kind, from_engine(kind, "duckdb")) for name, kind in session.types(query).items()]
    return f"SELECT {', '.join(items)} FROM ({query})"


def write_parquet(session: Session, storage: Storage, query: str, path: str) -> int:
    """Write a query into one Parquet file, whole or not at all; returns the rows."""
    if "://" in path:
        with tempfile.TemporaryDirectory(prefix="upload-", dir=session.limits.spill_dir) as here:
            rows = _copy(session, query, f"{here}/file.parquet")
            storage.take_all([(f"{here}/file.parquet", path)])
        return rows
    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    temporary = f"{folder}/{TEMPORARY}{uuid.uuid4().hex}"
    try:
        rows = _copy(session, query, temporary)
        sync(temporary)
        os.replace(temporary, path)
        sync(folder)
    finally:
        storage.delete(temporary)
    return rows


def _copy(session: Session, query: str, path: str) -> int:
    written = session.run(f"COPY ({normalised(session, query)}) TO {text(path)} (FORMAT parquet, COMPRESSION zstd)")
    return int(written[0][0])


def _as_canonical(name: str, kind: str, canonical: str) -> str:
    column, wanted = ident(name), sql_type(canonical)
    return (
        column
        if from_engine(wanted, "duckdb") == canonical and _same(kind, wanted)
        else f"CAST({column} AS {wanted}) AS {column}"
    )


def _same(kind: str, wanted: str) -> bool:
    spelled = {"TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ", "FLOAT": "REAL", "INTEGER": "INT", "VARCHAR": "TEXT"}
    if kind.endswith((")", "]")):
        # Nested and decimal types are spelled in many ways; a cast to the same type costs nothing.
        return False
    return spelled.get(kind, kind) == wanted


def shapes(session: Session, files: Sequence[str]) -> list[str]:
    """Return one file of each different schema, the most common first."""
    import duckdb

    try:
        found = session.run(f"""
            WITH shaped AS (
                SELECT file_name, list((name, type, logical_type, num_children)) AS shape
                FROM parquet_schema({texts(list(files))}) GROUP BY file_name)
            SELECT min(file_name) FROM shaped GROUP BY shape ORDER BY count(*) DESC, 1""")
    except (InputError, duckdb.Error) as error:
        raise _first_broken(session, files, error) from error
    return [str(row[0]) for row in found]


def _first_broken(session: Session, files: Sequence[str], error: Exception) -> Exception:
    """DuckDB names the file in most messages, not in all."""
    import duckdb

    named = [path for path in files if path in str(error)]
    for path in named or files:
        try:
            session.run(f"SELECT * FROM parquet_schema({text(path)}) LIMIT 1")
        except (InputError, duckdb.Error) as own:
            return _unreadable(path, own, "it is no whole Parquet file: ")
    return error


def _unreadable(path: str, error: Exception, what: str = "") -> InputError:
    """A file that somebody took away meanwhile is not a bad one."""
    if isinstance(error, InputError) and error.code == "SOURCE_CHANGED":
        return error
    why = error.message if isinstance(error, InputError) else str(error).splitlines()[0]
    return unreadable(path, f"{what}{why}")


def damaged(session: Session, files: Sequence[str]) -> InputError | None:
    """Return the error for the first file that cannot be read; each is read alone. None where all can."""
    import duckdb

    for path in files:
        try:
            session.run(f"SELECT count(*) FROM read_parquet({text(path)}) AS whole WHERE hash(whole) IS NULL")
        except (InputError, duckdb.Error) as error:
            return _unreadable(path, error)
    return None


def _agreed(session: Session, examples: Sequence[str]) -> dict[str, str]:
    """Return column -> canonical type; a column may be missing in a file, but its type is the same in all.

    Names that differ in case only are one column, as they are for every engine that reads the table.
    """
    spelled: dict[str, str] = {}
    seen: dict[str, tuple[str, str]] = {}
    for path in examples:
        _refuse_twice(session, path)
        for found, kind in session.types(
            f"SELECT * FROM read_parquet({text(path)}, hive_partitioning = false)"
        ).items():
            if kind.strip('"') == "NULL":
                continue
            name = spelled.setdefault(found.lower(), found)
            known, where = seen.setdefault(name, (from_engine(kind, "duckdb"), path))
            if known != from_engine(kind, "duckdb"):
                raise InputError(
                    f"source files disagree on column {name!r}: {known} in {where}, {from_engine(kind, 'duckdb')} in {path}",
                    hint="deliver the files with one schema, or give those of another schema a path of their own",
                    code="SOURCE_SCHEMA",
                    details={"column": name, "files": [where, path]},
                )
    return {name: kind for name, (kind, _) in seen.items()}


def _refuse_twice(session: Session, path: str) -> None:
    """DuckDB would give the second of two names that differ in case only another name, and nobody would know why."""
    rows = session.run(f"SELECT name, coalesce(num_children, 0) FROM parquet_schema({text(path)})")
    names: dict[str, str] = {}
    inside = 0
    for name, children in rows[1:]:
        if not inside and names.setdefault(name.lower(), name) != name:
            raise InputError(
                f"{path} has two columns whose names differ in case only: {names[name.lower()]!r} and {name!r}",
                hint="rename one of them in the source",
                code="SOURCE_SCHEMA",
                details={"file": path, "columns": [names[name.lower()], name]},
            )
        inside = max(inside - 1, 0) + children


def _known_partitions(example: str, names: list[str]) -> None:
    there = partition_names(example)
    unknown = next((name for name in names if name not in there), None)
    if unknown is not None:
        raise SpecError(
            f"source.types names {unknown!r}, but Parquet files carry their own types; only partition columns can be given one "
            f"({', '.join(there) or 'there are none'})",
            hint="cast it in clean.cast",
            code="UNKNOWN_COLUMN",
        )


def _reserved(path: str, name: str) -> InputError:
    return InputError(
        f"{path} has a column {name!r}, a name that is kept for where a row comes from",
        hint="rename the column in the source",
        code="SOURCE_SCHEMA",
    )
