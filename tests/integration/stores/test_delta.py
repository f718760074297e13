# SPDX-License-Identifier: Apache-2.0
"""Delta tables in buckets: what delta-rs has written on a copy of the log is the table's when the store has taken it, and not before."""

from __future__ import annotations

import gc
import io
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_dataops.clients import delta
from airflow_dataops.clients.delta import CommitConflict
from airflow_dataops.clients.storage import storage_for
from airflow_dataops.core.errors import InputError
from airflow_dataops.core.refine.publish import TableFile

SCHEMA = pa.schema([("id", pa.int64())])


def put(table: str, name: str, ids: list[int]) -> TableFile:
    """Write a file of the table, unseen."""
    out = io.BytesIO()
    pq.write_table(pa.table({"id": ids}, schema=SCHEMA), out)
    storage_for(table).write_bytes(f"{table}/{name}", out.getvalue())
    return TableFile(path=name, rows=len(ids), bytes=out.tell())


def made(lake: str) -> str:
    """A table of one file."""
    table = f"{lake}/t"
    delta.create(table, SCHEMA, [put(table, "a.parquet", [1])], partition_by=[], application="one", token=1)
    return table


def log_of(table: str) -> list[str]:
    return storage_for(table).names(f"{table}/_delta_log")


def test_a_table_is_made_changed_and_read_again(lake: str) -> None:
    table = f"{lake}/t"
    assert not delta.exists(table)
    made(lake)
    assert delta.exists(table)
    state = delta.snapshot(table)
    assert [(file.path, file.rows) for file in state.files] == [("a.parquet", 1)]
    assert delta.commit(state, [put(table, "b.parquet", [2, 3])], ["a.parquet"], application="one", token=2) == 1
    delta.add_columns(delta.snapshot(table), [pa.field("name", pa.string())])
    found = delta.snapshot(table)
    assert ([file.path for file in found.files], found.version) == (["b.parquet"], 2)
    assert (delta.committed_token(found, "one"), delta.committed_token(found, "two")) == (2, None)
    assert delta.columns(table) == {"id": "bigint", "name": "string"}
    assert log_of(table) == [f"{n:020d}.json" for n in range(3)]


def test_the_log_says_where_the_table_is_and_nothing_of_this_machine(lake: str) -> None:
    entry = storage_for(lake).read_bytes(f"{made(lake)}/_delta_log/{0:020d}.json") or b""
    first = json.loads(entry.splitlines()[0])["commitInfo"]
    assert first["operationParameters"]["location"].rstrip("/") == f"{lake}/t"
    assert b"file:" not in entry


def test_of_many_writers_at_once_one_makes_a_version(lake: str) -> None:
    table = made(lake)
    files = [put(table, f"w{n}.parquet", [n]) for n in range(6)]
    states = [delta.snapshot(table) for _ in files]

    def commit(number: int) -> int | None:
        try:
            return delta.commit(states[number], [files[number]], [], application=f"w{number}", token=1)
        except CommitConflict:
            return None

    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(commit, range(6)))
    assert sorted(done, key=str) == [1, *[None] * 5]
    winner = next(n for n, version in enumerate(done) if version)
    assert [file.path for file in delta.snapshot(table).files] == ["a.parquet", f"w{winner}.parquet"]
    with pytest.raises(CommitConflict):
        delta.add_columns(states[winner - 1], [pa.field("n", pa.int64())])


def test_of_two_that_create_a_table_one_does(lake: str) -> None:
    table = made(lake)
    with pytest.raises(CommitConflict):
        delta.create(table, SCHEMA, [put(table, "b.parquet", [2])], partition_by=[], application="two", token=1)
    assert [file.path for file in delta.snapshot(table).files] == ["a.parquet"]


def test_a_long_log_has_checkpoints_and_loses_what_is_too_old(lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = made(lake)
    state = delta.snapshot(table)
    state.table.alter.set_table_properties(
        {"delta.checkpointInterval": "5", "delta.logRetentionDuration": "interval 0 days"}
    )
    assert state.place.land(1)
    for number in range(2, 13):
        assert (
            delta.commit(
                delta.snapshot(table), [put(table, f"{number}.parquet", [number])], [], application="n", token=number
            )
            == number
        )
    storage, log = storage_for(table), f"{table}/_delta_log"
    pointed = json.loads(storage.read_bytes(f"{log}/_last_checkpoint") or b"")["version"]
    assert pointed == 9
    names = log_of(table)
    assert f"{9:020d}.checkpoint.parquet" in names
    assert f"{0:020d}.json" not in names
    fresh = delta.snapshot(table)
    assert (fresh.version, len(fresh.files)) == (12, 12)
    assert delta.committed_token(fresh, "n") == 12
    # Only what is newer than the checkpoint has been read.
    read = [name for name in Path(fresh.place.folder, "_delta_log").iterdir() if name.stat().st_size]
    assert {name.name[:20] for name in read if name.name[0] != "_"} == {f"{n:020d}" for n in range(9, 13)}
    storage.delete(f"{log}/_last_checkpoint")
    assert len(delta.snapshot(table).files) == 12


def test_what_no_version_needs_is_deleted_when_it_is_old(lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = made(lake)
    for name in ("lost.parquet", "day=a b%20c/lost ü.parquet", "_kept/lost.parquet"):
        put(table, name, [9])
    delta.commit(delta.snapshot(table), [put(table, "b.parquet", [2])], ["a.parquet"], application="one", token=2)
    storage = storage_for(table)
    assert delta.vacuum(table, days=7, dry_run=False) == []
    monkeypatch.setattr("deltalake.DeltaTable.vacuum", _at_once)
    gone = ["a.parquet", "day=a b%20c/lost ü.parquet", "lost.parquet"]
    assert sorted(delta.vacuum(table, days=7, dry_run=True)) == gone
    assert len(storage.find(table)) == 5 + 2
    assert sorted(delta.vacuum(table, days=7, dry_run=False)) == gone
    names = [info.path.removeprefix(f"{table}/") for info in storage.find(table)]
    assert [name for name in names if not name.startswith("_delta_log")] == ["_kept/lost.parquet", "b.parquet"]
    assert log_of(table) == [f"{n:020d}.json" for n in range(2)]
    assert [file.path for file in delta.snapshot(table).files] == ["b.parquet"]


def _at_once(table: Any, *, retention_hours: int, dry_run: bool, full: bool) -> Any:
    assert retention_hours == 7 * 24
    return table._table.vacuum(dry_run, 0, False, None, None, full, None)


def test_a_log_that_cannot_be_read(lake: str) -> None:
    storage_for(lake).write_bytes(f"{lake}/t/_delta_log/{0:020d}.json", b"{nonsense")
    for load in (delta.columns, delta.snapshot):
        with pytest.raises(InputError) as caught:
            load(f"{lake}/t")
        assert caught.value.code == "SOURCE_UNREADABLE"


def test_the_copy_of_a_log_goes_with_its_snapshot(lake: str) -> None:
    state = delta.snapshot(made(lake))
    folder = Path(state.place.folder)
    assert folder.stat().st_mode & 0o077 == 0
    state = replace(state, version=0)
    assert folder.exists()
    del state
    gc.collect()
    assert not folder.exists()
