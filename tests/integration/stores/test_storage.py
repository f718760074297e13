# SPDX-License-Identifier: Apache-2.0
"""What everything that is published relies on, against a real server of each store."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from airflow_dataops.clients.lease import Lease
from airflow_dataops.clients.storage import storage_for
from airflow_dataops.core.errors import DataOpsError, RunConflict, StorageDenied


def test_an_object_is_read_as_it_was_written_last(lake: str) -> None:
    storage = storage_for(lake)
    assert (storage.read_bytes(f"{lake}/a"), storage.info(f"{lake}/a")) == (None, None)
    storage.write_bytes(f"{lake}/a", b"one")
    before = storage.info(f"{lake}/a")
    storage.write_bytes(f"{lake}/a", b"two!")
    after = storage.info(f"{lake}/a")
    assert before is not None
    assert after is not None
    assert (storage.read_bytes(f"{lake}/a"), after.size) == (b"two!", 4)
    assert before.version != after.version
    assert storage.find(lake) == [after]


def test_an_object_is_replaced_only_while_it_is_what_was_expected(lake: str) -> None:
    storage, path = storage_for(lake), f"{lake}/x"
    steps = [(None, b"1"), (None, b"2"), (b"1", b"3"), (b"1", b"4"), (b"3", b"3")]
    assert [storage.replace_if(path, expected, data) for expected, data in steps] == [True, False, True, False, True]
    assert storage.read_bytes(path) == b"3"


@pytest.mark.parametrize("before", [None, b"old"])
def test_one_of_many_writers_wins(lake: str, before: bytes | None) -> None:
    storage, path = storage_for(lake), f"{lake}/x"
    if before is not None:
        storage.write_bytes(path, before)
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: storage.replace_if(path, before, b"%d" % n), range(8)))
    assert won.count(True) == 1
    assert storage.read_bytes(path) == b"%d" % won.index(True)


def test_folders_are_listed_without_what_is_in_the_making(lake: str) -> None:
    storage = storage_for(lake)
    for name in ("t/b", "t/a", "t/k=1/c", "t/.tmp-1", "tt/d"):
        storage.write_bytes(f"{lake}/{name}", b"x")
    assert [info.path for info in storage.find(f"{lake}/t")] == [f"{lake}/t/{n}" for n in ("a", "b", "k=1/c")]
    assert [info.path for info in storage.leftovers(f"{lake}/t")] == [f"{lake}/t/.tmp-1"]
    assert storage.names(f"{lake}/t") == ["a", "b", "k=1/"]
    assert storage.names(f"{lake}/none") == []
    storage.delete_tree(f"{lake}/t")
    assert storage.names(f"{lake}/t") == []
    storage.delete(f"{lake}/t/a")
    assert [info.path for info in storage.find(lake)] == [f"{lake}/tt/d"]


def test_files_come_whole_and_copies_are_equal(lake: str, tmp_path: Path) -> None:
    storage, data = storage_for(lake), os.urandom(9 * 2**20)  # more than one request carries
    (tmp_path / "f").write_bytes(data)
    storage.take_all([(str(tmp_path / "f"), f"{lake}/f")])
    storage.copy_all([(f"{lake}/f", f"{lake}/g{n}") for n in range(3)])
    assert storage.read_bytes(f"{lake}/g2") == data
    with storage.open(f"{lake}/g0") as file:
        file.seek(-5, os.SEEK_END)
        assert file.read() == data[-5:]


@pytest.mark.parametrize("again", [b"b" * 9 * 2**20, b"short", None])
def test_a_reader_never_mixes_two_writings(lake: str, again: bytes | None) -> None:
    storage = storage_for(lake)
    storage.write_bytes(f"{lake}/f", b"a" * 9 * 2**20)
    with storage.open(f"{lake}/f") as file:
        assert file.read(10) == b"a" * 10
        if again is None:
            storage.delete(f"{lake}/f")
        else:
            storage.write_bytes(f"{lake}/f", again)
        with pytest.raises(DataOpsError, match="changed while it was read"):
            file.read()


def test_a_bucket_that_is_not_there_is_named(lake: str) -> None:
    nowhere = f"{lake.partition('://')[0]}://nowhere-to-be-found/x"
    with pytest.raises(StorageDenied, match=nowhere) as error:
        storage_for(lake).find(nowhere)
    assert error.value.code == "BUCKET_MISSING"


def test_a_lease_has_one_holder_and_its_token_grows(lake: str) -> None:
    storage, path = storage_for(lake), f"{lake}/lease.json"
    with Lease(storage, path, table="t", what="one") as first:
        with pytest.raises(RunConflict), Lease(storage, path, table="t", what="two", wait_seconds=0):
            pass
        token = first.token
    with Lease(storage, path, table="t", what="three") as second:
        assert second.token == token + 1
