# SPDX-License-Identifier: Apache-2.0
"""Spark by itself, with Delta's jars: ``python -m tests.spark.reading TABLES NEW`` reads tables as a user does, and makes some.

``TABLES`` is a JSON list of path and format; what they hold is printed as JSON, each row as a text. In the folder ``NEW`` it makes ``vectors``, a
Delta table with a deletion vector, and ``odd``, one with partitions of odd names.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.spark.application import started

SETTINGS = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
    "spark.databricks.delta.snapshotPartitions": "2",
}
TEAMS = ["a b", "c%3A+d", "ü=/", None, "x/y"]


def rows_of(frame: Any) -> list[str]:
    """Return rows as :func:`tests.faults.tables.read_table` does, as texts."""
    names = sorted(frame.columns)
    return sorted(repr(tuple(row[name] for name in names)) for row in frame.collect())


def make(spark: Any, folder: str) -> None:
    """Make the two tables."""
    spark.range(10).coalesce(1).write.format("delta").option("delta.enableDeletionVectors", "true").save(
        f"{folder}/vectors"
    )
    spark.sql(f"DELETE FROM delta.`{folder}/vectors` WHERE id = 3")
    rows = [(number, team) for number, team in enumerate(TEAMS)]
    frame = spark.createDataFrame(rows, "i BIGINT, team STRING").coalesce(1)
    frame.write.format("delta").partitionBy("team").save(f"{folder}/odd")


def main() -> None:
    """Do what the arguments say."""
    tables, folder = json.loads(sys.argv[1]), sys.argv[2]
    with tempfile.TemporaryDirectory() as spill, started(Path(spill), SETTINGS) as spark:
        found = [rows_of(spark.read.format(kind).load(path)) for path, kind in tables]
        make(spark, folder)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
