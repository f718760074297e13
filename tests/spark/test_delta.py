# SPDX-License-Identifier: Apache-2.0
"""Delta tables as a source of both engines: what the log says of a file, wherever the file lies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from airflow_dataops.clients import delta
from airflow_dataops.core.refine.publish import TableFile
from airflow_dataops.core.refine.spec import CleanSpec, DedupSpec
from airflow_dataops.core.tables import SourceSpec
from tests.spark.comparing import assert_same, both_gate, both_refine

pytest.importorskip("pyspark", reason="engine spark has environments of its own: make test-spark")
pytestmark = pytest.mark.usefixtures("spark")
TEAMS = ["a b", "c%3A+d", "ü=/", None, "a b"]


def partitioned(folder: Path) -> str:
    """Write a table in folders of odd names, whose newer files have a column more."""
    for number, table in enumerate((_rows(0), _rows(5).append_column("more", pa.array([None, 1, 2, 3, 4])))):
        mode: Any = "append" if number else "overwrite"
        write_deltalake(folder, table, mode=mode, partition_by=["team", "day"], schema_mode="merge" if number else None)
    return str(folder)


def _rows(start: int) -> pa.Table:
    days = pa.array([19_700 + number % 2 for number in range(5)], pa.int32()).cast(pa.date32())
    return pa.table({"i": range(start, start + 5), "team": TEAMS, "day": days})


def elsewhere(folder: Path) -> str:
    """Write a table whose files lie in folders that do not say what is in them, or say something else."""
    table, found = _rows(0), []
    for number in range(5):
        path = f"{('of it', 'team=nobody', 'x%20y/day=2', '', 'team=a b')[number]}/part-{number}.parquet".lstrip("/")
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table.slice(number, 1).select(["i"]), folder / path)
        partition = {"team": TEAMS[number], "day": str(table["day"][number])}
        size = (folder / path).stat().st_size
        found.append(TableFile(path=path, rows=1, bytes=size, partition=partition))
    delta.create(str(folder), table.schema, found, partition_by=["team", "day"], application="of-old", token=1)
    return str(folder)


@pytest.mark.parametrize("made", [partitioned, elsewhere])
def test_partition_values_come_from_the_log(tmp_path: Path, made: Any) -> None:
    source = made(tmp_path / "source")
    clean = CleanSpec(derive={"both": "team || cast(i as string)"}, dedup=DedupSpec(keys=["i"]))
    duckdb, spark = both_refine(tmp_path, SourceSpec(path=source, format="delta"), clean=clean)
    assert_same(spark, duckdb)
    text = str(duckdb[1])
    assert "'a b4'" in text
    assert "'ü=/2'" in text
    assert "'c%3A+d1'" in text
    assert "datetime.date(2023, 12, 10)" in text
    assert "'team': None" in text


def test_a_gate_over_a_delta_table_without_a_row(tmp_path: Path) -> None:
    write_deltalake(tmp_path / "source", pa.schema([("i", pa.int64()), ("t", pa.string())]).empty_table())
    duckdb, spark = both_gate(tmp_path, str(tmp_path / "source"), [{"unique": "i"}], format="delta")
    assert_same(spark, duckdb)
