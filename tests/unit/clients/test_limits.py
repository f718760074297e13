# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dataops.clients.limits import free_bytes, local_size, memory_free, memory_limit, oom_kills


@pytest.mark.parametrize("name", ["memory.max", "memory/memory.limit_in_bytes"])
def test_the_cgroups_limit_is_read_in_both_versions(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("134217728\n")
    assert memory_limit(tmp_path) == 2**27


@pytest.mark.parametrize("text", ["max", str(2**63 - 4096), "rubbish"])
def test_without_a_limit_it_is_the_machines_memory(tmp_path: Path, text: str) -> None:
    machine = memory_limit(tmp_path / "none")
    (tmp_path / "memory.max").write_text(text)
    assert memory_limit(tmp_path) == machine
    assert machine is not None


@pytest.mark.parametrize(
    ("limit", "current", "stat", "line"),
    [
        ("memory.max", "memory.current", "memory.stat", "inactive_file 1048576"),
        (
            "memory/memory.limit_in_bytes",
            "memory/memory.usage_in_bytes",
            "memory/memory.stat",
            "total_inactive_file 1048576",
        ),
    ],
)
def test_what_is_free_counts_the_page_cache_in(tmp_path: Path, limit: str, current: str, stat: str, line: str) -> None:
    (tmp_path / "memory").mkdir()
    (tmp_path / limit).write_text(str(2**27))
    assert memory_free(tmp_path) == 2**27
    (tmp_path / current).write_text(str(2**26))
    assert memory_free(tmp_path) == 2**26
    (tmp_path / stat).write_text(f"anon 5\n{line}\n")
    assert memory_free(tmp_path) == 2**26 + 2**20


def test_more_in_use_than_allowed_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("1000")
    (tmp_path / "memory.current").write_text("2000")
    assert memory_free(tmp_path) == 0


def test_a_machine_without_limits_has_free_what_it_says() -> None:
    found, whole = memory_free(Path("/none")), memory_limit(Path("/none"))
    assert found is not None
    assert whole is not None
    assert 0 < found <= whole


def test_kills_for_memory_are_counted(tmp_path: Path) -> None:
    (tmp_path / "memory.events").write_text("low 0\noom 3\noom_kill 2\n")
    assert oom_kills(tmp_path) == 2


def test_where_the_kernel_does_not_count_nothing_is_said(tmp_path: Path) -> None:
    assert oom_kills(tmp_path) is None


def test_the_size_of_files_folders_and_globs(tmp_path: Path) -> None:
    for name, length in (("a/1.parquet", 10), ("a/b/2.parquet", 20), ("a/_SUCCESS", 5), ("a/.hidden", 5)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * length)
    sizes = [local_size(f"{tmp_path}/{path}") for path in ("a", "a/1.parquet", "a/**/*.parquet", "none", "*/b")]
    assert sizes == [30, 10, 30, 0, 20]


def test_an_object_store_is_not_asked_for_its_size() -> None:
    assert local_size("s3://bucket/table") is None


def test_the_free_space_of_a_folder_that_does_not_exist_yet_is_that_of_its_disk(tmp_path: Path) -> None:
    found = free_bytes(str(tmp_path / "not" / "yet"))
    assert found is not None
    assert found > 0
