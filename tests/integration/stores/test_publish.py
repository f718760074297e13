# SPDX-License-Identifier: Apache-2.0
"""Bronze to silver in a bucket, on the embedded engine: the same rows as on a disk, also where two publish at once; other readers agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from airflow_dataops.clients import delta
from airflow_dataops.clients.storage import storage_for
from airflow_dataops.core.errors import StorageDenied
from airflow_dataops.core.faults import FaultPoint, armed
from airflow_dataops.core.refine.maintain import MaintainedTable, MaintainSpec
from airflow_dataops.core.refine.publish import TableFile
from airflow_dataops.core.run import RunContext
from airflow_dataops.core.tables import FullSlice, RunSlice, TargetSpec
from airflow_dataops.jobs import maintain, publish
from tests.integration.stores.orders import Orders, at_once, both_formats, stranger
from tests.services.s3_servers import S3Server, missing, s3_server


@both_formats
def test_a_bucket_holds_what_a_disk_holds(lake: str, tmp_path: Path, table_format: str) -> None:
    bucket, disk = (Orders(where, table_format) for where in (lake, f"{tmp_path}/disk"))
    for orders in (bucket, disk):
        publish.run(orders.stage(1))
        publish.run(orders.stage(2))
    assert bucket.rows_by_us() == disk.rows() == disk.expected(2)
    assert bucket.read("quarantine") == disk.read("quarantine")
    assert storage_for(lake).find(f"{lake}/.dataops/staging") == []


def test_small_files_of_a_delta_table_are_put_together(lake: str) -> None:
    orders = Orders(lake, "delta")
    publish.run(orders.stage(1))
    before, target = orders.rows_by_us(), TargetSpec(path=orders.table, format="delta", partition_by=["region"])
    path, *_ = (file.path for file in delta.snapshot(orders.table).files)
    again = [f"{path.rpartition('/')[0]}/of-old-000001-{number:05d}.parquet" for number in range(2)]
    storage_for(lake).copy_all([(f"{orders.table}/{path}", f"{orders.table}/{name}") for name in again])
    state = delta.snapshot(orders.table)
    known = next(file for file in state.files if file.path == path)
    files = [TableFile(path=name, rows=known.rows or 0, bytes=known.size, partition=known.partition) for name in again]
    delta.commit(state, files, [], application="of-old", token=1)
    upkeep: dict[str, Any] = {
        "task": "maintain", "lake": lake, "run": RunContext(pipeline="upkeep", key="u"), "now": "2030-01-01T00:00:00Z",
        "tables": [MaintainedTable(target=target, slice=FullSlice())], "pipelines": ["p"],
    }  # fmt: skip
    done = maintain.run(MaintainSpec.model_validate(upkeep))
    assert (done.compacted >= 2, done.compacted_into) == (True, 1)
    assert delta.snapshot(orders.table).version == 2
    assert len(orders.rows_by_us()) == len(before) + 2 * (known.rows or 0)


@pytest.fixture
def in_s3(seaweedfs: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in seaweedfs.environ().items():
        monkeypatch.setenv(name, value)
    return f"s3://{seaweedfs.bucket()}/lake"


def test_spark_s_name_of_a_bucket_is_the_same_bucket_and_holds_no_key(in_s3: str, seaweedfs: S3Server) -> None:
    orders = Orders(in_s3.replace("s3://", "s3a://"), "delta")
    publish.run(orders.stage(1))
    assert Orders(in_s3, "delta").rows() == orders.expected(1)
    storage = storage_for(in_s3)
    everything = b"".join(storage.read_bytes(info.path) or b"" for info in storage.find(in_s3))
    keys = [value for name, value in seaweedfs.environ().items() if "KEY" in name]
    assert len(keys) == 2
    assert not any(key.encode() in everything for key in keys)


@both_formats
def test_processes_publish_at_once_two_runs_and_one_of_them_twice(
    in_s3: str, tmp_path: Path, table_format: str
) -> None:
    orders = Orders(in_s3, table_format, RunSlice())
    one, two = (orders.stage(number, f"run-{number}") for number in (1, 2))
    done = at_once(tmp_path, [one, two, one])
    assert sorted((result["run"]["key"], result["already_done"]) for result in done) == [
        ("run-1", False), ("run-1", True), ("run-2", False)
    ]  # fmt: skip
    assert orders.rows() == orders.expected(1, 2)
    if table_format == "delta":
        assert delta.snapshot(orders.table).version == 1


def test_a_writer_who_knows_no_lease_comes_in_between(in_s3: str) -> None:
    from deltalake import write_deltalake

    orders = Orders(in_s3, "delta", RunSlice())
    publish.run(orders.stage(1, "one"))
    spec, met = orders.stage(2, "two"), []

    def append(point: FaultPoint) -> None:
        if point == FaultPoint.PUBLISH_LEASE_CHECKED and not met:
            met.append(point)
            row = {"id": [0], "amount": [0.0], "at": [0], "region": ["a"]}
            write_deltalake(orders.table, pa.table(row), mode="append", storage_options=stranger())

    with armed(append):
        assert publish.run(spec).version == 2
    assert orders.rows() == sorted([(0, 0.0, 0, "a"), *orders.expected(1, 2)])


def test_signature_v2_is_enough_for_a_delta_table(in_s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_S3_SIGNATURE_VERSION", "v2")
    orders = Orders(in_s3, "delta")
    publish.run(orders.stage(1))
    monkeypatch.delenv("AWS_S3_SIGNATURE_VERSION")
    assert orders.rows() == orders.expected(1)


def test_an_endpoint_that_ignores_conditions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reason = missing("rclone")
    if reason:
        pytest.skip(reason)
    with s3_server("rclone", tmp_path) as server:
        for name, value in server.environ().items():
            monkeypatch.setenv(name, value)
        orders = Orders(f"s3://{server.bucket()}/lake", "delta")
        with pytest.raises(StorageDenied) as caught:
            orders.stage(1)
        assert caught.value.code == "S3_NO_CONDITIONS"
        assert not storage_for(orders.lake).find(orders.table)
        monkeypatch.setenv("S3_CONDITIONAL_WRITES", "off")
        publish.run(orders.stage(2))
        assert orders.rows_by_us() == orders.expected(2)
