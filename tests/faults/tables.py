# SPDX-License-Identifier: Apache-2.0
"""What a lake holds, in a form that can be compared: the table, the bad rows, and the numbers on record."""

from __future__ import annotations

import hashlib
import io
import json
import re
from dataclasses import dataclass
from typing import Any

from airflow_dataops.clients.storage import storage_for
from airflow_dataops.core.tables import SOURCE_FILE, SOURCE_ROW
from tests.faults.place import delta_options, reach

# A bad row of a staged file names it, and each try names its files anew.
_ATTEMPT = re.compile(r"-[0-9a-f]{12}-")
ABSENT = "no table"
Rows = tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class Seen:
    """A lake as a user sees it.

    Attributes:
        table: Rows of the silver table, sorted.
        bad: Run key/file -> its bad rows, sorted.
        counts: What the steps of the run have on record of rows and verdicts.
    """

    table: Rows
    bad: dict[str, Rows]
    counts: dict[str, Any]


def read_parquet_table(path: str) -> Rows:
    """Read a parquet table as DuckDB does: a glob over its folder."""
    import duckdb

    files: Any = f"'{path}/**/*.parquet'"
    if "://" in path:
        files = [info.path for info in storage_for(path).find(path) if info.path.endswith(".parquet")]
    with reach(duckdb.connect(config={"threads": 1}), path) as connection:
        relation = f"read_parquet({files}, union_by_name = true, hive_partitioning = true, hive_types_autocast = false)"
        return _rows(connection.sql(f"SELECT * FROM {relation}"))


def read_delta_table(path: str) -> Rows:
    """Read a Delta table as delta-rs does."""
    from deltalake import DeltaTable

    found = DeltaTable(path, storage_options=delta_options(path)).to_pyarrow_table()
    names = sorted(found.column_names)
    return _sorted([tuple(row[name] for name in names) for row in found.to_pylist()])


def read_delta_files(path: str) -> Rows:
    """Read the files of a Delta table's newest version with DuckDB."""
    import duckdb
    from deltalake import DeltaTable

    files = [uri.removeprefix("file://") for uri in DeltaTable(path, storage_options=delta_options(path)).file_uris()]
    if not files:
        return ()
    with reach(duckdb.connect(config={"threads": 1}), path) as connection:
        relation = f"read_parquet({files}, union_by_name = true, hive_partitioning = true, hive_types_autocast = false)"
        return _rows(connection.sql(f"SELECT * FROM {relation}"))


def read_table(path: str, table_format: str) -> Rows:
    """Read a table; of Delta both ways, which must agree."""
    if table_format == "parquet":
        return read_parquet_table(path)
    rows = read_delta_table(path)
    assert read_delta_files(path) == rows
    return rows


def is_there(path: str, table_format: str) -> bool:
    """Whether there is a table at all."""
    if table_format == "parquet":
        return any(info.path.endswith(".parquet") for info in storage_for(path).find(path))
    from deltalake import DeltaTable

    return bool(DeltaTable.is_deltatable(path, storage_options=delta_options(path)))


def digest(rows: Rows) -> str:
    """Return a name for the content of a table."""
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:16]


def read_quarantine(root: str) -> dict[str, Rows]:
    """Return the committed bad rows by run and file."""
    import pyarrow.parquet as pq

    found = {}
    for info in storage_for(root).find(root):
        if not info.path.endswith(".parquet"):
            continue
        table = pq.read_table(io.BytesIO(storage_for(root).read_bytes(info.path) or b""))
        names = sorted(table.column_names)
        rows = [tuple(_ATTEMPT.sub("-", repr(row[name])) for name in names) for row in map(_placed, table.to_pylist())]
        found["/".join(info.path.split("/")[-2:])] = _sorted(rows)
    return found


def _placed(row: dict[str, Any]) -> dict[str, Any]:
    """Threads write a staged file in any order, and Spark names it, so a row's place is another each time; in a source it is always the same."""
    folder, staged, _ = (row.get(SOURCE_FILE) or "").partition("/.dataops/staging/")
    return {**row, SOURCE_FILE: folder, SOURCE_ROW: None} if staged else row


def read_counts(record: str) -> dict[str, Any]:
    """Return what the steps of a run and its report say of rows and verdicts."""
    counts: dict[str, Any] = {}
    storage = storage_for(record)
    for name in storage.names(f"{record}/steps"):
        if not name.endswith(".result.json"):
            continue
        document = json.loads(storage.read_bytes(f"{record}/steps/{name}") or b"")
        rules = [
            [rule["id"], rule["evaluated"], rule["unexpected"], rule["passed"]] for rule in document.get("rules", [])
        ]
        nulls = [[column["name"], column["rows"], column["nulls"]] for column in document.get("columns", [])]
        kept = {key: document.get(key) for key in ("status", "error", "verdict", "rows", "rows_removed", "compacted")}
        counts[name] = {**kept, "rules": rules, "nulls": nulls}
    result = storage.read_bytes(f"{record}/result.json")
    if result is not None:
        document = json.loads(result)
        counts["result.json"] = {name: document[name] for name in ("verdict", "reasons", "rows", "published")}
        counts["result.json"]["steps"] = [step["task"] for step in document["steps"]]
        assert (storage.read_bytes(f"{record}/report.html") or b"").rstrip().endswith(b"</html>")
    return counts


def _rows(relation: Any) -> Rows:
    names = sorted(relation.columns)
    return _sorted(relation.project(", ".join(f'"{name}"' for name in names)).fetchall())


def _sorted(rows: list[tuple[Any, ...]]) -> Rows:
    return tuple(sorted(rows, key=repr))
