# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from sqlglot import exp, parse_one

from airflow_dataops.core.errors import DataOpsError, InputError
from airflow_dataops.core.tables import Resources
from airflow_dataops.engines.duckdb import DuckDBEngine


@pytest.fixture
def engine() -> Iterator[DuckDBEngine]:
    with DuckDBEngine() as made:
        yield made


def query(sql: str) -> exp.Query:
    tree = parse_one(sql, dialect="duckdb")
    assert isinstance(tree, exp.Query)
    return tree


def test_partitions_are_folders_and_not_columns(engine: DuckDBEngine, tmp_path: Path) -> None:
    rows = query("SELECT * FROM (VALUES (1, 'x y', TIMESTAMP '2024-01-01'), (2, NULL, NULL)) t(a, p, at)")
    files = engine.write_table(rows, f"{tmp_path}/t", partition_by=["p"], stem="run", window="at")
    assert [(f.path, f.rows, f.partition) for f in files] == [
        ("p=__HIVE_DEFAULT_PARTITION__/run-0.parquet", 1, {"p": None}),
        ("p=x%20y/run-0.parquet", 1, {"p": "x y"}),
    ]
    assert [f.window for f in files] == [None, ("2024-01-01T00:00:00+00:00", "2024-01-01T00:00:00+00:00")]
    for file in files:
        path = tmp_path / "t" / file.path
        assert path.stat().st_size == file.bytes
        assert pq.read_schema(path).names == ["a", "at"]


@pytest.mark.parametrize("partition_by", [[], ["a"]])
def test_no_rows_no_file(engine: DuckDBEngine, tmp_path: Path, partition_by: list[str]) -> None:
    rows = query("SELECT 1 AS a, 2 AS b LIMIT 0")
    assert engine.write_table(rows, f"{tmp_path}/t", partition_by=partition_by, stem="r", window=None) == []
    assert list((tmp_path / "t").rglob("*.parquet")) == []


def test_a_folder_that_is_not_empty_is_refused(engine: DuckDBEngine, tmp_path: Path) -> None:
    (tmp_path / "old").write_text("x")
    with pytest.raises(DataOpsError, match="not empty"):
        engine.write_table(query("SELECT 1 AS a"), str(tmp_path), partition_by=[], stem="r", window=None)


def test_types_are_written_as_canonical_ones(engine: DuckDBEngine, tmp_path: Path) -> None:
    rows = query("SELECT 1::UTINYINT AS u, 1::HUGEINT AS h, 'x'::ENUM('x') AS e, NULL AS n")
    assert engine.write_file(rows, f"{tmp_path}/deep/a.parquet") == 1
    engine.open_parquet([f"{tmp_path}/deep/a.parquet"], "v")
    kept = {"u": "smallint", "h": "decimal(38, 0)", "e": "string", "n": "string"}
    assert engine.columns("v").items() >= kept.items()


def test_a_write_that_fails_leaves_nothing(engine: DuckDBEngine, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        engine.write_file(query("SELECT CAST('x' || i AS INT) AS a FROM range(9) t(i)"), f"{tmp_path}/a.parquet")
    assert list(tmp_path.iterdir()) == []


def test_partition_types_of_our_own_files_can_be_given(engine: DuckDBEngine, tmp_path: Path) -> None:
    files = engine.write_table(
        query("SELECT 1 AS a, '01' AS m"), f"{tmp_path}/t", partition_by=["m"], stem="r", window=None
    )
    paths = [f"{tmp_path}/t/{file.path}" for file in files]
    assert engine.open_parquet(paths, "v", types={"m": "string", "a": "bigint"}).columns["m"] == "string"
    assert engine.rows(query("SELECT m FROM v")) == [{"m": "01"}]


def test_a_folder_above_the_table_makes_no_column(engine: DuckDBEngine, tmp_path: Path) -> None:
    from airflow_dataops.core.tables import SourceSpec

    engine.write_file(query("SELECT 1 AS a"), f"{tmp_path}/env=dev/lake/t/m=1/a.parquet")
    info = engine.open_source(SourceSpec(path=f"{tmp_path}/env=dev/lake/t"), "v", decoded="")
    assert info.columns == {"a": "integer", "m": "bigint"}


def test_work_that_does_not_fit_in_memory_is_spilled(tmp_path: Path) -> None:
    resources = Resources(memory_bytes=128 * 2**20, threads=1, spill_dir=f"{tmp_path}/spill")
    with DuckDBEngine(resources) as engine:
        made = engine.create_table(
            "t", query("SELECT i, hash(i) AS h, repeat('x', 20) || i AS s FROM range(4000000) t(i)")
        )
        assert made == 4_000_000
        assert engine.session.value("SELECT current_setting('threads')") == 1
        assert any((tmp_path / "spill").rglob("*.tmp"))
    assert list((tmp_path / "spill").iterdir()) == []
