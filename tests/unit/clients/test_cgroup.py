# SPDX-License-Identifier: Apache-2.0
"""Constructed trees: as systemd, Kubernetes and Docker make them, with and without a cgroup namespace."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dataops.clients import cgroup
from airflow_dataops.clients.limits import memory_free, memory_limit, oom_kills
from airflow_dataops.engines.limits import cores

GIB = 2**30
POD = "/kubepods.slice/pod7.slice/cri-1.scope"


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / "sys" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root / "sys"


def member(root: Path, text: str) -> Path:
    path = root / "cgroup"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("limits", "least"),
    [
        ({POD: f"{GIB}"}, GIB),
        ({POD: "max", "/kubepods.slice/pod7.slice": f"{GIB}"}, GIB),
        ({POD: f"{2 * GIB}", "/kubepods.slice": f"{GIB}"}, GIB),
        ({POD: f"{GIB}", "/kubepods.slice/pod8.slice": "1024"}, GIB),
    ],
)
def test_the_lowest_limit_on_the_way_up_counts(tmp_path: Path, limits: dict[str, str], least: int) -> None:
    root = tree(tmp_path, {f"{path[1:]}/memory.max": text for path, text in limits.items()})
    assert memory_limit(root, member(tmp_path, f"0::{POD}\n")) == least


def test_version_1_has_a_tree_for_each_controller(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "memory/docker/7/memory.limit_in_bytes": f"{GIB}",
            "memory/memory.limit_in_bytes": str(2**63 - 4096),
            "cpu,cpuacct/docker/7/cpu.cfs_quota_us": "100000",
            "cpu,cpuacct/docker/7/cpu.cfs_period_us": "100000",
        },
    )
    process = member(tmp_path, "9:name=systemd:/\n4:memory:/docker/7\n1:cpu,cpuacct:/docker/7\n0::/\n")
    assert memory_limit(root, process) == GIB
    assert cores(root, process) == 1


def test_a_container_that_sees_only_its_own_part_has_its_limit_at_the_root(tmp_path: Path) -> None:
    root = tree(tmp_path, {"memory.max": f"{GIB}"})
    assert memory_limit(root, member(tmp_path, f"0::{POD}\n")) == GIB


@pytest.mark.parametrize("path", ["/", "/../../elsewhere", "", "//"])
def test_the_root_and_what_lies_outside_of_the_namespace(tmp_path: Path, path: str) -> None:
    root = tree(tmp_path, {"memory.max": f"{GIB}"})
    assert memory_limit(root, member(tmp_path, f"0::{path}\n")) == GIB


@pytest.mark.parametrize("text", ["", "rubbish\n", "0:\n", "::\n"])
def test_a_list_of_cgroups_that_says_nothing(tmp_path: Path, text: str) -> None:
    root = tree(tmp_path, {"memory.max": f"{GIB}"})
    assert memory_limit(root, member(tmp_path, text)) == GIB
    assert memory_limit(root, tmp_path / "none") == GIB


def test_a_nested_quota_of_processor_time(tmp_path: Path) -> None:
    root = tree(tmp_path, {"a/b/cpu.max": "max 100000", "a/cpu.max": "50000 100000", "cpu.max": "400000 100000"})
    assert cores(root, member(tmp_path, "0::/a/b\n")) == 1


def test_what_is_left_is_the_least_of_all_levels(tmp_path: Path) -> None:
    files = {
        "a/b/memory.max": f"{4 * GIB}",
        "a/b/memory.current": "4096",
        "a/memory.max": f"{2 * GIB}",
        "a/memory.current": f"{2 * GIB - 100}",
        "a/memory.stat": "anon 5\ninactive_file 50\n",
    }
    assert memory_free(tree(tmp_path, files), member(tmp_path, "0::/a/b\n")) == 150


def test_kills_are_those_of_the_own_group(tmp_path: Path) -> None:
    root = tree(tmp_path, {"a/memory.events": "oom 3\noom_kill 2\n", "memory.events": "oom 9\noom_kill 9\n"})
    assert oom_kills(root, member(tmp_path, "0::/a\n")) == 2


def test_the_innermost_folder_comes_first(tmp_path: Path) -> None:
    root = tree(tmp_path, {"a/b/memory.max": "1"})
    assert cgroup.folders("memory", root, member(tmp_path, "0::/a/b\n"))[:3] == [root / "a/b", root / "a", root]
