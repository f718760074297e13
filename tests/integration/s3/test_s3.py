# SPDX-License-Identifier: Apache-2.0
"""The client against a real server: what it reads is what was written, and every refusal says why."""

from __future__ import annotations

import traceback
from pathlib import Path

import pyarrow as pa
import pytest

from airflow_dataops.clients.s3 import S3Client
from airflow_dataops.core.errors import DataOpsError, InputError, SpecError, StorageError
from airflow_dataops.core.s3 import S3Keys, S3Settings
from tests.services.ports import free_port
from tests.services.s3_servers import ACCESS, READER, SECRET, S3Server, s3_server

ROWS = pa.table({"id": [1, 2, 3], "name": ["a", None, "ü"]})


@pytest.mark.parametrize("signature", ["v4", "v2"])
def test_a_table_comes_back_as_it_was_written(seaweedfs: S3Server, lake: str, signature: str) -> None:
    pytest.importorskip("s3fs")
    client = S3Client.from_env(seaweedfs.environ() | {"AWS_S3_SIGNATURE_VERSION": signature})
    size = client.write_parquet(ROWS, f"{lake}/t/one.parquet")
    assert client.read_parquet(f"{lake}/t/one.parquet") == ROWS
    assert client.read_parquet(f"{lake}/t", columns=["id"]) == ROWS.select(["id"])
    assert [(found.uri, found.size) for found in client.list_objects(lake)] == [(f"{lake}/t/one.parquet", size)]


def test_folders_of_a_partition_become_a_column_and_hidden_files_are_left_out(client: S3Client, lake: str) -> None:
    for day in (1, 2):
        client.write_parquet(ROWS, f"{lake}/t/day={day}/part.parquet")
    client.write_parquet(ROWS, f"{lake}/t/_tmp/part.parquet")
    client.write_parquet(ROWS, f"{lake}/tt/part.parquet")
    found = client.read_parquet(f"{lake}/t".replace("s3://", "s3a://"))
    assert sorted(found["day"].to_pylist()) == [1, 1, 1, 2, 2, 2]


def test_a_large_file_goes_in_parts_and_takes_the_place_of_the_old_one(client: S3Client, lake: str) -> None:
    client.write_parquet(ROWS, f"{lake}/x.parquet")
    large = pa.table({"n": pa.array(range(3_000_000))})
    assert client.write_parquet(large, f"{lake}/x.parquet", compression="none") > 16 * 2**20
    assert client.read_parquet(f"{lake}/x.parquet").num_rows == 3_000_000
    assert "-" in client.list_objects(lake)[0].etag


def test_a_listing_goes_over_pages_and_ends_where_it_should(client: S3Client, lake: str, seaweedfs: S3Server) -> None:
    bucket = lake.split("/")[2]
    for number in range(12):
        client.boto3.put_object(Bucket=bucket, Key=f"lake/n/{number:02}", Body=b"x")
    assert len(client.list_objects(f"{lake}/n/")) == 12
    assert [found.uri[-2:] for found in client.list_objects(f"{lake}/n/", limit=3)] == ["00", "01", "02"]
    assert client.list_objects(f"{lake}/none/") == []


def test_an_endpoint_that_answers_is_told_with_its_clock(client: S3Client, lake: str, seaweedfs: S3Server) -> None:
    found = client.check_connectivity(lake)
    assert found.endpoint == seaweedfs.url
    assert found.clock_skew is not None
    assert abs(found.clock_skew) < 60


def refusal(client: S3Client, uri: str) -> DataOpsError:
    with pytest.raises(DataOpsError) as caught:
        client.check_connectivity(uri)
    assert caught.value.hint
    text = "".join(traceback.format_exception(caught.value)) + repr(caught.value.to_dict())
    assert SECRET not in text
    assert ACCESS not in text
    return caught.value


def test_each_refusal_has_a_code_of_its_own(seaweedfs: S3Server, lake: str, tmp_path: Path) -> None:
    right = S3Settings(endpoint_url=seaweedfs.url, access_key="env:A", secret_key="env:B")
    assert refusal(S3Client(right, S3Keys(ACCESS, "wrong-secret")), lake).code == "S3_AUTH"
    assert refusal(S3Client(right, S3Keys("nobody-at-all", SECRET)), lake).code == "S3_AUTH"
    assert refusal(S3Client(right, S3Keys(ACCESS, SECRET)), "s3://no-such-bucket/x").code == "BUCKET_MISSING"


def test_an_endpoint_that_is_not_there_is_worth_a_retry() -> None:
    settings = S3Settings(endpoint_url=f"http://127.0.0.1:{free_port()}", access_key="env:A", secret_key="env:B")
    error = refusal(S3Client(settings, S3Keys(ACCESS, SECRET)), "s3://b/x")
    assert (error.code, error.retryable, isinstance(error, StorageError)) == ("STORAGE", True, True)


def test_a_key_that_may_only_read_is_told_what_it_lacks(seaweedfs: S3Server, client: S3Client, lake: str) -> None:
    client.write_parquet(ROWS, f"{lake}/x.parquet")
    reader = S3Client.from_env(seaweedfs.environ(*READER))
    assert reader.read_parquet(f"{lake}/x.parquet") == ROWS
    with pytest.raises(DataOpsError, match="AccessDenied") as caught:
        reader.write_parquet(ROWS, f"{lake}/x.parquet")
    assert (caught.value.code, "s3:PutObject" in (caught.value.hint or "")) == ("STORAGE_DENIED", True)


def test_what_is_not_there_or_no_parquet_is_told(client: S3Client, lake: str) -> None:
    with pytest.raises(InputError) as caught:
        client.read_parquet(f"{lake}/none")
    assert caught.value.code == "SOURCE_MISSING"
    client.boto3.put_object(Bucket=lake.split("/")[2], Key="lake/x.parquet", Body=b"no parquet")
    with pytest.raises(InputError) as caught:
        client.read_parquet(f"{lake}/x.parquet")
    assert caught.value.code == "SOURCE_UNREADABLE"


@pytest.mark.parametrize("uri", ["bucket/x", "gs://b/x", "s3://", "s3:///x", "s3://b/folder/", "s3://b"])
def test_what_is_no_object_is_refused_before_anything_is_sent(client: S3Client, uri: str) -> None:
    with pytest.raises(SpecError, match="no address in S3"):
        client.write_parquet(ROWS, uri)


def test_an_authority_of_ones_own_is_needed_and_is_enough(tmp_path: Path) -> None:
    with s3_server("seaweedfs", tmp_path, encrypted=True) as server:
        lake, trusting = f"s3://{server.bucket()}/lake", server.environ()
        client = S3Client.from_env(trusting)
        client.write_parquet(ROWS, f"{lake}/x.parquet")
        assert client.read_parquet(f"{lake}/x.parquet") == ROWS
        with client.fsspec().open(f"{lake}/x.parquet") as file:
            assert file.read(4) == b"PAR1"
        del trusting["S3_CA_BUNDLE"]
        error = refusal(S3Client.from_env(trusting), lake)
        assert (error.code, "S3_CA_BUNDLE" in (error.hint or "")) == ("S3_TLS", True)
