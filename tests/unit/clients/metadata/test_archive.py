# SPDX-License-Identifier: Apache-2.0
"""The archive in a folder: what is written is the union, whoever writes, and a damaged object is never written over."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_dataops.clients.metadata import archive_file
from airflow_dataops.clients.metadata.archive import ParquetArchive
from airflow_dataops.clients.storage import LocalStorage
from airflow_dataops.core.errors import InputError, StorageError
from airflow_dataops.core.metadata.archive import ArchiveConflict, Row, content
from tests.unit.core.metadata.events import stored

AT = 1_780_000_000_000
T = "gpu-metadata"
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
headers = st.lists(st.tuples(texts, st.none() | st.binary(max_size=8)), max_size=3).map(tuple)
raw = st.builds(
    Row,
    offset=st.integers(0, 39),
    timestamp=st.integers(-1, 3 * 3_600_000) | st.sampled_from([2**62, -(2**62)]),
    key=st.none() | st.binary(max_size=8),
    value=st.none() | st.binary(max_size=30),
    headers=headers,
    status=st.just("dead"),
    reason=st.sampled_from(["EMPTY", "NOT_JSON"]),
)


def event_row(offset: int, minute: int = 0, at: int = AT) -> Row:
    one = stored(f"k{offset}", minute)
    return Row(offset, at, one.key.encode(), one.body, (), "stored", one.order, one.key, one.body)


def rows_of(archive: ParquetArchive, begin: int = 0, stop: int = 10**9, partition: int = 0) -> list[Row]:
    return list(archive.rows(T, partition, begin, stop))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(raw, max_size=30, unique_by=lambda row: row.offset), st.lists(st.integers(1, 7), max_size=12), st.randoms()
)
def test_any_cutting_and_repetition_ends_in_the_same_rows(rows: list[Row], cuts: list[int], draw) -> None:  # type: ignore[no-untyped-def]
    with tempfile.TemporaryDirectory() as folder:
        archive, left = ParquetArchive(folder, block=10), list(rows)
        for size in [*cuts, len(rows)]:
            batch, left = left[:size], left[size:]
            archive.write(T, 0, [*batch, *draw.sample(rows[: len(rows) - len(left)], k=min(2, len(rows) - len(left)))])
        wanted = content(sorted(rows, key=lambda row: row.offset))
        assert content(rows_of(archive)) == wanted
        fresh = ParquetArchive(folder, block=10)
        assert content(rows_of(fresh)) == wanted
        assert fresh.write(T, 0, rows) == 0


def test_a_range_is_read_across_blocks_and_hours(tmp_path: Path) -> None:
    archive = ParquetArchive(str(tmp_path), block=10)
    rows = [event_row(offset, at=AT + (offset % 3) * 3_600_000) for offset in range(35)]
    assert archive.write(T, 0, rows) == 12
    archive.write(T, 1, [event_row(0)])
    (tmp_path / f"topic={T}/note.txt").write_text("somebody's")
    assert rows_of(archive, 7, 31) == rows[7:31]
    assert rows_of(archive, 9, 10) == [rows[9]]
    assert rows_of(archive, 35) == []
    assert rows_of(archive, partition=1) == [event_row(0)]


def test_a_file_has_the_main_fields_as_typed_columns(tmp_path: Path) -> None:
    ParquetArchive(str(tmp_path)).write(T, 0, [event_row(0), Row(1, AT, None, None, status="dead", reason="EMPTY")])
    (path,) = tmp_path.rglob("*.parquet")
    table = pq.read_table(path, partitioning=None)
    assert table.schema.equals(archive_file.SCHEMA)
    first, second = table.to_pylist()
    assert (first["object_uri"], first["object_size"], first["model_name"]) == (
        "s3://raw/line-1/0001.png",
        12_345,
        "resnet50",
    )
    assert first["extracted_at"].isoformat() == "2026-01-31T12:00:00+00:00"
    assert (second["time"], second["object_uri"], second["timestamp"]) == (first["time"], None, AT)


def test_what_lies_beside_the_objects_is_no_parquet_file_to_a_glob(tmp_path: Path) -> None:
    ParquetArchive(str(tmp_path)).write(T, 0, [event_row(0)])
    assert [path.name for path in tmp_path.rglob("*.parquet")] == ["00000-00000000000000000000.parquet"]


def test_a_document_that_transforms_have_changed_has_nulls() -> None:
    odd = Row(
        0, AT, None, b"", (), "stored", "o", "k", b'{"object":{"uri":7,"size":"x"},"source":"s","extracted_at":"never"}'
    )
    assert archive_file.decode(archive_file.encode([odd]), "x") == [odd]


class Slow(LocalStorage):
    """A store in whose face another writer writes between a look and a write."""

    def __init__(self, between: list[object]) -> None:
        self.between = between

    def replace_if(self, path: str, expected: bytes | None, data: bytes) -> bool:
        if self.between:
            self.between.pop()()  # type: ignore[operator]
        return super().replace_if(path, expected, data)


def test_who_loses_reads_again_and_joins(tmp_path: Path) -> None:
    other = ParquetArchive(str(tmp_path))
    mine = ParquetArchive(
        str(tmp_path), Slow([lambda: other.write(T, 0, [event_row(1)]), lambda: other.write(T, 0, [event_row(2)])])
    )
    mine.write(T, 0, [event_row(0)])
    assert rows_of(other) == [event_row(0), event_row(1), event_row(2)]
    other.write(T, 0, [event_row(3)])
    mine.write(T, 0, [event_row(4)])  # what it remembers of its own writing is no more what is there
    assert [row.offset for row in rows_of(mine)] == [0, 1, 2, 3, 4]


def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    def write(mine: Sequence[int]) -> None:
        archive = ParquetArchive(str(tmp_path))
        for begin in range(0, len(mine), 5):
            archive.write(T, 0, [event_row(offset) for offset in mine[begin : begin + 5]])

    threads = [threading.Thread(target=write, args=(range(number, 40, 4),)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [row.offset for row in rows_of(ParquetArchive(str(tmp_path)))] == list(range(40))


def test_who_always_loses_says_so(tmp_path: Path) -> None:
    class Never(LocalStorage):
        def replace_if(self, path: str, expected: bytes | None, data: bytes) -> bool:
            return False

    with pytest.raises(StorageError) as busy:
        ParquetArchive(str(tmp_path), Never()).write(T, 0, [event_row(0)])
    assert busy.value.code == "ARCHIVE_BUSY"


@pytest.mark.parametrize("where", ["head", "middle", "tail", "empty", "other"])
def test_a_damaged_object_is_an_error_and_stays_as_it_is(tmp_path: Path, where: str) -> None:
    ParquetArchive(str(tmp_path)).write(T, 0, [event_row(offset) for offset in range(200)])
    (path,) = tmp_path.rglob("*.parquet")
    whole = path.read_bytes()
    place = {"head": 30, "middle": len(whole) // 3, "tail": len(whole) - 6}.get(where, 0)
    bad = whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
    if where == "empty":
        bad = b""
    if where == "other":
        pq.write_table(pq.read_table(path, partitioning=None).replace_schema_metadata(None), path)
        bad = path.read_bytes()
    path.write_bytes(bad)
    with pytest.raises(InputError) as error:
        ParquetArchive(str(tmp_path)).write(T, 0, [event_row(300)])
    assert error.value.code == "ARCHIVE_DAMAGED"
    assert path.read_bytes() == bad


def test_another_content_of_an_offset_is_a_conflict(tmp_path: Path) -> None:
    archive = ParquetArchive(str(tmp_path))
    archive.write(T, 0, [event_row(0, 1)])
    with pytest.raises(ArchiveConflict):
        archive.write(T, 0, [event_row(0, 2)])
    assert rows_of(archive) == [event_row(0, 1)]
