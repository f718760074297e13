# SPDX-License-Identifier: Apache-2.0
"""The driver's output in a real bucket: each line once, across parts, restarts and trouble."""

from __future__ import annotations

import pytest

pytest.importorskip("google.cloud.storage", reason="needs google-cloud-storage: pip install 'airflow-dataops[gcp]'")


from airflow_dataops.clients.dataproc_dask.driver_log import DriverLog
from airflow_dataops.clients.gcs import Gcs
from airflow_dataops.clients.google import CloudError, GoogleSettings
from airflow_dataops.core.dataproc_dask.driver_log import LARGEST_READ, part_uri
from airflow_dataops.core.machine import CallError
from tests.unit.clients.logs import lines_of


@pytest.fixture
def log_uri(bucket: str) -> str:
    return f"gs://{bucket}/google-cloud-dataproc-metainfo/u/jobs/j/driveroutput"


async def all_of(log: DriverLog, uri: str) -> list[str]:
    found: list[str] = []
    while lines := await lines_of(log, uri, ended=True):
        found += lines
    return found


async def test_lines_come_once_as_the_parts_grow(gcs: Gcs, log_uri: str) -> None:
    log = DriverLog(gcs)
    assert await lines_of(log, log_uri, ended=False) == []
    gcs.write(part_uri(log_uri, 0), b"one\ntwo\nthr")
    assert await lines_of(log, log_uri, ended=False) == ["one", "two"]
    assert await lines_of(log, log_uri, ended=False) == []
    gcs.write(part_uri(log_uri, 0), b"one\ntwo\nthree\n")
    gcs.write(part_uri(log_uri, 1), b"four\nfi")
    assert await lines_of(log, log_uri, ended=False) == ["three", "four"]
    assert await all_of(log, log_uri) == ["fi"]


async def test_a_large_output_comes_in_batches(gcs: Gcs, log_uri: str) -> None:
    line = b"x" * 99 + b"\n"
    count = 5 * LARGEST_READ // 100
    gcs.write(part_uri(log_uri, 0), line * count)
    log = DriverLog(gcs)
    first = await lines_of(log, log_uri, ended=True)
    assert 0 < len(first) < count
    assert len(first) + len(await all_of(log, log_uri)) == count


async def test_a_restarted_process_goes_on_behind_what_was_told(gcs: Gcs, log_uri: str, bucket: str) -> None:
    mark = f"gs://{bucket}/job/log-cursor.json"
    gcs.write(part_uri(log_uri, 0), b"one\n")
    before = DriverLog(gcs, store_uri=mark)
    assert await lines_of(before, log_uri, ended=False) == ["one"]
    gcs.write(part_uri(log_uri, 0), b"one\ntwo\n")
    assert await lines_of(before, log_uri, ended=False) == ["two"]
    # It dies here: "two" may not have been told, so it comes again; "one" does not.
    gcs.write(part_uri(log_uri, 0), b"one\ntwo\nthree\n")
    after = DriverLog(gcs, store_uri=mark)
    assert await lines_of(after, log_uri, ended=False) == ["two", "three"]
    await after.store()
    assert await all_of(DriverLog(gcs, store_uri=mark), log_uri) == []


async def test_a_mark_that_nobody_can_read_is_none(gcs: Gcs, log_uri: str, bucket: str) -> None:
    mark = f"gs://{bucket}/job/log-cursor.json"
    gcs.write(mark, b"{not json")
    gcs.write(part_uri(log_uri, 0), b"one\n")
    assert await lines_of(DriverLog(gcs, store_uri=mark), log_uri, ended=False) == ["one"]


class Troubled(Gcs):
    """A bucket that fails so often, at one kind of call."""

    def __init__(self, gcs: Gcs, **fails: str) -> None:
        self.__dict__.update(gcs.__dict__)
        self.fails, self.left = fails, 2

    def _trouble(self, name: str) -> None:
        if name in self.fails and self.left > 0:
            self.left -= 1
            raise CloudError(CallError(self.fails[name], "words"), name)

    def read(self, uri: str, *, start: int = 0, size: int | None = None) -> bytes:
        self._trouble("mark" if uri.endswith("json") else "read")
        return super().read(uri, start=start, size=size)

    def sizes(self, prefix_uri: str) -> dict[str, int]:
        self._trouble("sizes")
        return super().sizes(prefix_uri)

    def write(self, uri: str, data: bytes, *, if_absent: bool = False, content_type: str = "text/plain") -> bool:
        self._trouble("write")
        return super().write(uri, data, if_absent=if_absent, content_type=content_type)


@pytest.mark.parametrize("where", ["read", "sizes", "mark"])
async def test_trouble_is_one_line_and_nothing_is_lost(gcs: Gcs, log_uri: str, bucket: str, where: str) -> None:
    gcs.write(part_uri(log_uri, 0), b"one\ntwo\n")
    log = DriverLog(Troubled(gcs, **{where: "UNAVAILABLE"}), store_uri=f"gs://{bucket}/job/log-cursor.json")
    said = [await lines_of(log, log_uri, ended=False) for _ in range(4)]
    assert said[0] == [f"(the driver's output cannot be read for now: UNAVAILABLE: could not {where}: words)"]
    assert said[1:] == [[], ["one", "two"], []]


async def test_an_object_that_vanishes_between_two_looks_is_no_trouble(gcs: Gcs, log_uri: str) -> None:
    gcs.write(part_uri(log_uri, 0), b"one\n")
    log = DriverLog(Troubled(gcs, read="NOT_FOUND"))
    assert [await lines_of(log, log_uri, ended=False) for _ in range(3)] == [[], [], ["one"]]


async def test_a_mark_that_cannot_be_written_is_written_later(gcs: Gcs, log_uri: str, bucket: str) -> None:
    mark = f"gs://{bucket}/job/log-cursor.json"
    gcs.write(part_uri(log_uri, 0), b"one\n")
    log = DriverLog(Troubled(gcs, write="UNAVAILABLE"), store_uri=mark)
    assert await lines_of(log, log_uri, ended=False) == ["one"]
    for _ in range(3):
        await lines_of(log, log_uri, ended=False)
    assert await lines_of(DriverLog(gcs, store_uri=mark), log_uri, ended=False) == []


async def test_a_bucket_that_is_not_there_is_one_line() -> None:
    nowhere = Gcs(GoogleSettings("p", "europe-west1", storage_endpoint="http://127.0.0.1:1"))
    log = DriverLog(nowhere, store_uri="gs://b/mark.json")
    said = [await lines_of(log, "gs://b/driveroutput", ended=False) for _ in range(6)]
    assert len(said[0]) == 1
    assert said[1:] == [[]] * 5
