# SPDX-License-Identifier: Apache-2.0
"""bronze_to_silver on a cluster of its own, through the unmodified operators: real Dask, a real store, Google's protos over TLS."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_dataops.clients.objects_fs import Objects
from airflow_dataops.clients.storage import storage_for
from dag_factories.run import run_pipeline
from tests.dag_files import dag_of
from tests.integration.dataproc_dask.setting import CONNECTION, connection_to
from tests.services.dataproc_fake.running import Project
from tests.services.fixtures import dataproc, dataproc_server, gcs

__all__ = ["dataproc", "dataproc_server", "gcs"]

WHEN = datetime(2024, 1, 2, tzinfo=UTC)
PROJECT = """\
version: 1
default_target: gcp
targets:
  local: {{lake: ./lake}}
  gcp:
    engine: dask
    runner: dataproc_dask
    lake: gs://{bucket}/lake
    dask:
      project: {project}
      region: {region}
      bucket: {bucket}
      api_endpoint: "{endpoint}"
      cluster:
        subnetwork: projects/{project}/regions/{region}/subnetworks/dask
        staging_bucket: {bucket}
      policy: {{poll: 1s, backoff: 1s, backoff_limit: 2s, deadlines: {{run: 30m}}}}
defaults: {{retries: 2}}
alerts: {{pager: {{notifier: log}}, chat: {{notifier: log}}}}
"""
PIPELINE = """\
version: 1
kind: bronze_to_silver
name: orders
schedule: "@daily"
start_date: 2024-01-01
source: {path: "${lake}/bronze/${run.date}", format: parquet}
target: {path: "${lake}/silver/orders", partition_by: [region]}
columns: {mail: {mask: sha256}}
clean: {drop_nulls: [amount], derive: {twice: "amount * 2"}, dedup: {keys: [id], order_by: [at]}}
quality:
  bronze: {suite: suites/orders.json, on_failure: quarantine, max_quarantine_ratio: 0.1}
  silver: {rules: [{not_null: id}, {row_count: {min: 1}}], on_failure: fail}
alerts: {critical: pager, warning: chat}
"""
SUITE = {
    "expectations": [{"type": "expect_column_values_to_be_between", "kwargs": {"column": "amount", "min_value": 0}}]
}
ROWS = [
    {"id": n % 90, "region": "ab"[n % 2], "amount": -1.0 if n == 7 else n / 4, "at": n, "mail": f"{n}@x.org"}
    for n in range(100)
]

pytestmark = [pytest.mark.integration, pytest.mark.airflow]
pytest.importorskip("distributed", reason="needs the extra `dask`")

RunDag = Callable[..., Any]


@dataclass
class Place:
    """A project with one pipeline, and its lake in a bucket."""

    folder: Path
    lake: str


@pytest.fixture
def place(dataproc: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    dataproc.configure(dask_workers=2)
    monkeypatch.setenv(CONNECTION, connection_to(dataproc, tmp_path))
    monkeypatch.setenv("AIRFLOW__DATAOPS__INSTANCE", "tests")
    monkeypatch.delenv("DATAOPS_TARGET", raising=False)
    folder = tmp_path / "project"
    delivered = folder / "lake/bronze/2024-01-01/orders.parquet"
    delivered.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(ROWS), delivered, row_group_size=20)
    (folder / "suites").mkdir()
    (folder / "suites/orders.json").write_text(json.dumps(SUITE))
    (folder / "orders.yaml").write_text(PIPELINE)
    values = {"project": dataproc.id, "region": dataproc.region, "bucket": dataproc.bucket}
    (folder / "dataops.yaml").write_text(PROJECT.format(endpoint=dataproc.fake.endpoint, **values))
    lake = f"gs://{dataproc.bucket}/lake"
    storage_for(lake).write_bytes(f"{lake}/bronze/2024-01-01/orders.parquet", delivered.read_bytes())
    return Place(folder, lake)


def rows_of(lake: str, table: str) -> list[Any]:
    """A table as DuckDB reads its folder."""
    files = [info.path for info in storage_for(lake).find(f"{lake}/{table}") if info.path.endswith(".parquet")]
    with duckdb.connect() as connection:
        if "://" in lake:
            connection.register_filesystem(Objects())
        found = connection.execute(
            f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM read_parquet({files}, hive_partitioning = true)"
        )
        return sorted(tuple(str(value).replace(lake, "") for value in row) for row in found.fetchall())


def states(run: Any) -> dict[str, str]:
    return {one.task_id: str(one.state) for one in run.get_task_instances()}


def test_the_table_in_the_bucket_is_that_of_a_laptop(place: Place, dataproc: Project, run_dag: RunDag) -> None:
    run = run_dag(dag_of(place.folder, "orders"), WHEN)
    assert (run.state, set(states(run).values())) == ("success", {"success"})
    [outcome] = list(run_pipeline(place.folder / "orders.yaml", target="local", dates="2024-01-01", now=WHEN))
    assert outcome.run.key == run.get_task_instance("refine").xcom_pull(task_ids="refine")["run_key"]
    here = str(place.folder / "lake")
    assert rows_of(place.lake, "silver/orders") == rows_of(here, "silver/orders")
    assert len(rows_of(place.lake, "silver/orders")) == 90
    assert rows_of(place.lake, "quarantine") == rows_of(here, "quarantine")
    told = run.get_task_instance("report").xcom_pull(task_ids="report")
    assert (told["verdict"], told["job"], told["pipeline"]) == ("quarantined", "report", "orders")
    published = run.get_task_instance("publish").xcom_pull(task_ids="publish")
    assert (published["rows"]["written"], published["dask"]["job"]["workers"]["start"]) == (90, 2)
    assert (len(dataproc.calls("CreateCluster")), dataproc.billing()) == (1, [])


def test_data_that_does_not_pass_is_not_published_and_told_at_once(
    place: Place, dataproc: Project, run_dag: RunDag
) -> None:
    (place.folder / "orders.yaml").write_text(PIPELINE.replace("quarantine, max_quarantine_ratio: 0.1", "fail"))
    dag = dag_of(place.folder, "orders")
    raised: list[BaseException] = []
    dag.get_task("gate_bronze").on_failure_callback = [lambda context: raised.append(context["exception"])]
    run = run_dag(dag, WHEN)
    assert run.state == "failed"
    assert states(run) == {
        "create_cluster": "success",
        "gate_bronze": "failed",
        "refine": "upstream_failed",
        "gate_silver": "upstream_failed",
        "publish": "upstream_failed",
        "report": "success",
        "delete_cluster": "success",
        "cluster_gone": "upstream_failed",
    }
    assert "GATE_FAILED" in str(raised[0])
    assert len(dataproc.calls("SubmitJob")) == 2  # the gate, which no retry would help, and the report
    assert run.get_task_instance("report").xcom_pull(task_ids="report")["verdict"] == "failed"
    assert storage_for(place.lake).find(f"{place.lake}/silver") == []
    assert dataproc.billing() == []
