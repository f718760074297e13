# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S608 - names and values pass through ident() and text()
"""A Delta table as a source: the log says which files and partition values, DuckDB reads the Parquet."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import unquote

from airflow_dataops.clients import delta
from airflow_dataops.clients.storage import storage_for
from airflow_dataops.core.sql.types import from_engine
from airflow_dataops.core.tables import SOURCE_FILE, SOURCE_ROW, SourceSpec
from airflow_dataops.engines.base import SourceInfo
from airflow_dataops.engines.duckdb_parquet import NAN, shapes
from airflow_dataops.engines.duckdb_scan import Scan
from airflow_dataops.engines.duckdb_session import Session, ident, pairs, sql_type, text, texts
from airflow_dataops.engines.files import missing

_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


def open_delta(session: Session, source: SourceSpec, view: str) -> tuple[SourceInfo, Scan | None]:
    """Make ``view`` of the newest version of a Delta table; see :meth:`airflow_dataops.engines.base.Engine.open_source`.

    Returns:
        What was opened, and the scan behind the view; None where the table has no file.
    """
    root = source.path.rstrip("/")
    if not delta.exists(root):
        raise missing(storage_for(root), root, "no Delta table lies at")
    state = delta.snapshot(root)
    columns = _schema(session, state)
    scan = _scan(session, root, state, columns) if state.files else None
    query = scan.query() if scan else _nothing(columns)
    session.run(f"CREATE OR REPLACE TEMP VIEW {ident(view)} AS {query}")
    rejected = f"SELECT {SOURCE_FILE}, {SOURCE_ROW}, '' AS line, '' AS reason FROM {ident(view)} LIMIT 0"
    session.run(f"CREATE OR REPLACE TEMP VIEW {ident(view + '_rejected')} AS {rejected}")
    info = SourceInfo(
        files=tuple(f"{root}/{file.path}" for file in state.files),
        bytes=sum(file.size for file in state.files),
        columns=columns,
        rejected=0,
        fingerprint=hashlib.sha256(f"{state.table.metadata().id} {state.version}".encode()).hexdigest(),
    )
    return info, scan


def _schema(session: Session, state: delta.DeltaSnapshot) -> dict[str, str]:
    """Return column -> canonical type by way of an empty Arrow table."""
    session.connection.register("_dataops_empty", state.schema.empty_table())
    try:
        return session.canonical("SELECT * FROM _dataops_empty")
    finally:
        session.connection.unregister("_dataops_empty")


def _nothing(columns: dict[str, str]) -> str:
    items = [f"NULL::{sql_type(kind)} AS {ident(name)}" for name, kind in columns.items()]
    return f"SELECT {', '.join([*items, ''])} NULL::VARCHAR AS {SOURCE_FILE}, NULL::BIGINT AS {SOURCE_ROW} LIMIT 0"


def _scan(session: Session, root: str, state: delta.DeltaSnapshot, columns: dict[str, str]) -> Scan:
    hive = all(_hive(file.path) == file.partition for file in state.files)
    options = [f"filename = {text(SOURCE_FILE)}", "file_row_number = true", "union_by_name = true"]
    options += [f"hive_partitioning = {str(hive).lower()}", NAN]
    texts_of = dict.fromkeys(state.partition_by, "VARCHAR") if hive else {}
    files = [f"{root}/{file.path}" for file in state.files]
    join = "" if hive else f" JOIN ({_values(root, state)}) USING ({SOURCE_FILE})"
    typed = [*options, f"hive_types = {pairs(texts_of)}"] if texts_of else options
    there = session.types(f"SELECT * FROM read_parquet({texts(files)}, {', '.join(typed)}){join}")
    items = [_item(name, kind, there.get(name)) for name, kind in columns.items()]
    return Scan(
        files=tuple(files),
        shapes=tuple(shapes(session, files)),
        items=", ".join([*items, SOURCE_FILE, f"file_row_number AS {SOURCE_ROW}"]),
        options=tuple(options),
        place=(SOURCE_FILE, "file_row_number"),
        hive=texts_of,
        join=join,
        beside={} if hive else {f"{root}/{file.path}": file.partition for file in state.files},
    )


def _item(name: str, kind: str, there: str | None) -> str:
    """The log's schema rules: a column that no file has yet is null, an older file's narrower type is widened."""
    if there is None:
        return f"NULL::{sql_type(kind)} AS {ident(name)}"
    return (
        ident(name)
        if from_engine(there, "duckdb") == kind
        else f"CAST({ident(name)} AS {sql_type(kind)}) AS {ident(name)}"
    )


def _hive(path: str) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for part in path.split("/")[:-1]:
        name, _, value = part.partition("=")
        found[unquote(name)] = None if value == _HIVE_NULL else unquote(value)
    return found


def _values(root: str, state: delta.DeltaSnapshot) -> str:
    def row(file: delta.DeltaFile) -> str:
        values: list[Any] = [f"{root}/{file.path}", *(file.partition[name] for name in state.partition_by)]
        return "(" + ", ".join("NULL::VARCHAR" if value is None else text(value) for value in values) + ")"

    names = ", ".join([SOURCE_FILE, *map(ident, state.partition_by)])
    return f"SELECT * FROM (VALUES {', '.join(map(row, state.files))}) AS partitions({names})"
