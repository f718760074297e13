# SPDX-License-Identifier: Apache-2.0
"""What engine spark publishes, read by Spark itself as by DuckDB; and Delta tables that Spark itself has made, as a source."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.core.errors import InputError
from airflow_dataops.core.refine.spec import CleanSpec
from airflow_dataops.core.tables import SourceSpec, TableFormat, TargetSpec
from airflow_dataops.engines.spark import SparkEngine
from tests.spark.comparing import assert_same, both_refine
from tests.spark.jars import ROOT, pinned_jars
from tests.spark.publishing import deliveries, made
from tests.spark.reading import TEAMS

pytest.importorskip("pyspark", reason="engine spark has environments of its own: make test-spark")
pytestmark = pytest.mark.usefixtures("spark")
FORMATS: tuple[TableFormat, ...] = ("parquet", "delta")


@pytest.fixture(scope="module")
def published(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[list[str]], list[list[str]], Path]:
    """Publish a table of each format; returns their rows by DuckDB, by Spark itself, and the folder of the tables that Spark has made."""
    folder = tmp_path_factory.mktemp("published")
    sources, ours, tables = deliveries(folder), [], []
    for table_format in FORMATS:
        target = TargetSpec(path=f"{folder}/{table_format}", format=table_format, partition_by=["team"])
        _, rows = made(folder / f"lake-{table_format}", sources[:1], "spark", target)
        ours.append([repr(row) for row in rows])
        tables.append([target.path, table_format])
    command = [sys.executable, "-m", "tests.spark.reading", json.dumps(tables), str(folder / "new")]
    environ = {**os.environ, "PYSPARK_SUBMIT_ARGS": f"--jars {pinned_jars()} --driver-memory 1g pyspark-shell"}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return ours, json.loads(done.stdout.splitlines()[-1]), folder / "new"


@pytest.mark.parametrize("table_format", FORMATS)
def test_spark_itself_reads_what_duckdb_reads(published: Any, table_format: str) -> None:
    ours, theirs, _ = published
    which = FORMATS.index(table_format)
    assert_same(theirs[which], ours[which])
    assert len(ours[which]) == 12


def test_partitions_of_odd_names_that_delta_on_spark_has_made(published: Any, tmp_path: Path) -> None:
    source = SourceSpec(path=f"{published[2]}/odd", format="delta")
    duckdb, spark = both_refine(tmp_path, source, clean=CleanSpec(rename={"team": "of"}))
    assert_same(spark, duckdb)
    for number, team in enumerate(TEAMS):
        assert repr(([], {"i": number, "of": team})) in duckdb[1][0][0]


def test_a_table_with_deletion_vectors_is_refused(published: Any, tmp_path: Path) -> None:
    source = SourceSpec(path=f"{published[2]}/vectors", format="delta")
    with SparkEngine() as engine, pytest.raises(InputError, match="has deletion vectors") as raised:
        engine.open_source(source, "v", decoded=str(tmp_path))
    assert raised.value.code == "DELTA_FEATURE"
