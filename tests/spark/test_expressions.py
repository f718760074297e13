# SPDX-License-Identifier: Apache-2.0
"""Every function and cast of the expression language over odd values: Spark answers what DuckDB answers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlglot import exp

from airflow_dataops.core.refine.names import column, named, table
from airflow_dataops.core.sql.expressions import parse_scalar
from airflow_dataops.core.tables import SOURCE_ROW, Resources, SourceSpec
from airflow_dataops.engines.base import Engine
from airflow_dataops.engines.duckdb import DuckDBEngine
from airflow_dataops.engines.spark import SparkEngine
from tests.spark.edges import EXPRESSIONS, SCHEMA, rows

pytest.importorskip("pyspark", reason="engine spark has environments of its own: make test-spark")
pytestmark = pytest.mark.usefixtures("spark")


def answers(engine: Engine, path: Path) -> dict[str, list[Any]]:
    """Ask for all expressions in one query."""
    info = engine.open_source(SourceSpec(path=str(path)), "odd", decoded=str(path.parent / "decoded"))
    asked = [named(parse_scalar(text, info.columns), f"e{place}") for place, text in enumerate(EXPRESSIONS)]
    query = exp.select(*asked).from_(table("odd")).order_by(column(SOURCE_ROW))
    found = engine.rows(query)
    return {text: [plain(row[f"e{place}"]) for row in found] for place, text in enumerate(EXPRESSIONS)}


def plain(value: Any) -> Any:
    """Return a value that equals itself, without the last digits of a double."""
    if isinstance(value, float):
        return repr(value) if not math.isfinite(value) else float(f"{value:.12g}")
    return value


@pytest.fixture(scope="module")
def both(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    path = tmp_path_factory.mktemp("odd") / "0.parquet"
    pq.write_table(pa.Table.from_pylist(rows(), schema=SCHEMA), path)
    with DuckDBEngine(Resources(threads=1)) as duckdb, SparkEngine(Resources(threads=2)) as engine:
        return answers(duckdb, path), answers(engine, path)


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_an_expression_gives_the_same_on_both(
    both: tuple[dict[str, list[Any]], dict[str, list[Any]]], text: str
) -> None:
    duckdb, spark = both
    assert list(zip(spark[text], map(type, spark[text]), strict=True)) == list(
        zip(duckdb[text], map(type, duckdb[text]), strict=True)
    )
    assert len(set(map(repr, duckdb[text]))) > 1 or text in ("i / 0", "make_date(2024, 2, 29)"), "says nothing"
