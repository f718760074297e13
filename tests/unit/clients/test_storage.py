# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest.mock import patch

import pytest

from airflow_dataops.clients.storage import TEMPORARY, LocalStorage, storage_for
from airflow_dataops.core.errors import SpecError, StorageError

STORE = LocalStorage()


def test_a_file_is_written_whole_in_place_of_an_older_one(tmp_path: Path) -> None:
    path = f"{tmp_path}/a/b/file"
    STORE.write_bytes(path, b"one")
    STORE.write_bytes(path, b"two")
    assert STORE.read_bytes(path) == b"two"
    assert [info.path for info in STORE.find(str(tmp_path))] == [path]


def test_what_is_not_there(tmp_path: Path) -> None:
    path = f"{tmp_path}/none"
    assert STORE.read_bytes(path) is None
    assert STORE.info(path) is None
    assert STORE.find(path) == []
    assert STORE.names(path) == []
    STORE.delete(path)
    STORE.delete_tree(path)


def test_a_write_that_fails_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    path = f"{tmp_path}/file"
    STORE.write_bytes(path, b"one")
    full = OSError(errno.ENOSPC, "No space left on device")
    with patch("os.replace", side_effect=full), pytest.raises(StorageError, match="No space left") as caught:
        STORE.write_bytes(path, b"two")
    assert "free some space" in (caught.value.hint or "")
    assert STORE.read_bytes(path) == b"one"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize(
    ("there", "expected", "written"), [(None, None, True), (b"a", b"a", True), (b"a", None, False), (None, b"a", False)]
)
def test_a_file_is_replaced_only_if_it_is_as_expected(
    tmp_path: Path, there: bytes | None, expected: bytes | None, written: bool
) -> None:
    path = f"{tmp_path}/file"
    if there is not None:
        STORE.write_bytes(path, there)
    assert STORE.replace_if(path, expected, b"new") is written
    assert STORE.read_bytes(path) == (b"new" if written else there)


def test_one_of_many_writers_wins(tmp_path: Path) -> None:
    path = f"{tmp_path}/file"

    def add(_: int) -> None:
        while True:
            before = STORE.read_bytes(path)
            if STORE.replace_if(path, before, str(int(before or b"0") + 1).encode()):
                return

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(40)))
    assert STORE.read_bytes(path) == b"40"


def test_a_copy_keeps_the_version_and_survives_its_source(tmp_path: Path) -> None:
    STORE.write_bytes(f"{tmp_path}/a", b"one")
    STORE.copy(f"{tmp_path}/a", f"{tmp_path}/deep/b")
    first, second = STORE.info(f"{tmp_path}/a"), STORE.info(f"{tmp_path}/deep/b")
    assert first is not None
    assert second is not None
    assert first.version == second.version
    STORE.delete(f"{tmp_path}/a")
    assert STORE.read_bytes(f"{tmp_path}/deep/b") == b"one"


def test_a_volume_without_links_gets_a_copy(tmp_path: Path) -> None:
    STORE.write_bytes(f"{tmp_path}/a", b"one")
    with patch("os.link", side_effect=OSError(errno.EXDEV, "other device")):
        STORE.copy(f"{tmp_path}/a", f"{tmp_path}/b")
    first, second = STORE.info(f"{tmp_path}/a"), STORE.info(f"{tmp_path}/b")
    assert first and second and first.version == second.version  # noqa: PT018


def test_a_rewritten_file_has_another_version(tmp_path: Path) -> None:
    path = f"{tmp_path}/a"
    STORE.write_bytes(path, b"one")
    first = STORE.info(path)
    os.utime(path, ns=(1, 1))
    second = STORE.info(path)
    assert first and second and first.version != second.version  # noqa: PT018


def test_a_copy_of_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No such file"):
        STORE.copy(f"{tmp_path}/none", f"{tmp_path}/b")


def test_files_in_the_making_are_no_files(tmp_path: Path) -> None:
    (tmp_path / f"{TEMPORARY}x").write_text("half")
    (tmp_path / "whole").write_text("whole")
    assert [info.path for info in STORE.find(str(tmp_path))] == [f"{tmp_path}/whole"]
    assert STORE.names(str(tmp_path)) == ["whole"]
    assert [info.path for info in STORE.leftovers(str(tmp_path))] == [f"{tmp_path}/{TEMPORARY}x"]


def test_empty_folders_go_up_to_the_root(tmp_path: Path) -> None:
    (tmp_path / "table/month=1/day=2").mkdir(parents=True)
    (tmp_path / "table/month=1/kept").write_text("x")
    STORE.prune(f"{tmp_path}/table/month=1/day=2", f"{tmp_path}/table")
    assert STORE.names(f"{tmp_path}/table/month=1") == ["kept"]
    (tmp_path / "table/month=1/kept").unlink()
    STORE.prune(f"{tmp_path}/table/month=1", f"{tmp_path}/table")
    assert STORE.names(str(tmp_path)) == ["table/"]


@pytest.mark.parametrize(
    ("path", "code"),
    [("abfs://b/x", "STORAGE_UNKNOWN"), ("hdfs://b", "STORAGE_UNKNOWN"), ("lake/x", "PATH_NOT_ABSOLUTE")],
)
def test_paths_that_are_not_supported(path: str, code: str) -> None:
    with pytest.raises(SpecError) as caught:
        storage_for(path)
    assert caught.value.code == code
