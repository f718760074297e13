# SPDX-License-Identifier: Apache-2.0
"""``key=value`` folders of a source are columns: those below its path, and those at the path's own end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlglot import exp

from airflow_dataops.core.tables import SourceSpec
from airflow_dataops.engines.duckdb import DuckDBEngine
from airflow_dataops.engines.files import partitions_below, root_of


@pytest.fixture
def engine() -> Iterator[DuckDBEngine]:
    with DuckDBEngine() as made:
        yield made


@pytest.mark.parametrize(
    ("path", "root"),
    [
        ("/lake/orders", "/lake/orders"),
        ("/lake/orders/", "/lake/orders"),
        ("/lake/orders/day=1", "/lake/orders"),
        ("/lake/orders/year=1/day=2", "/lake/orders"),
        ("/lake/orders/day=1/a.parquet", "/lake/orders"),
        ("/lake/orders/day=1/*.parquet", "/lake/orders"),
        ("/lake/orders/day=*/a.parquet", "/lake/orders"),
        ("/env=prod/lake/orders", "/env=prod/lake/orders"),
        ("/env=prod/lake/orders/day=1", "/env=prod/lake/orders"),
        ("/lake/**/a.csv", "/lake"),
    ],
)
def test_the_folder_below_which_folders_are_columns(path: str, root: str) -> None:
    assert root_of(path) == root


def test_values_are_read_as_hive_writes_them() -> None:
    found = partitions_below("/lake/orders", "/lake/orders/city=S%C3%A3o%20Paulo/x/day=__HIVE_DEFAULT_PARTITION__/k=/a")
    assert found == {"city": "São Paulo", "day": None, "k": ""}


def opened(
    engine: DuckDBEngine, path: Path, tmp_path: Path, **source: Any
) -> tuple[dict[str, str], list[dict[str, Any]]]:
    info = engine.open_source(SourceSpec(path=str(path), **source), "v", decoded=str(tmp_path / "decoded"))
    rows = engine.rows(exp.select(*(exp.column(name, quoted=True) for name in info.columns)).from_("v").order_by("id"))
    return info.columns, rows


def test_the_folder_that_a_run_reads_is_a_column_of_parquet(engine: DuckDBEngine, tmp_path: Path) -> None:
    folder = tmp_path / "env=prod/orders/day=2024-01-31"
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"id": [1]}), folder / "a.parquet")
    columns, rows = opened(engine, folder, tmp_path)
    assert columns == {"id": "bigint", "day": "date"}
    assert rows == [{"id": 1, "day": date(2024, 1, 31)}]


@pytest.mark.parametrize(
    ("source", "content"),
    [
        ({"format": "csv"}, "id\n1\n"),
        ({"format": "jsonl"}, '{"id": 1}\n'),
        ({"format": "jsonl", "flatten": {"id": "id"}}, '{"id": 1}\n'),
        ({"format": "text", "pattern": r"(?P<id>\d+)"}, "1\n"),
    ],
)
def test_folders_are_columns_of_text_formats(
    engine: DuckDBEngine, tmp_path: Path, source: dict[str, Any], content: str
) -> None:
    folder = tmp_path / "env=prod/orders/day=2024-01-31"
    (folder / "shop=a%2Fb").mkdir(parents=True)
    (folder / "shop=a%2Fb" / "x").write_text(content, encoding="utf-8")
    columns, rows = opened(engine, folder, tmp_path, types={"day": "date"}, **source)
    assert columns == {"id": "string", "day": "date", "shop": "string"}
    assert rows == [{"id": "1", "day": date(2024, 1, 31), "shop": "a/b"}]


def test_a_column_of_the_file_wins_over_its_folder(engine: DuckDBEngine, tmp_path: Path) -> None:
    folder = tmp_path / "orders/id=7"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_text("id\n1\n", encoding="utf-8")
    assert opened(engine, folder, tmp_path, format="csv") == ({"id": "string"}, [{"id": "1"}])


def test_a_folder_whose_value_does_not_cast_puts_its_rows_aside(engine: DuckDBEngine, tmp_path: Path) -> None:
    for day in ("2024-01-31", "someday"):
        (tmp_path / f"orders/day={day}").mkdir(parents=True)
        (tmp_path / f"orders/day={day}/a.csv").write_text("id\n1\n", encoding="utf-8")
    source = SourceSpec(path=str(tmp_path / "orders"), format="csv", types={"day": "date"})
    info = engine.open_source(source, "v", decoded=str(tmp_path / "decoded"))
    assert info.rejected == 1
    [bad] = engine.rows(exp.select("reason").from_("v_rejected"))
    assert bad["reason"] == "column day: someday is not date"
