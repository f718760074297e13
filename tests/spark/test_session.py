# SPDX-License-Identifier: Apache-2.0
"""A Spark of a job's own, in a process of its own: what the environment says of S3 matters to those only who use it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.spark.jars import ROOT

pytest.importorskip("pyspark", reason="engine spark has environments of its own: make test-spark")
SCRIPT = """
import sys
from airflow_dataops.core.errors import DataOpsError
from airflow_dataops.engines.spark import SparkEngine
with SparkEngine() as engine:
    print(engine.open_parquet([sys.argv[1]], "v").columns)
    try:
        engine.open_parquet(["s3://bucket/0.parquet"], "w")
    except DataOpsError as error:
        print(error.code)
"""


def test_settings_of_s3_that_spark_does_not_understand_hinder_no_lake_on_disks(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"i": [1]}), tmp_path / "0.parquet")
    environ = {**os.environ, "AWS_CA_BUNDLE": "/etc/ca.pem", "PYSPARK_SUBMIT_ARGS": "--driver-memory 1g pyspark-shell"}
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "0.parquet")]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["{'i': 'bigint'}", "S3_SETTINGS"], done.stderr[-2000:]
