# SPDX-License-Identifier: Apache-2.0
"""Keys that nobody writes down: those that AWS's own chain finds, by variables, or for a role by the token of a service account (IRSA)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from airflow_dataops.clients.s3 import S3Client
from airflow_dataops.core.errors import DataOpsError
from airflow_dataops.core.s3 import S3Settings
from tests.services.lossy import LossyProxy
from tests.services.s3_servers import ACCESS, SECRET, S3Server, missing, s3_server

ROWS = pa.table({"id": [1, 2, 3]})
ROLE = {"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/lake", "AWS_ROLE_SESSION_NAME": "driver"}


@pytest.fixture(autouse=True)
def _nothing_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith(("S3_", "AWS_"))]:
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """S3, and the service that lends keys for a role."""
    if why := missing("moto"):
        pytest.skip(why)
    with s3_server("moto", tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture
def proxy(moto: S3Server) -> Iterator[LossyProxy]:
    made = LossyProxy(moto.url)
    yield made
    made.close()


def used(client: S3Client, lake: str) -> None:
    """Do with boto3 and s3fs what jobs do."""
    client.check_connectivity(lake)
    client.write_parquet(ROWS, f"{lake}/x.parquet")
    assert [one.uri for one in client.list_objects(lake)] == [f"{lake}/x.parquet"]
    with client.fsspec().open(f"{lake}/x.parquet") as file:
        assert file.read(4) == b"PAR1"


def test_keys_of_the_chain_are_enough(seaweedfs: S3Server, lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"S3_ENDPOINT_URL": seaweedfs.url}
    with pytest.raises(DataOpsError) as caught:
        S3Client.from_env(environ).check_connectivity(lake)
    assert (caught.value.code, "the role" in (caught.value.hint or "")) == ("S3_AUTH", True)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    client = S3Client.from_env(environ)
    used(client, lake)
    assert client.read_parquet(f"{lake}/x.parquet") == ROWS  # pyarrow has a chain of its own


def test_a_service_account_s_token_is_enough_and_each_request_has_the_lent_one(
    moto: S3Server, proxy: LossyProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("a-token-of-the-cluster")
    given = {**ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"), "AWS_ENDPOINT_URL_STS": moto.url}
    for name, value in (given | {"AWS_DEFAULT_REGION": "us-east-1"}).items():
        monkeypatch.setenv(name, value)
    client = S3Client.from_env({"S3_ENDPOINT_URL": proxy.url})
    assert client.settings == S3Settings(endpoint_url=proxy.url)
    used(client, f"s3://{moto.bucket()}/lake")
    assert len(proxy.headers) > 3
    assert all(one["X-Amz-Security-Token"] for one in proxy.headers)


def test_a_token_that_is_given_with_its_keys_goes_along(moto: S3Server, proxy: LossyProxy) -> None:
    lent = {"S3_ACCESS_KEY_ID": "ASIALENT", "S3_SECRET_ACCESS_KEY": "lent-secret-000", "S3_SESSION_TOKEN": "lent-token"}
    client = S3Client.from_env({"S3_ENDPOINT_URL": proxy.url, **lent})
    lake = f"s3://{moto.bucket()}/lake"
    used(client, lake)
    assert client.read_parquet(f"{lake}/x.parquet") == ROWS
    assert {one["X-Amz-Security-Token"] for one in proxy.headers} == {"lent-token"}
