# SPDX-License-Identifier: Apache-2.0
"""A result that a program left in S3."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from airflow_dataops.clients import s3
from tests.unit.operators.spark_k8s.memory import SECRET, World, arguments, connect, shell

pytestmark = [pytest.mark.airflow]


class Store:
    """Answers of one object."""

    def __init__(self, data: bytes | None) -> None:
        self.data = data
        self.asked: list[tuple[str, str]] = []

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        from botocore.exceptions import ClientError

        self.asked.append((Bucket, Key))
        if self.data is None:
            raise ClientError(
                {"Error": {"Code": "NoSuchKey"}, "ResponseMetadata": {"HTTPStatusCode": 404}}, "GetObject"
            )
        return {"Body": io.BytesIO(self.data)}


@pytest.mark.parametrize(
    ("data", "result"),
    [(b'{"rows": 9}', {"rows": 9}), (None, None), (b"\xff\xfe", None), (b"1" * (256 * 1024 + 1), None)],
    ids=["there", "missing", "no text", "too large"],
)
def test_it_is_read_and_where_it_cannot_be_the_run_is_a_success_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch, data: bytes | None, result: Any
) -> None:
    pytest.importorskip("boto3")
    store = Store(data)
    monkeypatch.setattr(s3, "boto3_client", lambda settings, keys: store)
    connect(monkeypatch, "lake", conn_type="aws", login="id", password="pw", extra={"region_name": "eu"})
    app = {**arguments()["app"], "result": "s3a://results/run/1.json"}
    found = shell(app=app, aws_conn_id="lake").run()
    assert found["result"] == result
    assert store.asked == [("results", "run/1.json")]


def test_no_secret_of_the_run_comes_back_in_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("boto3")
    store = Store(json.dumps({"rows": 9, "url": f"jdbc:x?password={SECRET}"}).encode())
    monkeypatch.setattr(s3, "boto3_client", lambda settings, keys: store)
    connect(monkeypatch, "lake", conn_type="aws", login="id", password="pw", extra={"region_name": "eu"})
    task = shell(app={**arguments()["app"], "result": "s3a://results/run/1.json"}, aws_conn_id="lake")
    assert task.run()["result"] == {"rows": 9, "url": "jdbc:x?password=***"}
    assert SECRET not in json.dumps([*task.ti.store.values()])
