# SPDX-License-Identifier: Apache-2.0
"""NaN in Parquet files of other writers, whose footers leave it out of the least and greatest value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from sqlglot import parse_one

from airflow_dataops.core.tables import SourceSpec
from airflow_dataops.engines.duckdb import DuckDBEngine

TABLE = pa.table({"x": [1.0, float("nan"), None]})


@pytest.mark.parametrize("format", ["parquet", "delta"])
def test_nan_is_seen_by_predicates_and_filters(tmp_path: Path, format: Any) -> None:
    path = tmp_path / "table"
    if format == "delta":
        write_deltalake(str(path), TABLE)
    else:
        path.mkdir()
        pq.write_table(TABLE, path / "a.parquet")
    with DuckDBEngine() as engine:
        engine.open_source(SourceSpec(path=str(path), format=format), "t", decoded=str(tmp_path / "decoded"))
        query = "SELECT count(*) AS n FROM t WHERE x = CAST('NaN' AS DOUBLE)"
        assert engine.rows(parse_one(query, dialect="duckdb")) == [{"n": 1}]  # type: ignore[arg-type]
        assert engine.rows(parse_one("SELECT sum(CASE WHEN x > 5 THEN 1 ELSE 0 END) AS n FROM t")) == [{"n": 1}]  # type: ignore[arg-type]
