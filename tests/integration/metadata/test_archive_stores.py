# SPDX-License-Identifier: Apache-2.0
"""The archive in real object stores: two writers of one object lose nothing, and a damaged one stays as it is."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from airflow_dataops.clients.metadata.archive import ParquetArchive
from airflow_dataops.clients.s3 import S3Client
from airflow_dataops.clients.storage import Storage
from airflow_dataops.clients.storage_gcs import gcs_storage
from airflow_dataops.clients.storage_s3 import S3Storage
from airflow_dataops.core.errors import InputError
from airflow_dataops.core.metadata.archive import Row, object_of
from tests.services.gcs_server import GcsServer
from tests.services.s3_servers import S3Server
from tests.unit.core.metadata.events import stored

pytestmark = pytest.mark.integration
T, AT = "gpu-metadata", 1_780_000_000_000


@pytest.fixture(params=["s3", "gcs"])
def place(request: pytest.FixtureRequest) -> tuple[str, Storage]:
    """A folder of an archive, and its store."""
    if request.param == "s3":
        seaweedfs: S3Server = request.getfixturevalue("seaweedfs")
        return f"s3://{seaweedfs.bucket('archive')}/metadata", S3Storage(S3Client.from_env(seaweedfs.environ()))
    pytest.importorskip("google.cloud.storage", reason="needs google-cloud-storage: pip install 'airflow-dataops[gcp]'")
    gcs: GcsServer = request.getfixturevalue("gcs")
    return f"gs://{gcs.bucket()}/metadata", gcs_storage()


def row(offset: int) -> Row:
    one = stored(f"k{offset}")
    return Row(offset, AT, one.key.encode(), one.body, (), "stored", one.order, one.key, one.body)


def test_writers_at_once_lose_nothing_and_a_replay_writes_nothing(place: tuple[str, Storage]) -> None:
    def write(mine: Sequence[int]) -> None:
        archive = ParquetArchive(*place)
        for begin in range(0, len(mine), 5):
            archive.write(T, 0, [row(offset) for offset in mine[begin : begin + 5]])

    threads = [threading.Thread(target=write, args=(range(number, 40, 4),)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    fresh = ParquetArchive(*place)
    assert list(fresh.rows(T, 0, 0, 100)) == [row(offset) for offset in range(40)]
    assert fresh.write(T, 0, [row(offset) for offset in range(40)]) == 0


def test_a_damaged_object_stays_as_it_is(place: tuple[str, Storage]) -> None:
    folder, storage = place
    ParquetArchive(folder, storage).write(T, 0, [row(offset) for offset in range(100)])
    path = f"{folder}/{object_of(T, 0, 0, AT).key}"
    whole = storage.read_bytes(path)
    assert whole is not None
    bad = whole[: len(whole) // 2]
    storage.write_bytes(path, bad)
    with pytest.raises(InputError) as error:
        ParquetArchive(folder, storage).write(T, 0, [row(200)])
    assert error.value.code == "ARCHIVE_DAMAGED"
    assert storage.read_bytes(path) == bad
