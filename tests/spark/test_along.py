# SPDX-License-Identifier: Apache-2.0
"""Refining reads its source once: counts come along with the write, are right, and are not believed where a task ran twice."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_dataops.core.errors import InputError
from airflow_dataops.core.refine.spec import CastSpec, CleanSpec, DedupSpec
from airflow_dataops.core.tables import SourceSpec, TargetSpec
from airflow_dataops.engines.spark_along import SparkAlong, ran_once
from tests.comparing import pieces
from tests.spark import edges
from tests.spark.comparing import assert_same, both_refine

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytest.importorskip("pyspark", reason="engine spark has environments of its own: make test-spark")
pytestmark = pytest.mark.usefixtures("spark")
CLEAN = CleanSpec(
    cast={"t": CastSpec(type="integer", on_error="quarantine"), "f": CastSpec(type="integer", on_error="null")},
    drop_nulls=["m"],
    keep_if=["b is not false"],
    dedup=DedupSpec(keys=["k"], order_by=["z"]),
)
NOTHING = CLEAN.model_copy(update={"keep_if": ["i > 0 and i < 0"]})
WITHIN = CLEAN.model_copy(update={"dedup": DedupSpec(keys=["k"], within="300 days", event_time="at")})


def odd(folder: Path) -> SourceSpec:
    rows = [{**row, "t": row["t"] if number % 4 else "12"} for number, row in enumerate(edges.rows(400))]
    return SourceSpec(path=pieces(folder / "source", rows, edges.SCHEMA, [130, 131]))


@pytest.mark.parametrize("clean", [CLEAN, NOTHING, WITHIN, CLEAN.model_copy(update={"dedup": None})])
def test_counts_along_are_those_of_queries(tmp_path: Path, clean: CleanSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no row is left, Spark does without the rest of the plan, and tells no counts."""
    told: list[Any] = []
    counted = SparkAlong.counted
    monkeypatch.setattr(SparkAlong, "counted", lambda self: told.append(counted(self)) or told[-1])
    target = TargetSpec(path=str(tmp_path / "silver"), partition_by=["day"])
    duckdb, spark = both_refine(tmp_path, odd(tmp_path), clean=clean, target=target, max_quarantine_ratio=1)
    assert_same(spark, duckdb)
    assert duckdb[0]["rows"]["quarantined"] > 20
    assert len(told) == 1
    assert told[0] is not None or clean is NOTHING


def test_counts_that_cannot_be_believed_are_queried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_dataops.engines.spark_along.ran_once", lambda *_: False)
    duckdb, spark = both_refine(tmp_path, odd(tmp_path), clean=CLEAN, max_quarantine_ratio=1)
    assert_same(spark, duckdb)
    assert duckdb[0]["rows"]["deduplicated"] > 5


def test_a_value_that_does_not_cast_is_said_before_what_the_write_stumbled_over(tmp_path: Path) -> None:
    """An empty text in a partition column stops Spark's write; the cast fails on every engine."""
    clean = CleanSpec(cast={"t": "integer"})
    target = TargetSpec(path=str(tmp_path / "silver"), partition_by=["k"])
    with pytest.raises(InputError, match="do not cast to integer"):
        both_refine(tmp_path, odd(tmp_path), engines=("spark",), clean=clean, target=target)
    assert not list(tmp_path.rglob("staging/**/*.parquet"))


@pytest.mark.parametrize(("fails", "once"), [(False, True), (True, False)])
def test_a_task_that_failed_makes_counts_doubtful(spark: SparkSession, *, fails: bool, once: bool) -> None:
    group = f"group-{random.random()}"
    context = spark.sparkContext
    before = context.getLocalProperty("spark.jobGroup.id")
    context.setLocalProperty("spark.jobGroup.id", group)
    try:
        work(spark, fails=fails)
    finally:
        context.setLocalProperty("spark.jobGroup.id", before)
    assert ran_once(spark, group) is once
    assert not ran_once(spark, "no such group")


def work(spark: SparkSession, *, fails: bool) -> Sequence[Any]:
    """Shuffle a few rows; or fail at it."""
    frame = spark.range(100).selectExpr(
        "id % 3 AS k", f"IF({str(fails).lower()} AND id > 98, CAST(RAISE_ERROR('so') AS BIGINT), id) AS v"
    )
    query = frame.groupBy("k").sum("v")
    if not fails:
        return query.collect()
    with pytest.raises(Exception, match="so"):
        query.collect()
    return []
