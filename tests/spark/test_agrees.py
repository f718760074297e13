# SPDX-License-Identifier: Apache-2.0
"""Gate and refine on Spark and on DuckDB: the same rows, types, reasons, counts and verdicts."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_dataops.core.refine.spec import CastSpec, CleanSpec, DedupSpec
from airflow_dataops.core.tables import MaskSpec, SourceSpec, TargetSpec, WindowSlice
from airflow_dataops.jobs.dq_gate import run_gate
from tests.comparing import AGGREGATES, GATE, pieces, rounded
from tests.spark import edges
from tests.spark.comparing import ENGINES, assert_same, both_gate, both_refine
from tests.unit.jobs.gate_model import KEYS, ROW_RULES

pytest.importorskip("pyspark", reason="engine spark has environments of its own: make test-spark")
pytestmark = pytest.mark.usefixtures("spark")
ODD_RULES: list[dict[str, Any]] = [
    {"unique": "t"},
    {"compound_unique": ["k", "j", "b"]},
    {"not_null": "f"},
    {"between": ["n", -1000, 1000.5]},
    {"between": ["at", "1900-01-01", "2024-12-31"]},
    {"in_set": ["g", [0.1, 3, -1.5]]},
    {"not_in_set": ["day", ["2024-12-30"]]},
    {"regex": ["t", r"^[^\s]+$"]},
    {"regex": ["n", r"^-?\d+\.\d\d$"]},
    {"length_between": ["t", 1, 3]},
    {"condition": "n * 2 > m or b is null"},
    {"mean": ["n", None, 0]},
    {"sum": ["m", None, 0]},
    {"sum": ["j", None, 0]},
    {"stdev": {"column": "n", "max": 1, "row_condition": "b"}},
    {"median": ["m", None, 0]},
    {"max": ["z", None, "2024-01-01"]},
    {"min": ["ns", "2025-01-01", None]},
    {"max": ["g", None, 1]},
    {"distinct_count": ["k", 1, 2]},
]


def odd(folder: Path, cuts: tuple[int, ...] = (60, 61)) -> str:
    """Write the odd values as a few files."""
    return pieces(folder, edges.rows(), edges.SCHEMA, list(cuts))


def test_a_gate_over_odd_values(tmp_path: Path) -> None:
    duckdb, spark = both_gate(tmp_path, odd(tmp_path / "source"), ODD_RULES)
    assert_same(spark, duckdb)
    assert duckdb[0]["verdict"] == "failed"
    assert len(duckdb[1]) > 100


def test_a_gate_over_the_models_values(tmp_path: Path) -> None:
    draw = random.Random(3)
    pools: dict[str, list[Any]] = {
        "i": [None, 1, 3, -(2**63), 2**53 + 1],
        "j": [None, -3, 0, 2, 7],
        "f": [None, float("nan"), 0.0, -0.0, 1.5, float("-inf")],
        "t": [None, "", "ab", "'", "日本", "N1"],
    }
    rows = [{name: draw.choice(values) for name, values in pools.items()} for _ in range(60)]
    rules = [rule for rule, _ in [*ROW_RULES, *KEYS]] + AGGREGATES
    duckdb, spark = both_gate(tmp_path, pieces(tmp_path / "source", rows, GATE, [5, 5, 40]), rules)
    assert_same(spark, duckdb)
    assert len(duckdb[1]) > 30


def test_a_gate_over_no_row(tmp_path: Path) -> None:
    duckdb, spark = both_gate(tmp_path, pieces(tmp_path / "source", [], GATE, []), [{"unique": "i"}, *AGGREGATES])
    assert_same(spark, duckdb)


def test_refining_odd_values(tmp_path: Path) -> None:
    clean = CleanSpec(
        rename={"t": "text"},
        cast={
            "text": CastSpec(type="decimal(12, 3)", on_error="quarantine"),
            "f": CastSpec(type="integer", on_error="null"),
            "n": "string",
            "ns": "date",
        },
        trim=["k"],
        fill={"j": 9, "k": "-"},
        drop_nulls=["m"],
        keep_if=["b is not false or k = 'a'", "not (m between 0 and 1)"],
        derive={"q": "m / 3", "w": "q * 2", "hour": "date_trunc('hour', z)", "p": "n || k", "d": "m * j"},
        dedup=DedupSpec(keys=["k", "j"], keep="last", order_by=["-z", "m"]),
    )
    masks = {
        "n": MaskSpec(kind="digits"),
        "p": MaskSpec(kind="last4"),
        "l": MaskSpec(kind="null"),
        "k": MaskSpec(kind="sha256"),
    }
    rows = [{**row, "t": row["t"] if number % 5 else "12.5"} for number, row in enumerate(edges.rows(600))]
    source = pieces(tmp_path / "source", rows, edges.SCHEMA, [200])
    target = TargetSpec(path=str(tmp_path / "silver"), partition_by=["b", "day"])
    duckdb, spark = both_refine(
        tmp_path, SourceSpec(path=source), clean=clean, masks=masks, target=target, max_quarantine_ratio=1
    )
    assert_same(spark, duckdb)
    counts = duckdb[0]["rows"]
    assert counts["quarantined"] > 20
    assert counts["deduplicated"] > 0
    assert counts["written"] > 5


def test_refining_a_window_of_files_of_two_schemas_in_partition_folders(tmp_path: Path) -> None:
    rows = pa.Table.from_pylist(edges.rows(120), schema=edges.SCHEMA)
    for name, table in (
        ("a b", rows.drop_columns(["l", "r", "z"])),
        ("c%3A+d", rows.drop_columns(["u"])),
        ("__HIVE_DEFAULT_PARTITION__", rows),
    ):
        folder = tmp_path / "so ur{ce" / f"team={name}" / "no=01"
        folder.mkdir(parents=True)
        pq.write_table(
            table, folder / "[1] x+y.parquet", row_group_size=50, use_deprecated_int96_timestamps=name == "a b"
        )
    duckdb, spark = both_refine(
        tmp_path,
        SourceSpec(path=str(tmp_path / "so ur{ce")),
        slice=WindowSlice(column="at", size="year"),
        clean=CleanSpec(dedup=DedupSpec(keys=["i"], keep="first", order_by=["no"])),
    )
    assert_same(spark, duckdb)
    assert duckdb[0]["rows"]["written"] > 3


def test_refining_csv_with_lines_that_do_not_decode(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "1.csv").write_text(
        'id,name,at\n1,"a ""b"", c",2024-01-01\nx,y,z\n2,"line\nfeed",2024-01-02T10:00:00+02:00\n'
    )
    (source / "2.csv").write_bytes("id,name,at,more\n3,ü,2024-02-30,\n4,,2024-03-01,5\n5,,\n".encode())
    spec = SourceSpec(path=str(source), format="csv", types={"id": "integer", "at": "timestamptz"})
    duckdb, spark = both_refine(tmp_path, spec, clean=CleanSpec(fill={"name": "?"}), max_quarantine_ratio=1)
    assert_same(spark, duckdb)
    assert (duckdb[0]["rows"]["written"], len(duckdb[2])) == (3, 3)


def test_refining_json_lines(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "1.jsonl").write_text('{"id": 1, "name": "ü", "tags": ["a"]}\n{"id": "x"}\n{"id": 2\n[3]\n')
    (source / "2.jsonl").write_text('{"id": 3, "more": 1.5, "at": "2024-01-02T10:00:00+02:00"}\n\n{"id": null}\n')
    spec = SourceSpec(path=str(source), format="jsonl", types={"id": "integer", "at": "timestamptz"})
    duckdb, spark = both_refine(tmp_path, spec, clean=CleanSpec(fill={"name": "?"}), max_quarantine_ratio=1)
    assert_same(spark, duckdb)
    assert (duckdb[0]["rows"]["written"], len(duckdb[2])) == (3, 3)


def test_a_gate_by_the_function_of_notebooks(tmp_path: Path) -> None:
    rules = [{"not_null": "f"}, {"between": ["n", -1000, 1000.5]}]
    found = [
        run_gate(rules, odd(tmp_path / engine), engine=engine, quarantine=tmp_path / f"{engine}.parquet")
        for engine in ENGINES
    ]
    duckdb, spark = (rounded([(rule.id, rule.unexpected, rule.passed) for rule in result.rules]) for result in found)
    assert_same(spark, duckdb)
    bad = [pq.read_table(tmp_path / f"{engine}.parquet", partitioning=None) for engine in ENGINES]
    assert bad[1].num_rows == bad[0].num_rows > 3
    assert "spark" in found[1].versions
