# SPDX-License-Identifier: Apache-2.0
"""The YAML through the unmodified operators: Google's protos over TLS, the real driver, a real scheduler and real workers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from airflow_dataops.clients.package import build_code
from tests.dag_files import dag_of
from tests.integration.dataproc_dask.setting import CONNECTION, Setting, connection_to
from tests.services.dataproc_fake.running import Project
from tests.services.fixtures import dataproc, dataproc_server, gcs

__all__ = ["dataproc", "dataproc_server", "gcs"]

EXAMPLES = Path(__file__).resolve().parents[3] / "example_dags"
WHEN = datetime(2024, 1, 2, tzinfo=UTC)
PROJECT = """\
version: 1
default_target: gcp
targets:
  gcp:
    engine: dask
    runner: dataproc_dask
    lake: {lake}
    dask:
      project: {project}
      region: {region}
      bucket: {bucket}
      api_endpoint: "{endpoint}"
      code_uris: ["{code}"]
      rate_card: rates/europe_west1.yaml
      cluster:
        subnetwork: projects/{project}/regions/{region}/subnetworks/dask
        staging_bucket: {bucket}
      shapes: {{small: {{}}}}
      policy: {{poll: 1s, backoff: 1s, backoff_limit: 2s, deadlines: {{run: 30m}}}}
defaults: {{retries: 0}}
alerts: {{pager: {{notifier: log}}}}
"""
TWO = """\
version: 1
kind: composer_dask
name: shared
jobs:
  - {name: bad, function: "dask_jobs.delays:by_carrier_and_month", args: {flights: "${lake}/none", output: "${lake}/out"}}
  - {name: after-it, function: "dask_jobs.delays:count", args: {}, after: [bad]}
"""

pytestmark = [pytest.mark.integration, pytest.mark.airflow]
pytest.importorskip("distributed", reason="needs the extra `dask`")

RunDag = Callable[..., Any]


@pytest.fixture
def folder(dataproc: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose target is the fake; its lake is a folder that machines and laptop share, as a Filestore share is."""
    dataproc.configure(dask_workers=2)
    monkeypatch.setenv(CONNECTION, connection_to(dataproc, tmp_path))
    monkeypatch.setenv("AIRFLOW__DATAOPS__INSTANCE", "tests")
    monkeypatch.delenv("DATAOPS_TARGET", raising=False)
    project = tmp_path / "project"
    ignored = shutil.ignore_patterns("__pycache__", ".dataops", "silver", "gold", "quarantine")
    shutil.copytree(EXAMPLES, project, ignore=ignored)
    modules = tmp_path / "modules"
    shutil.copytree(project / "dask_jobs", modules / "dask_jobs")
    code = build_code(modules, tmp_path, say=print).path.read_bytes()
    values = {
        "lake": project / "lake",
        "project": dataproc.id,
        "region": dataproc.region,
        "bucket": dataproc.bucket,
        "endpoint": dataproc.fake.endpoint,
        "code": Setting(dataproc).put("code.zip", code),
    }
    (project / "dataops.yaml").write_text(PROJECT.format(**values))
    return project


def test_the_example_runs_on_a_cluster_that_is_gone_afterwards(
    folder: Path, dataproc: Project, run_dag: RunDag
) -> None:
    run = run_dag(dag_of(folder, "flights_delays"), WHEN)
    assert run.state == "success"
    found = run.get_task_instance("delays").xcom_pull(task_ids="delays")
    assert found["result"]["flights"] == 336_776
    assert found["clusters"] == {"created": 1, "adopted": 0, "deleted": 1}
    assert float(found["cost"]["amount"]) > 0
    assert dataproc.billing() == []
    table = pd.read_parquet(folder / "lake/gold/flights_delays/delays.parquet")
    assert (len(table), int(table["flights"].sum())) == (185, 336_776)


def test_a_job_that_fails_is_a_failed_run_and_the_shared_cluster_is_gone(
    folder: Path, dataproc: Project, run_dag: RunDag
) -> None:
    (folder / "shared.yaml").write_text(TWO)
    found: list[BaseException] = []
    dag = dag_of(folder, "shared")
    dag.get_task("bad").on_failure_callback = [lambda context: found.append(context["exception"])]
    run = run_dag(dag, WHEN)
    states = {one.task_id: str(one.state) for one in run.get_task_instances()}
    assert states == {
        "create_cluster": "success",
        "bad": "failed",
        "after-it": "upstream_failed",
        "delete_cluster": "success",
        "cluster_gone": "upstream_failed",
    }
    assert run.state == "failed"
    assert "there are no Parquet files below" in str(found[0])
    assert dataproc.billing() == []
    assert len(dataproc.calls("CreateCluster")) == 1
