# SPDX-License-Identifier: Apache-2.0
"""What only S3 has: a second name of each place, and endpoints without conditional writes. What every store promises: tests/integration/stores."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_dataops.clients.object_reader import OpenedObject
from airflow_dataops.clients.objects_fs import S3Objects
from airflow_dataops.clients.s3 import S3Client
from airflow_dataops.clients.storage import storage_for
from airflow_dataops.clients.storage_s3 import S3Storage
from airflow_dataops.core.errors import StorageDenied
from tests.services.s3_servers import S3Server, missing, s3_server


@pytest.fixture(autouse=True)
def _environment(seaweedfs: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in seaweedfs.environ().items():
        monkeypatch.setenv(name, value)


def test_spark_s_name_of_a_place_is_the_same_place(lake: str) -> None:
    spark = lake.replace("s3://", "s3a://")
    storage_for(spark).write_bytes(f"{spark}/x", b"1")
    assert storage_for(lake).read_bytes(f"{lake}/x") == b"1"
    assert [info.path for info in storage_for(spark).find(spark)] == [f"{spark}/x"]
    assert storage_for(spark).real(f"{spark}/x") == f"{lake}/x"


def test_an_endpoint_that_ignores_conditions_is_found_out_before_two_runs_meet(tmp_path: Path) -> None:
    reason = missing("rclone")
    if reason:
        pytest.skip(reason)
    with s3_server("rclone", tmp_path) as server:
        path = f"s3://{server.bucket()}/lake/x"
        relying = S3Storage(S3Client.from_env(server.environ()))
        with pytest.raises(StorageDenied) as caught:
            relying.replace_if(path, None, b"1")
        assert (caught.value.code, "S3_CONDITIONAL_WRITES=off" in (caught.value.hint or "")) == (
            "S3_NO_CONDITIONS",
            True,
        )
        assert relying.read_bytes(path) is None
        relying.write_bytes(path, b"0")
        with pytest.raises(StorageDenied):
            relying.replace_if(path, b"0", b"1")
        assert relying.read_bytes(path) == b"0"
        alone = S3Storage(S3Client.from_env(server.environ() | {"S3_CONDITIONAL_WRITES": "off"}), settled=0.5)
        steps = [(None, b"2"), (b"0", b"2"), (b"1", b"3"), (b"2", b"4")]
        assert [alone.replace_if(path, expected, data) for expected, data in steps] == [False, True, False, True]
        # Of several that write in the same moment, one wins: the one whose bytes stayed.
        with ThreadPoolExecutor(4) as pool:
            won = list(pool.map(lambda n: alone.replace_if(path, b"4", b"w%d" % n), range(4)))
        assert won.count(True) == 1
        assert alone.read_bytes(path) == b"w%d" % won.index(True)


class Counted(S3Objects):
    """Counts what DuckDB asks for that takes a look at the store."""

    looks = 0

    def glob(self, path: str, **more: Any) -> Any:
        self.looks += 1
        return super().glob(path, **more)

    def _open(self, path: str, mode: str = "rb", **more: Any) -> OpenedObject:
        self.looks += 1
        return super()._open(path, mode, **more)


def test_a_file_that_duckdb_opens_is_looked_at_once(lake: str) -> None:
    content = io.BytesIO()
    pq.write_table(pa.table({"n": [1, 2]}), content)
    files = [f"{lake}/{name}.parquet" for name in "ab"]
    for path in files:
        storage_for(lake).write_bytes(path, content.getvalue())
    store, system = storage_for(lake), Counted()
    assert isinstance(store, S3Storage)
    heads: list[str] = []
    events = store._client.boto3.meta.events
    events.register("before-call.s3.HeadObject", lambda params, **_more: heads.append(params["url_path"]), "count")
    try:
        with duckdb.connect() as connection:
            connection.register_filesystem(system)
            sql = f"SELECT sum(n) FROM read_parquet({files}, union_by_name = true)"
            assert connection.execute(sql).fetchall() == [(6,)]
    finally:
        events.unregister("before-call.s3.HeadObject", unique_id="count")
    assert len(heads) == system.looks


def test_size_and_time_are_those_of_what_was_opened(lake: str) -> None:
    path, system = f"{lake}/x", S3Objects()
    storage_for(lake).write_bytes(path, b"12345")
    with system.open(path) as opened:
        assert opened.read(1) == b"1"
        before = system.modified(path)
        storage_for(lake).write_bytes(path, b"1")
        assert (system.size(path), system.modified(path)) == (5, before)
    assert S3Objects().size(path) == 1
