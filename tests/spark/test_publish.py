# SPDX-License-Identifier: Apache-2.0
"""What Spark stages and a publish commits: the table that DuckDB makes of the same deliveries, parquet and Delta, replaced and merged."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest

from airflow_dataops.core.tables import TableFormat, TargetSpec
from tests.spark.comparing import ENGINES, assert_same
from tests.spark.publishing import deliveries, made

pytest.importorskip("pyspark", reason="engine spark has environments of its own: make test-spark")
pytestmark = pytest.mark.usefixtures("spark")


@pytest.mark.parametrize("mode", ["replace", "merge"])
@pytest.mark.parametrize("table_format", get_args(TableFormat))
def test_a_table_of_two_deliveries(tmp_path: Path, table_format: TableFormat, mode: Any) -> None:
    sources, found = deliveries(tmp_path), []
    for engine in ENGINES:
        lake = tmp_path / engine
        keys = ["id"] if mode == "merge" else []
        target = TargetSpec(path=f"{lake}/silver", format=table_format, partition_by=["team"], mode=mode, keys=keys)
        found.append(made(lake, sources, engine, target))
    (duckdb, spark) = found
    assert_same(spark[1], duckdb[1])
    assert_same([_without(one) for one in spark[0]], [_without(one) for one in duckdb[0]])
    assert len(spark[1]) == (15 if mode == "merge" else 6)


def _without(result: Any) -> Any:
    """How many files there are depends on the engine's tasks."""
    return {name: value for name, value in result.items() if name not in ("files_added", "files_removed", "compacted")}
