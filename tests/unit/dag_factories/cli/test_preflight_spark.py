# SPDX-License-Identifier: Apache-2.0
"""``dataops preflight`` of a target with Spark drivers: which bucket is looked at, and what the pipeline's own secrets need."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.clients.spark_k8s import preflight
from airflow_dataops.core.preflight.spark_k8s import questions
from airflow_dataops.core.spark_k8s.spec import RunParts, SecretKeyRef
from dag_factories.cli import main

PROJECT = """\
version: 1
default_target: onprem
targets:
  onprem:
    engine: duckdb
    runner: spark_k8s
    lake: "s3://${env:LAKE_OF_THE_TEST}/lake"
    spark: {image: i, namespace: n}
"""
PIPELINE = """\
version: 1
kind: bronze_to_silver
name: flights
start_date: 2024-01-01
schedule: null
source: {path: "${lake}/bronze"}
target: {path: "${lake}/silver"}
full: true
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "dataops.yaml").write_text(PROJECT)
    (tmp_path / "flights.yaml").write_text(PIPELINE)
    return str(tmp_path / "flights.yaml")


def test_a_lake_with_a_reference_is_looked_at_where_it_is(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setenv("LAKE_OF_THE_TEST", "data-lake")
    monkeypatch.setattr(preflight, "preflight", lambda settings, run, s3, lake: seen.append(lake) or ())
    assert main(["preflight", file]) == 0
    assert seen == ["s3://data-lake/lake"]


def test_a_reference_that_is_not_set_is_told(
    file: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("LAKE_OF_THE_TEST", raising=False)
    assert main(["preflight", file]) == 1
    assert "LAKE_OF_THE_TEST" in capsys.readouterr().err


SALTED = f"""\
{PIPELINE}columns:
  tailnum: {{mask: {{kind: sha256, salt: "SALT"}}}}
"""


@pytest.fixture
def asked(file: str, monkeypatch: pytest.MonkeyPatch) -> list[RunParts]:
    """What the namespace is asked about."""
    seen: list[RunParts] = []
    monkeypatch.setenv("LAKE_OF_THE_TEST", "data-lake")
    monkeypatch.setattr(preflight, "preflight", lambda settings, run, s3, lake: seen.append(run) or ())
    return seen


def creates_secrets(run: RunParts) -> bool:
    return any(question.key == "own:create secrets" for question in questions(run))


def told(file: str, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    assert main(["preflight", file, "--json"]) == 0
    return {one["check"]: one["level"] for one in json.loads(capsys.readouterr().out)}


@pytest.mark.parametrize("salt", ["${env:SALT_OF_THE_TEST}", "${var:salt}", "${conn:salts.password}"])
def test_a_secret_of_the_pipeline_needs_a_secret_that_airflow_creates(
    file: str, asked: list[RunParts], capsys: pytest.CaptureFixture[str], salt: str
) -> None:
    assert told(file, capsys) == {}
    Path(file).write_text(SALTED.replace("SALT", salt))
    assert told(file, capsys) == {f"reference.{salt[2:-1]}": "warning"}
    assert [creates_secrets(run) for run in asked] == [False, True]


def test_one_that_is_set_here_is_told_and_not_shown(
    file: str, asked: list[RunParts], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_SALT", "of-the-sea")
    Path(file).write_text(SALTED.replace("SALT", "${var:salt}"))
    assert main(["preflight", file]) == 0
    said = capsys.readouterr().out
    assert "ok       reference.var:salt: var:salt is set here" in said
    assert "of-the-sea" not in said


def test_one_that_the_cluster_has_is_looked_for_there(
    file: str, asked: list[RunParts], capsys: pytest.CaptureFixture[str]
) -> None:
    place = "namespace: n, secret_env: {SALT: {name: salts, key: of-tails}}"
    (Path(file).parent / "dataops.yaml").write_text(PROJECT.replace("namespace: n", place))
    Path(file).write_text(SALTED.replace('"SALT"', '"${env:SALT}"'))
    assert told(file, capsys) == {}
    [run] = asked
    assert run.app.secret_env == {"SALT": SecretKeyRef(name="salts", key="of-tails")}
    assert not creates_secrets(run)
    assert any(question.key == "Secret:salts" for question in questions(run))


@pytest.mark.parametrize(
    ("place", "fields", "secrets"),
    [
        ("aws_conn_id: there", {"conn_type": "aws", "login": "AK", "password": "of-the-lake"}, 2),
        ("aws_conn_id: there", {"conn_type": "aws"}, 0),
        ("mlflow: {conn_id: there}", {"conn_type": "http", "host": "https://m", "password": "of-mlflow"}, 1),
        ("mlflow: {conn_id: there}", {"conn_type": "http", "host": "https://m"}, 0),
        ("mlflow: {conn_id: there}", {"conn_type": "http", "host": "sqlite:///m.db", "password": "of-mlflow"}, 0),
    ],
)
def test_keys_of_a_connection_that_is_known_here_need_one_too(
    file: str,
    asked: list[RunParts],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    place: str,
    fields: dict[str, str],
    secrets: int,
) -> None:
    project = PROJECT.replace("namespace: n", f"namespace: n, {place}")
    (Path(file).parent / "dataops.yaml").write_text(project)
    monkeypatch.setenv("AIRFLOW_CONN_THERE", json.dumps(fields))
    assert list(told(file, capsys).values()) == ["ok"] * secrets
    assert creates_secrets(asked[0]) is bool(secrets)


def test_a_machine_without_kubeconfig_and_keys_is_told_what_it_lacks(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("boto3", reason="needs boto3: pip install 'airflow-dataops[s3]'")
    pytest.importorskip("aiohttp", reason="needs aiohttp: pip install 'airflow-dataops[kubernetes]'")
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY")
    for name in (*keys, "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE", "KUBECONFIG"):
        monkeypatch.setenv(name, f"{tmp_path}/none")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    store = "s3: {endpoint_url: 'http://127.0.0.1:1', secret: lake-keys}"
    project = PROJECT.replace("${env:LAKE_OF_THE_TEST}", "data-lake")
    (tmp_path / "dataops.yaml").write_text(project.replace("namespace: n}", f"namespace: n, {store}}}"))
    assert main(["preflight", file, "--json"]) == 1
    found = {one["check"]: one for one in json.loads(capsys.readouterr().out)}
    assert "there is no kubeconfig" in found["api"]["message"]
    assert "KUBECONFIG" in found["api"]["fix"]
    assert (found["s3.data-lake"]["level"], "Secret lake-keys" in found["s3.data-lake"]["message"]) == ("unknown", True)
