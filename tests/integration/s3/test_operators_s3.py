# SPDX-License-Identifier: Apache-2.0
"""Tasks of the local runner whose lake is in S3: by an Airflow connection, or by the worker's environment."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from airflow_dataops.clients.s3 import S3Client
from tests.services.s3_servers import S3Server

pytestmark = [pytest.mark.integration, pytest.mark.airflow]

WHEN = datetime(2024, 1, 2, tzinfo=UTC)
FULL = {"kind": "full"}
ROWS = pa.table({"id": [1, 2, 3], "name": ["a", "b", None]})


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the environment say nothing of S3."""
    for name in [name for name in os.environ if name.startswith(("S3_", "AWS_"))]:
        monkeypatch.delenv(name)


def connect(server: S3Server, monkeypatch: pytest.MonkeyPatch, **keys: str) -> None:
    said = {**server.environ(), **keys}
    extra = {"endpoint_url": said["S3_ENDPOINT_URL"], "region_name": said.get("S3_REGION", "us-east-1")}
    fields = {"login": said["S3_ACCESS_KEY_ID"], "password": said["S3_SECRET_ACCESS_KEY"]}
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps({"conn_type": "aws", "extra": extra, **fields}))


def dag_of(name: str, lake: str, **given: Any) -> Any:
    from airflow.providers.common.compat.sdk import DAG

    from airflow_dataops.operators.refine import RefineTableOperator

    with DAG(name, schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC)) as dag:
        RefineTableOperator(
            task_id="refine",
            lake=lake,
            source={"path": f"{lake}/bronze"},
            slice=FULL,
            target={"path": f"{lake}/silver"},
            clean={"drop_nulls": ["name"]},
            **given,
        )
    return dag


def silver(client: S3Client, lake: str) -> list[int]:
    return sorted(client.read_parquet(f"{lake}/silver")["id"].to_pylist())


def test_a_connection_says_where_the_lake_is(
    seaweedfs: S3Server, client: S3Client, lake: str, run_dag: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    client.write_parquet(ROWS, f"{lake}/bronze/part.parquet")
    connect(seaweedfs, monkeypatch)
    assert run_dag(dag_of("s3_by_connection", lake, aws_conn_id="lake"), WHEN).state == "success"
    assert silver(client, lake) == [1, 2]


@pytest.mark.soak
def test_the_environment_of_the_worker_says_it_too(
    seaweedfs: S3Server, client: S3Client, lake: str, run_dag: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    client.write_parquet(ROWS, f"{lake}/bronze/part.parquet")
    for name, value in seaweedfs.environ().items():
        monkeypatch.setenv(name, value)
    assert run_dag(dag_of("s3_by_environment", lake), WHEN).state == "success"
    assert silver(client, lake) == [1, 2]


def test_a_wrong_key_fails_and_is_shown_nowhere(
    seaweedfs: S3Server,
    lake: str,
    client: S3Client,
    run_dag: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    client.write_parquet(ROWS, f"{lake}/bronze/part.parquet")
    wrong = "Wr0ng/key+of=nobody"
    connect(seaweedfs, monkeypatch, S3_SECRET_ACCESS_KEY=wrong)
    run = run_dag(dag_of("s3_by_wrong_key", lake, aws_conn_id="lake"), WHEN)
    assert run.state == "failed"
    said = capsys.readouterr()
    text = caplog.text + said.out + said.err
    assert "S3_" in text or "STORAGE" in text
    assert wrong not in text
