# SPDX-License-Identifier: Apache-2.0
"""Texts that are nearly a moment: Spark takes and refuses those that DuckDB takes and refuses, on its quick way and on the long one."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlglot import exp

from airflow_dataops.core.refine.names import column, named, table
from airflow_dataops.core.sql.casts import try_cast
from airflow_dataops.core.tables import SOURCE_ROW, Resources, SourceSpec
from airflow_dataops.engines.base import Engine
from airflow_dataops.engines.duckdb import DuckDBEngine
from airflow_dataops.engines.spark import SparkEngine

pytest.importorskip("pyspark", reason="engine spark has environments of its own: make test-spark")
pytestmark = pytest.mark.usefixtures("spark")
YEARS = ["2013", "2012", "-013", "+013", "0001", "9999", " 013", "\t013", "٣013", "213"]
PARTS = ["01", "02", "12", "29", "30", "23", "00", "24", "60", "+1", " 1", "1 ", "1\t", "\n1", "٣1", "7", "x1"]
ENDS = ["Z"] * 6 + ["", "z", ".5Z", "+02", " UTC", "Z ", "\tZ", "\u00a0Z"]


def nearly(count: int) -> list[str]:
    """Return texts, most of them of the common shape, with at most two odd parts each."""
    draw = random.Random(11)
    found = []
    for _ in range(count):
        parts = ["2012", "02", "12", "10", "11", "12"]
        for place in draw.sample(range(6), draw.randrange(3)):
            parts[place] = draw.choice(YEARS if place == 0 else PARTS)
        year, month, day, hour, minute, second = parts
        between = draw.choice("TTTTTT t")
        found.append(f"{year}-{month}-{day}{between}{hour}:{minute}:{second}{draw.choice(ENDS)}")
    return found


def test_a_text_is_a_moment_on_both_or_on_neither(tmp_path: Path) -> None:
    texts = nearly(20_000)
    pq.write_table(pa.table({"t": texts}), tmp_path / "0.parquet")
    query = exp.select(named(try_cast(column("t"), "string", "timestamp"), "at")).from_(table("odd"))
    query = query.order_by(column(SOURCE_ROW))

    def answers(engine: Engine) -> list[Any]:
        engine.open_source(SourceSpec(path=str(tmp_path / "0.parquet")), "odd", decoded=str(tmp_path / "decoded"))
        return [row["at"] for row in engine.rows(query)]

    with DuckDBEngine(Resources(threads=1)) as duckdb, SparkEngine(Resources(threads=2)) as engine:
        expected, found = answers(duckdb), answers(engine)
    assert [(text, a, b) for text, a, b in zip(texts, found, expected, strict=True) if a != b] == []
    assert 2_000 < sum(value is None for value in found) < 18_000
