# SPDX-License-Identifier: Apache-2.0
"""The zip of the code: what Python can import from it, and that it depends on nothing but its content."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from airflow_dataops.clients.archives import file_digest, write_zip


@pytest.fixture
def files(tmp_path: Path) -> list[tuple[str, Path]]:
    """Modules at three depths, two of them in folders without ``__init__.py``."""
    found = []
    for name in ("top.py", "plain/__init__.py", "plain/module.py", "spaces/module.py", "spaces/deep/down/module.py"):
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"NAME = {name!r}\n")
        found.append((name, path))
    return found


@pytest.mark.parametrize("module", ["top", "plain.module", "spaces.module", "spaces.deep.down.module"])
def test_another_process_imports_from_it_with_and_without_init(
    files: list[tuple[str, Path]], tmp_path: Path, module: str
) -> None:
    archive = tmp_path / "code.zip"
    write_zip(archive, files)
    code = f"import sys; sys.path.insert(0, sys.argv[1]); import {module} as m; print(m.NAME, m.__file__)"
    command = [sys.executable, "-I", "-c", code, str(archive)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=tmp_path, check=False)
    assert said.returncode == 0, said.stderr
    name = f"{module.replace('.', '/')}.py"
    assert said.stdout.split() == [name, f"{archive}/{name}"]


def test_every_folder_has_one_entry_before_what_is_in_it(files: list[tuple[str, Path]], tmp_path: Path) -> None:
    write_zip(tmp_path / "code.zip", files)
    with zipfile.ZipFile(tmp_path / "code.zip") as archive:
        names = archive.namelist()
        folders = [info for info in archive.infolist() if info.is_dir()]
    assert names == sorted({*dict(files), "plain/", "spaces/", "spaces/deep/", "spaces/deep/down/"})
    assert {oct(info.external_attr >> 16) for info in folders} == {"0o40755"}


def test_the_bytes_depend_neither_on_order_times_nor_modes(files: list[tuple[str, Path]], tmp_path: Path) -> None:
    one = write_zip(tmp_path / "one.zip", files)
    for _, path in files:
        os.utime(path, (1e9, 1e9))
        path.chmod(0o700)
    assert write_zip(tmp_path / "two.zip", reversed(files)) == one == file_digest(tmp_path / "one.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_it_can_be_unpacked(files: list[tuple[str, Path]], tmp_path: Path) -> None:
    write_zip(tmp_path / "code.zip", files)
    with zipfile.ZipFile(tmp_path / "code.zip") as archive:
        archive.extractall(tmp_path / "out")
    assert (tmp_path / "out/spaces/deep/down/module.py").read_text() == "NAME = 'spaces/deep/down/module.py'\n"
