# SPDX-License-Identifier: Apache-2.0
"""A target of the local runner whose lake is in S3, by an Airflow connection: with and without Airflow."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pytest

from airflow_dataops.clients.s3 import S3Client
from dag_factories import lake_access
from dag_factories.cli import main
from tests.services.s3_servers import S3Server

pytestmark = [pytest.mark.integration]

PIPELINE = (
    "version: 1\nkind: bronze_to_silver\nname: flights\nstart_date: 2024-01-01\nschedule: null\n"
    'source: {path: "${lake}/bronze"}\ntarget: {path: "${lake}/silver"}\nfull: true\n'
    "quality: {bronze: {rules: [{not_null: name}], on_failure: quarantine}}\n"
)


@pytest.fixture
def pipeline(seaweedfs: S3Server, client: S3Client, lake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    for name in [name for name in os.environ if name.startswith(("S3_", "AWS_"))]:
        monkeypatch.delenv(name)
    for name in seaweedfs.environ():
        monkeypatch.setenv(name, "")  # what the command sets goes with the test
    monkeypatch.setattr(lake_access, "_entered", {})
    said = seaweedfs.environ()
    extra = {"endpoint_url": said["S3_ENDPOINT_URL"], "region_name": said.get("S3_REGION", "us-east-1")}
    fields = {"login": said["S3_ACCESS_KEY_ID"], "password": said["S3_SECRET_ACCESS_KEY"]}
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps({"conn_type": "aws", "extra": extra, **fields}))
    client.write_parquet(pa.table({"id": [1, 2, 3], "name": ["a", "b", None]}), f"{lake}/bronze/part.parquet")
    targets = {"local": {"lake": lake, "aws_conn_id": "lake"}}
    (tmp_path / "dataops.yaml").write_text(json.dumps({"version": 1, "targets": targets}))
    (tmp_path / "flights.yaml").write_text(PIPELINE)
    return str(tmp_path / "flights.yaml")


def test_commands_reach_the_lake(
    pipeline: str, client: S3Client, lake: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", pipeline]) == 0, capsys.readouterr()
    assert main(["run", pipeline]) == 0, capsys.readouterr()
    assert sorted(client.read_parquet(f"{lake}/silver")["id"].to_pylist()) == [1, 2]
    assert main(["maintain", pipeline, "--dry-run"]) == 0, capsys.readouterr()
    assert main(["quarantine", "list", "--in", str(Path(pipeline).parent)]) == 0, capsys.readouterr()


def test_the_tasks_of_the_dag_have_the_connection(pipeline: str) -> None:
    from dag_factories.pipeline import load_pipeline
    from dag_factories.plans import plan_of

    loaded = load_pipeline(Path(pipeline))
    spec, project, target = loaded.require()
    plan = plan_of(spec, project, target, loaded.relative)
    assert {task.arguments.get("aws_conn_id") for task in plan.tasks} == {"lake"}


def test_a_connection_that_is_not_there_is_told(
    pipeline: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_LAKE")
    assert main(["run", pipeline]) == 1
    assert "SECRET_MISSING" in capsys.readouterr().err


@pytest.mark.parametrize("lake", ["./lake", "gs://bucket/lake"])
def test_a_connection_without_use_is_found(tmp_path: Path, lake: str, capsys: pytest.CaptureFixture[str]) -> None:
    targets = {"local": {"lake": lake, "aws_conn_id": "x"}}
    (tmp_path / "dataops.yaml").write_text(json.dumps({"version": 1, "targets": targets}))
    (tmp_path / "flights.yaml").write_text(PIPELINE)
    assert main(["check", str(tmp_path)]) == 1
    assert "S3_CONNECTION_UNUSED" in capsys.readouterr().out


def test_two_connections_in_one_process_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_dataops.core.errors import SpecError
    from dag_factories.project import TargetConfig

    monkeypatch.setattr(lake_access, "_entered", {"S3_ENDPOINT_URL": "https://one"})
    fields = {"conn:two.login": "i", "conn:two.password": "k", "conn:two.host": "https://two", "conn:two.extra": ""}
    with pytest.raises(SpecError, match="different connections"):
        lake_access.enter(TargetConfig(lake="s3://b", aws_conn_id="two"), lambda name: fields[name])
