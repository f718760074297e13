# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from airflow_dataops.clients import delta, delta_log
from airflow_dataops.core.errors import InputError
from airflow_dataops.core.refine.publish import TableFile

ROWS = pa.table({"id": [1, 2], "day": ["a b", None]})


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("00000000000000000000.json", True),
        ("00000000000000000010.checkpoint.parquet", True),
        ("_last_checkpoint", True),
        ("00000000000000000000.json.tmp", False),
        ("_commit_1.json", False),
        (".s3-optimization-0", False),
    ],
)
def test_a_table_is_a_folder_with_a_log(tmp_path: Path, name: str, there: bool) -> None:
    assert not delta.exists(str(tmp_path / "t"))
    (tmp_path / "t/_delta_log").mkdir(parents=True)
    assert not delta.exists(str(tmp_path / "t"))
    (tmp_path / "t/_delta_log" / name).write_text("")
    assert delta.exists(str(tmp_path / "t")) is there


def test_a_file_in_the_place_of_the_log_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "_delta_log").write_text("")
    assert not delta.exists(str(tmp_path))


def test_a_snapshot_has_files_with_rows_and_partition_values(tmp_path: Path) -> None:
    write_deltalake(str(tmp_path), ROWS, partition_by=["day"])
    files = delta.snapshot(str(tmp_path)).files
    assert [file.partition for file in files] == [{"day": None}, {"day": "a b"}]
    assert [file.rows for file in files] == [1, 1]
    assert all((tmp_path / file.path).stat().st_size == file.size for file in files)


def test_a_snapshot_of_a_table_that_nobody_partitioned(tmp_path: Path) -> None:
    write_deltalake(str(tmp_path), ROWS)
    (file,) = delta.snapshot(str(tmp_path)).files
    assert (file.rows, file.partition) == (2, {})


def test_the_schema_is_the_newest_one(tmp_path: Path) -> None:
    write_deltalake(str(tmp_path), ROWS)
    write_deltalake(str(tmp_path), pa.table({"id": [3], "day": ["x"], "n": [1.5]}), mode="append", schema_mode="merge")
    assert delta.columns(str(tmp_path)) == {"id": "bigint", "day": "string", "n": "double"}


def test_a_log_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "_delta_log").mkdir()
    (tmp_path / "_delta_log/00000000000000000000.json").write_text("{nonsense")
    for load in (delta.columns, delta.snapshot):
        with pytest.raises(InputError) as caught:
            load(str(tmp_path))
        assert caught.value.code == "SOURCE_UNREADABLE"


def test_a_long_log_has_checkpoints_so_that_a_reader_replays_no_more_than_a_hundred_commits(tmp_path: Path) -> None:
    def file(number: int) -> TableFile:
        return TableFile(path=f"{number}.parquet", rows=1, bytes=1)

    where = str(tmp_path)
    delta.create(where, ROWS.schema, [file(0)], partition_by=[], application="first", token=1)
    state = delta.snapshot(where)
    for number in range(1, 102):
        version = delta.commit(state, [file(number)], [], application=f"run {number}", token=number)
        state.table.update_incremental()
        state = replace(state, version=version)
    pointed = json.loads((tmp_path / "_delta_log/_last_checkpoint").read_text())["version"]
    assert 101 - pointed < 100
    assert (tmp_path / f"_delta_log/{pointed:020}.checkpoint.parquet").exists()
    fresh = delta.snapshot(where)
    assert (fresh.version, len(fresh.files)) == (101, 102)
    assert [delta.committed_token(fresh, f"run {number}") for number in (1, 101, 102)] == [1, 101, None]


@pytest.mark.parametrize("version", [None, 0])
def test_a_commit_is_synced_with_its_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int | None
) -> None:
    """A power cut cannot be made here: what is asked of the system is all that can be seen."""
    table, synced = str(tmp_path / "t"), []
    write_deltalake(table, pa.table({"a": [1]}))
    monkeypatch.setattr(delta_log, "sync_all", synced.extend)
    delta_log.make_durable(table, version)
    assert sorted(synced) == [table, f"{table}/_delta_log", f"{table}/_delta_log/{0:020d}.json"]


def test_a_log_entry_that_became_a_checkpoint_needs_no_sync(tmp_path: Path) -> None:
    table = str(tmp_path / "t")
    write_deltalake(table, pa.table({"a": [1]}))
    delta_log.make_durable(table, 7)
