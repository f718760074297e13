# SPDX-License-Identifier: Apache-2.0
"""What only S3 has: a second name of each place, and endpoints without conditional writes. What every store promises: tests/integration/stores."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

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
