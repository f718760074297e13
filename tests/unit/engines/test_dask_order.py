# SPDX-License-Identifier: Apache-2.0
"""The order and the limit of a query hold over all buckets of a shuffle, as they do on one machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlglot import exp, parse_one

pytest.importorskip("distributed")

from airflow_dataops.engines.dask import DaskEngine
from airflow_dataops.engines.dask_client import use_client
from tests.dask_cluster import dask_cluster

__all__ = ["dask_cluster"]


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    for number in range(4):
        ids = range(number * 200, number * 200 + 200)
        table = pa.table({"id": pa.array(ids, pa.int64()), "k": pa.array([one % 37 for one in ids], pa.int64())})
        pq.write_table(table, tmp_path / f"{number}.parquet")
    return sorted(map(str, tmp_path.glob("*.parquet")))


@pytest.fixture
def engine(dask_cluster: Any, files: list[str]) -> Iterator[DaskEngine]:
    with use_client(dask_cluster), DaskEngine(part_bytes=1) as made:
        made.open_parquet(files, "t")
        yield made


def tree(sql: str) -> exp.Query:
    made = parse_one(sql, dialect="duckdb")
    assert isinstance(made, exp.Query)
    return made


FIRST_OF_KEY = (
    "SELECT id, k FROM (SELECT *, row_number() OVER (PARTITION BY k ORDER BY id) AS r FROM (SELECT * FROM t) AS i) AS w"
    " WHERE r = 1 ORDER BY id"
)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT k, count(*) AS n FROM t GROUP BY k ORDER BY k",
        "SELECT k, count(*) AS n FROM t GROUP BY k ORDER BY n DESC, k LIMIT 3",
        "SELECT k, count(*) AS n FROM t GROUP BY k HAVING count(*) > 1 ORDER BY k LIMIT 3",
        FIRST_OF_KEY,
        f"{FIRST_OF_KEY} LIMIT 5",
    ],
)
def test_rows_come_as_duckdb_gives_them(engine: DaskEngine, files: list[str], sql: str) -> None:
    with duckdb.connect() as connection:
        connection.read_parquet(files).create_view("t")
        expected = connection.sql(sql).fetchall()
    assert [tuple(row.values()) for row in engine.rows(tree(sql))] == expected


def test_a_file_has_the_order_of_its_query(engine: DaskEngine, tmp_path: Path) -> None:
    assert engine.write_file(tree(FIRST_OF_KEY), str(tmp_path / "out.parquet")) == 37
    assert pq.read_table(tmp_path / "out.parquet")["id"].to_pylist() == list(range(37))
