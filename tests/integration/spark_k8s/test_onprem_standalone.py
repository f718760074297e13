# SPDX-License-Identifier: Apache-2.0
"""A pipeline on a target with ``runner: spark_standalone``: a real master and worker, and the table of a laptop."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dag_factories.run import run_pipeline
from tests.dag_files import dag_of
from tests.services.kube.job_image import missing_spark, site_of
from tests.services.spark_master import spark_master

pytestmark = [pytest.mark.airflow]

ROOT = Path(__file__).parents[3]
WHEN = datetime(2024, 1, 2, tzinfo=UTC)
PROJECT = """\
version: 1
default_target: local
targets:
  local: {{lake: {local}}}
  cluster:
    engine: spark
    runner: spark_standalone
    lake: {lake}
    spark:
      master: {master}
      executor: {{cores: 1, memory: 512m}}
      executors: 1
      driver: {{memory: 512m}}
      env: {{PYTHONPATH: "{path}", SPARK_LOCAL_IP: 127.0.0.1}}
      conf: {{spark.ui.enabled: false, spark.sql.shuffle.partitions: 2}}
masks: {{pii: {{kind: sha256, salt: "${{env:SALT_OF_MAILS}}"}}}}
"""
PIPELINE = """\
version: 1
kind: bronze_to_silver
name: orders
schedule: "@daily"
start_date: 2024-01-01
source: {path: "${lake}/bronze", format: parquet}
target: {path: "${lake}/silver", partition_by: [region]}
full: true
columns: {mail: {tags: [pii]}}
clean: {drop_nulls: [amount], derive: {twice: "amount * 2"}, dedup: {keys: [id], order_by: [at]}}
"""
ROWS = [{"id": n % 90, "region": "ab"[n % 2], "amount": n / 4, "at": n, "mail": f"{n}@x.org"} for n in range(100)]


def rows_of(table: Path) -> list[Any]:
    with duckdb.connect() as connection:
        query = f"SELECT * FROM read_parquet('{table}/**/*.parquet', hive_partitioning = true) ORDER BY ALL"
        return connection.execute(query).fetchall()


def test_the_table_of_a_master_is_that_of_a_laptop(
    tmp_path: Path, run_dag: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    if why := missing_spark("3.5"):
        pytest.skip(why)
    home = site_of("3.5") / "pyspark"
    monkeypatch.setenv("SPARK_HOME", str(home))
    monkeypatch.setenv("PYSPARK_PYTHON", str(home.parents[3] / "bin/python"))
    monkeypatch.setenv("SALT_OF_MAILS", "not-to-be-seen")
    for lake in ("here", "there"):
        (tmp_path / lake / "bronze").mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / lake / "bronze/part.parquet")
    (tmp_path / "orders.yaml").write_text(PIPELINE)
    with spark_master(home, tmp_path) as master:
        values = {"local": tmp_path / "here", "lake": tmp_path / "there", "master": master, "path": ROOT}
        (tmp_path / "dataops.yaml").write_text(PROJECT.format(**values))
        monkeypatch.setenv("DATAOPS_TARGET", "cluster")
        run = run_dag(dag_of(tmp_path, "orders"), WHEN)
    assert run.state == "success"
    list(run_pipeline(tmp_path / "orders.yaml", target="local", dates="2024-01-01", now=WHEN))
    rows = rows_of(tmp_path / "there/silver")
    assert (len(rows), rows == rows_of(tmp_path / "here/silver")) == (90, True)
    found = run.get_task_instance("refine").xcom_pull(task_ids="refine")
    assert found["spark"]["application_id"].startswith("app-")  # the master's, not one of local[*]
    assert list((tmp_path / "work").glob("app-*/0/stderr"))  # an executor of the worker did it
    assert "not-to-be-seen" not in "".join(path.read_text(errors="replace") for path in tmp_path.glob("*.log"))
