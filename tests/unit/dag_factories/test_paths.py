# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from pathlib import Path

import pytest

from dag_factories.paths import RealPaths


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/file").touch()
    (tmp_path / "elsewhere").mkdir()
    os.symlink(tmp_path / "elsewhere", tmp_path / "a/link")
    os.symlink(tmp_path / "a/b/file", tmp_path / "a/leaf")
    os.symlink(tmp_path / "a/round", tmp_path / "a/round")
    return tmp_path


@pytest.mark.parametrize(
    "path",
    [
        "a", "a/b/file", "a/b/", "a/link", "a/link/x", "a/link/../x", "a/leaf", "a/leaf/x", "a/missing/deep", "a/..", "a/.", "a/./b",
        "a//b", "a/round", "a/round/x", "",
    ],
)  # fmt: skip
def test_links_are_followed_as_the_library_does(path: str, tree: Path) -> None:
    full = f"{tree}/{path}"
    paths = RealPaths()
    assert [paths.real(full), paths.real(full)] == [os.path.realpath(full)] * 2


def test_each_folder_is_looked_at_once(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    real = os.path.realpath
    monkeypatch.setattr(os.path, "realpath", lambda path: (looked.append(path), real(path))[1])
    paths = RealPaths()
    for number in range(5):
        assert paths.inside(f"{tree}/a/b/table_{number}", f"{tree}/a")
    assert looked == [f"{tree}/a", f"{tree}/a/b"]


@pytest.mark.parametrize(
    ("path", "root", "inside"),
    [
        ("a/b", "a", True),
        ("a", "a", True),
        ("ab", "a", False),
        ("a/link/x", "a", False),
        ("a/link/x", "elsewhere", True),
        ("a/leaf", "a/b", True),
        ("a/../elsewhere", "a", False),
    ],
)
def test_what_lies_below_a_folder(path: str, root: str, inside: bool, tree: Path) -> None:
    assert RealPaths().inside(f"{tree}/{path}", f"{tree}/{root}") is inside


def test_everything_lies_below_the_top() -> None:
    assert RealPaths().inside("/etc", "/")
