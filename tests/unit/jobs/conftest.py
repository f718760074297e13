# SPDX-License-Identifier: Apache-2.0
"""A small lake for the tests of the jobs that publish: it stages rows as the refine step does, and reads tables as others do."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from sqlglot import exp, parse_one

from airflow_dataops.core.dq_gate.spec import GateResult
from airflow_dataops.core.layout import RunLayout
from airflow_dataops.core.refine.publish import file_stem
from airflow_dataops.core.refine.spec import PublishResult, PublishSpec, StageManifest
from airflow_dataops.core.run import RunContext
from airflow_dataops.core.tables import FullSlice, TargetSpec
from airflow_dataops.engines.duckdb import DuckDBEngine
from airflow_dataops.jobs import publish
from airflow_dataops.jobs.records import layout_of, write_document, write_result

Rows = list[tuple[Any, ...]]


@dataclass
class Lake:
    """A lake in a folder.

    Attributes:
        root: The folder.
        target: The table.
        columns: Column -> canonical type of the rows that are staged.
        slice: What each run owns.
    """

    root: Path
    target: TargetSpec
    columns: dict[str, str]
    slice: Any

    @staticmethod
    def day(number: int, hour: int = 0) -> datetime:
        """A moment of January 2024, without a zone."""
        return datetime(2024, 1, 1, tzinfo=UTC).replace(tzinfo=None) + timedelta(days=number - 1, hours=hour)

    @staticmethod
    def run(number: int = 1, pipeline: str = "flights") -> RunContext:
        """The run of one day of January 2024."""
        start = Lake.day(number).replace(tzinfo=UTC)
        key = start.strftime("%Y-%m-%dT%H%M%S")
        return RunContext(pipeline=pipeline, key=key, interval_start=start, interval_end=start + timedelta(days=1))

    def spec(self, run: RunContext | None = None, **more: Any) -> PublishSpec:
        return PublishSpec(
            task="publish", lake=str(self.root), run=run or Lake.run(), target=self.target, slice=self.slice, **more
        )

    def layout(self, run: RunContext | None = None) -> RunLayout:
        return layout_of(self.spec(run))

    def stage(self, rows: Rows, run: RunContext | None = None) -> StageManifest:
        run = run or Lake.run()
        layout = self.layout(run)
        values = ", ".join("(" + ", ".join(_literal(value) for value in row) + ")" for row in rows)
        names = ", ".join(f'"{name}"' for name in self.columns)
        casts = ", ".join(f'CAST("{name}" AS {_sql(kind)}) AS "{name}"' for name, kind in self.columns.items())
        source = (
            f"(VALUES {values}) t({names})"
            if rows
            else "(SELECT " + ", ".join(f'NULL AS "{n}"' for n in self.columns) + " LIMIT 0)"
        )
        with DuckDBEngine() as engine:
            _empty(layout.staged_table)
            files = engine.write_table(
                _query(f"SELECT {casts} FROM {source}"),
                layout.staged_table,
                partition_by=self.target.partition_by,
                stem=file_stem(run),
                window=getattr(self.slice, "column", None),
            )
        manifest = StageManifest(files=files, columns=self.columns)
        write_document(layout.manifest, manifest)
        return manifest

    def stage_bad(self, task: str, rows: list[dict[str, Any]], run: RunContext | None = None) -> None:
        path = Path(self.layout(run).staged_quarantine(task))
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows), path)

    def gate(self, task: str, verdict: Any, run: RunContext | None = None) -> None:
        write_result(
            self.layout(run), GateResult(task=task, run=run or Lake.run(), verdict=verdict, reasons=["3 rows are bad"])
        )

    def publish(self, rows: Rows | None = None, run: RunContext | None = None, **more: Any) -> PublishResult:
        if rows is not None:
            self.stage(rows, run)
        return publish.run(self.spec(run, **more))

    def rows(self) -> Rows:
        """The table as DuckDB reads it; for Delta also as delta-rs reads it, and the two must agree."""
        table = self.target.path
        names = ", ".join(f'"{name}"' for name in self.columns)
        if self.target.format == "parquet":
            hive = ", ".join(f"'{name}': '{_sql(self.columns[name])}'" for name in self.target.partition_by)
            types = f", hive_types = {{{hive}}}" if hive else ""
            relation = (
                f"read_parquet('{table}/**/*.parquet', union_by_name = true, hive_partitioning = {bool(hive)}{types})"
            )
            found = duckdb.connect().sql(f"SELECT {names} FROM {relation}").to_arrow_table().to_pylist()
            return sorted((tuple(row.values()) for row in found), key=repr)
        state = DeltaTable(table)
        rows = [tuple(row[name] for name in self.columns) for row in state.to_pyarrow_table().to_pylist()]
        files = [uri.removeprefix("file://") for uri in state.file_uris()]
        count = 0
        if files:
            count = (
                duckdb.connect()
                .sql(f"SELECT count(*) FROM read_parquet({files}, union_by_name = true)")
                .fetchall()[0][0]
            )
        assert count == len(rows)
        return sorted(rows, key=repr)


def _query(sql: str) -> exp.Query:
    tree = parse_one(sql, dialect="duckdb")
    assert isinstance(tree, exp.Query)
    return tree


def _empty(folder: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _literal(value: Any) -> str:
    return "NULL" if value is None else "'" + str(value).replace("'", "''") + "'"


def _sql(kind: str) -> str:
    return {"string": "VARCHAR"}.get(kind, kind)


@pytest.fixture(params=["parquet", "delta"])
def table_format(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make_lake(tmp_path: Path, table_format: str) -> Callable[..., Lake]:
    """``make_lake(columns, slice, **target)`` -> a lake whose table is of the test's format."""

    def make(columns: dict[str, str], owned: Any = FullSlice(), **target: Any) -> Lake:  # noqa: B008
        fields = {"path": f"{tmp_path}/lake/silver/flights", "format": table_format, **target}
        return Lake(tmp_path / "lake", TargetSpec.model_validate(fields), columns, owned)

    return make
