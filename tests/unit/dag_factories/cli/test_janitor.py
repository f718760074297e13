# SPDX-License-Identifier: Apache-2.0
"""``dataops janitor`` over a real gRPC server with TLS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("google.cloud.dataproc_v1")
pytest.importorskip("cryptography")

from google.auth.credentials import AnonymousCredentials
from google.cloud import dataproc_v1 as protos

from airflow_dataops.clients.spark_k8s.sweep import SweepReport
from airflow_dataops.core.dataproc_dask import names
from dag_factories.cli import _janitor_spark, main
from tests.unit.clients.dataproc_dask.server import Server, abort
from tests.unit.clients.dataproc_dask.world import World


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    made = Server(tmp_path)
    monkeypatch.setenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", str(made.roots))
    monkeypatch.setattr("google.auth.default", lambda **_: (AnonymousCredentials(), "p"))
    yield made
    made.close()


@pytest.fixture
def world(server: Server) -> World:
    """Two clusters of ours, one of them expired."""
    made = World(server)
    for name, minutes in (("expired", -1), ("used", 60)):
        labels = {
            names.MANAGED_BY: names.MANAGER,
            names.INSTANCE: "test",
            names.EXPIRES: names.moment_label(datetime.now(UTC) + timedelta(minutes=minutes)),
        }
        status = protos.ClusterStatus(state="RUNNING", state_start_time=datetime.now(UTC))
        cluster = protos.Cluster(cluster_name=name, cluster_uuid=f"uuid-{name}", labels=labels, status=status)
        made.clusters[name] = protos.Cluster.pb(cluster)
    return made


def command(server: Server, *more: str) -> list[str]:
    place = ["--project", "test-project", "--region", "europe-west1", "--instance", "test"]
    return ["janitor", *place, "--api-endpoint", server.endpoint, *more]


def test_what_is_over_is_deleted(server: Server, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(server)) == 0
    assert list(world.clusters) == ["used"]
    said = capsys.readouterr()
    assert "deleted      expired: its time was over" in said.out
    assert said.err.strip() == "1 deleted, 1 left"


def test_a_dry_run_deletes_nothing(server: Server, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(server, "--dry-run", "--json")) == 0
    assert len(world.clusters) == 2
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert {swept["finding"]["name"]: swept["done"] for swept in report["clusters"]} == {
        "expired": "would_delete",
        "used": "left",
    }


def test_what_fails_is_told(server: Server, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    server.answers["DeleteCluster"] = abort("UNAVAILABLE", "busy")
    assert main(command(server)) == 1
    assert "UNAVAILABLE: busy" in capsys.readouterr().out
    server.answers["ListClusters"] = abort("PERMISSION_DENIED", "not yours")
    assert main(command(server)) == 1
    assert "PERMISSION_DENIED" in capsys.readouterr().err


@pytest.mark.parametrize("minutes", ["x", "-1", "nan"])
def test_minutes_that_are_none(minutes: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["janitor", "--project", "p", "--region", "r", "--instance", "i", "--grace", minutes]) == 2
    assert "no number of minutes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--project", "p"], "--project needs --region"),
        (["--project", "p", "--region", "r", "--context", "c"], "--context does not go with --project"),
        (["--namespace", "n", "--region", "r"], "--region does not go with --namespace"),
        (["--namespace", "n", "--orphan-after", "5"], "--orphan-after does not go with --namespace"),
    ],
)
def test_options_of_the_other_kind_are_refused(more: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["janitor", "--instance", "x", *more]) == 2
    assert said in capsys.readouterr().err


PROJECT = """\
version: 1
targets:
  local: {lake: lake}
  gcp:
    engine: dask
    runner: dataproc_dask
    lake: gs://lake
    dask:
      project: test-project
      region: europe-west1
      bucket: jobs
      api_endpoint: ENDPOINT
      init_actions: [{uri: gs://jobs/init.sh}]
      cluster: {subnetwork: projects/test-project/regions/europe-west1/subnetworks/dask}
  onprem:
    engine: spark
    runner: spark_k8s
    lake: s3://lake
    spark: {image: i, namespace: analytics}
  by_connection:
    engine: spark
    runner: spark_k8s
    lake: s3://lake
    spark: {image: i, kubernetes_conn_id: k8s}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder below that of dataops.yaml, which is the current one."""
    (tmp_path / "dataops.yaml").write_text(PROJECT.replace("ENDPOINT", "localhost:1"))
    below = tmp_path / "pipelines"
    below.mkdir()
    monkeypatch.chdir(below)
    monkeypatch.delenv("AIRFLOW_CONN_K8S", raising=False)
    return tmp_path


def test_a_target_says_where_its_clusters_are(
    server: Server, world: World, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "dataops.yaml").write_text(PROJECT.replace("ENDPOINT", server.endpoint))
    assert main(["janitor", "--target", "gcp", "--instance", "test"]) == 0
    assert list(world.clusters) == ["used"]
    assert capsys.readouterr().err.strip() == "1 deleted, 1 left"


@pytest.mark.parametrize("target", ["onprem", "by_connection"])
def test_a_target_says_where_its_drivers_are(
    project: Path, target: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []

    async def sweep(settings: Any, policy: Any, *, dry_run: bool, used: Any) -> SweepReport:
        assert used == ()
        asked.append((settings.namespace, settings.kubeconfig, policy.instance, dry_run))
        return SweepReport(namespace=settings.namespace, at=datetime.now(UTC), dry_run=dry_run, objects=())

    monkeypatch.setattr(_janitor_spark, "_sweep", sweep)
    extra = {"namespace": "analytics", "kube_config_path": "/etc/k8s"}
    monkeypatch.setenv("AIRFLOW_CONN_K8S", json.dumps({"conn_type": "kubernetes", "extra": extra}))
    assert main(["janitor", "--target", target, "--instance", "x", "--dry-run"]) == 0
    assert main(["janitor", "--target", target, "--instance", "x", "--kubeconfig", "mine"]) == 0
    kubeconfig = "/etc/k8s" if target == "by_connection" else None
    assert asked == [("analytics", kubeconfig, "x", True), ("analytics", "mine", "x", False)]
    assert capsys.readouterr().err.splitlines() == ["no drivers"] * 2


def test_the_applications_of_a_target_with_mode_crd_have_to_be_listed(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = project / "dataops.yaml"
    file.write_text(file.read_text().replace("namespace: analytics", "namespace: analytics, mode: crd"))

    async def sweep(settings: Any, policy: Any, *, dry_run: bool, used: Any) -> SweepReport:
        told = dict.fromkeys(used, "FORBIDDEN")
        unlisted = {"spark.apache.org/v1": "add a rule"}
        return SweepReport(namespace="n", at=datetime.now(UTC), dry_run=dry_run, blind=told, unlisted=unlisted)

    monkeypatch.setattr(_janitor_spark, "_sweep", sweep)
    assert main(["janitor", "--target", "onprem", "--instance", "x"]) == 1
    _, blind, warning = capsys.readouterr().err.splitlines()
    assert blind == "SparkApplications of sparkoperator.k8s.io/v1beta2 could not be listed: FORBIDDEN"
    assert warning.startswith("warning: ")
    assert warning.endswith("spark.apache.org/v1: add a rule")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["local"], "leaves nothing"),
        (["lokal"], "UNKNOWN_TARGET"),
        (["by_connection"], "write --namespace"),
        (["onprem", "--region", "r"], "--region does not go with --target onprem"),
        (["gcp", "--region", "r"], "--region does not go with --target gcp"),
        (["gcp", "--kubeconfig", "f"], "--kubeconfig does not go with --target gcp"),
        (["gcp", "--namespace", "n"], "not allowed with argument"),
    ],
)
def test_what_a_target_cannot_say_is_refused(
    project: Path, more: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["janitor", "--instance", "x", "--target", *more]) == 2
    assert said in capsys.readouterr().err


def test_a_broken_project_is_shown(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "dataops.yaml").write_text("version: 1\ntargets: {a: {lakes: x}}\n")
    assert main(["janitor", "--instance", "x", "--target", "a"]) == 1
    assert "UNKNOWN_KEY" in capsys.readouterr().err
