# SPDX-License-Identifier: Apache-2.0
"""The example's project on a target ``onprem``: a bucket of a real S3 server, and driver pods on a real API server."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from airflow_dataops.clients.objects_fs import S3Objects
from airflow_dataops.clients.s3 import S3Client
from airflow_dataops.clients.storage import storage_for
from airflow_dataops.clients.storage_s3 import S3Storage
from airflow_dataops.core.spark_k8s.step import decode
from dag_factories.run import run_pipeline
from tests.integration.spark_k8s.operating import connect, hurry
from tests.integration.spark_k8s.scanning import Scan
from tests.services.kube.accounts import DRIVER, Namespace
from tests.services.kube.job_image import embedded, missing_spark, spark
from tests.services.kube.podrunner import PodRunner
from tests.services.s3_servers import ACCESS, SECRET, S3Server

EXAMPLES = Path(__file__).parents[3] / "example_dags"
WHEN = datetime(2013, 1, 2, tzinfo=UTC)
PROJECT = """\
version: 1
default_target: local
targets:
  local: {{lake: ./lake}}
  onprem:
    engine: {engine}
    runner: spark_k8s
    lake: {lake}
    spark:
      image: {image}
      mode: {mode}
      spark_version: "{line}"
      service_account: {account}
      api_server: {api_server}
      kubernetes_conn_id: cluster
      {store}
      driver: {{cores: 100m, memory: 1g, memory_overhead: 2g}}
      executor: {{cores: 100m, memory: 1g, memory_overhead: 1g}}
      executors: 1
      conf: {{spark.ui.enabled: false, spark.sql.shuffle.partitions: 2}}
      policy: {{poll: 1s, backoff: 1s, run_timeout: 10m, keep_failed_for: null}}
masks: {{aircraft_id: {{kind: sha256, salt: "${{conn:store.password}}"}}}}
alerts: {{pager: {{notifier: log}}, chat: {{notifier: log}}}}
"""
IN_A_SECRET = "s3: {{endpoint_url: '{url}', secret: lake-keys}}"
IN_A_CONNECTION = "aws_conn_id: lake"
RunDag = Callable[..., Any]


@dataclass
class Place:
    """The example's project, its lake in a bucket, and the namespace of its drivers."""

    folder: Path
    lake: str
    namespace: Namespace
    server: S3Server

    def deliver(self, months: int) -> None:
        """Put the first months of the year into both lakes."""
        here = self.folder / "lake/bronze/flights"
        shutil.copytree(EXAMPLES / "lake/bronze/flights", here)
        for path in here.rglob("*.parquet"):
            if int(path.parent.name) > months:
                path.unlink()
        storage = S3Storage(S3Client.from_env(self.server.environ()))
        files = [
            (str(path), f"{self.lake}/bronze/flights/{path.relative_to(here)}") for path in here.rglob("*.parquet")
        ]
        storage.take_all(files)

    def project(self, store: str, engine: str = "duckdb", *, line: str = "3.5", mode: str = "direct") -> None:
        """Write ``dataops.yaml``."""
        image = f"real/dataops:{line}" if engine == "spark" else "embedded/dataops:1"
        values = {
            "engine": engine,
            "image": image,
            "line": line,
            "mode": mode,
            "lake": self.lake,
            "account": DRIVER,
            "api_server": self.namespace.kube.url,
            "store": store,
        }
        (self.folder / "dataops.yaml").write_text(PROJECT.format(**values))

    def leave_gates_out(self) -> None:
        """Leave the pipeline its refine step only, with what publishes and reports."""
        written = (self.folder / "flights.yaml").read_text()
        (self.folder / "flights.yaml").write_text(written[: written.index("quality:")])

    def run_here(self) -> Any:
        """Run the pipeline on target ``local``; returns its run."""
        [here] = list(run_pipeline(self.folder / "flights.yaml", target="local", dates="2013-01-01", now=WHEN))
        return here.run


@pytest.fixture(scope="module", autouse=True)
def images(node: PodRunner, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Make images ``embedded/*`` and ``real/dataops:*``, with this package."""
    if not node.isolate:
        pytest.skip("needs root: an image's files are laid over the host's")
    node.images["embedded/*"] = embedded(tmp_path_factory.mktemp("embedded"))
    for line in ("3.5", "4.0"):
        if missing_spark(line) is None:
            node.images[f"real/dataops:{line}"] = spark(tmp_path_factory.mktemp("spark"), line)


@pytest.fixture
def place(namespace: Namespace, seaweedfs: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    connect(namespace, monkeypatch)
    hurry(monkeypatch)
    monkeypatch.setenv("AIRFLOW__DATAOPS__INSTANCE", "tests")
    monkeypatch.delenv("DATAOPS_TARGET", raising=False)
    shutil.copytree(EXAMPLES / "suites", tmp_path / "suites")
    shutil.copy(EXAMPLES / "flights.yaml", tmp_path)
    lake = f"s3://{seaweedfs.bucket()}/lake"
    keys = {"AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET}
    data = {name: base64.b64encode(value.encode()).decode() for name, value in keys.items()}
    namespace.api("POST", namespace.path("secrets"), {"metadata": {"name": "lake-keys"}, "data": data})
    return Place(tmp_path, lake, namespace, seaweedfs)


def rows_of(lake: str, table: str) -> list[Any]:
    """A table as DuckDB reads its folder."""
    files = [info.path for info in storage_for(lake).find(f"{lake}/{table}") if info.path.endswith(".parquet")]
    with duckdb.connect() as connection:
        if "://" in lake:
            connection.register_filesystem(S3Objects())
        query = f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM read_parquet({files}, hive_partitioning = true) ORDER BY ALL"
        return [tuple(str(value).replace(lake, "") for value in row) for row in connection.execute(query).fetchall()]


def outputs(run: Any) -> dict[str, Any]:
    return {one.task_id: one.xcom_pull(task_ids=one.task_id) for one in run.get_task_instances()}


def drivers(scan: Scan) -> list[Any]:
    """The driver pods that ever were there."""
    pods = {one["metadata"]["name"]: one for one in scan.audit.versions("pods")}
    return [pod for pod in pods.values() if pod["metadata"]["labels"]["spark-role"] == "driver"]


def steps_of(pods: list[Any]) -> list[dict[str, Any]]:
    """The steps that drivers were started for, as their last arguments tell."""
    return [decode(pod["spec"]["containers"][0]["args"][-1]) for pod in pods]
