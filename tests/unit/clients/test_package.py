# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.clients import package
from airflow_dataops.clients.archives import files_below, write_tar
from airflow_dataops.core.errors import InputError, MissingDependency, SpecError


class Bucket:
    """A store in memory."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.uploads = 0
        self.hidden = False

    def size(self, uri: str) -> int | None:
        return None if self.hidden or uri not in self.objects else len(self.objects[uri])

    def upload(self, uri: str, path: Path | str, *, if_absent: bool = True) -> bool:
        self.uploads += 1
        if if_absent and uri in self.objects:
            return False
        self.objects[uri] = Path(path).read_bytes()
        return True


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    for name, text in {
        "jobs/__init__.py": "",
        "jobs/delays.py": "X = 1\n",
        ".env": "PASSWORD=1",
        "data.csv": "a\n1\n",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def nothing(_line: str) -> None:
    return None


def test_the_same_files_are_the_same_archive_at_another_time_in_another_place(source: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(source, copy)
    for _, path in files_below(copy):
        os.utime(path, (1, 1))
        path.chmod(0o600)

    def tarball(folder: Path) -> str:
        files: Any = [("/".join(parts), path) for parts, path in files_below(folder)]
        return write_tar(tmp_path / "a.tar.gz", reversed(files))

    assert tarball(source) == tarball(copy)
    one, other = package.build_code(source, tmp_path, say=nothing), package.build_code(copy, tmp_path, say=nothing)
    assert one.digest == other.digest


def test_a_changed_byte_is_another_archive(source: Path, tmp_path: Path) -> None:
    before = package.build_code(source, tmp_path, say=nothing).digest
    (source / "jobs/delays.py").write_text("X = 2\n")
    assert package.build_code(source, tmp_path, say=nothing).digest != before


def test_code_can_be_imported_from_its_archive_and_hides_what_is_hidden(source: Path, tmp_path: Path) -> None:
    built = package.build_code(source, tmp_path, say=nothing)
    assert zipfile.ZipFile(built.path).namelist() == ["data.csv", "jobs/", "jobs/__init__.py", "jobs/delays.py"]
    import zipimport

    assert zipimport.zipimporter(str(built.path)).find_spec("jobs") is not None


def test_a_folder_without_code_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        package.build_code(tmp_path, tmp_path, say=nothing)
    assert caught.value.code == "CODE_EMPTY"


def test_a_program_stays_executable(tmp_path: Path) -> None:
    program = tmp_path / "run"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    write_tar(tmp_path / "a.tar.gz", [("run", program)])
    with tarfile.open(tmp_path / "a.tar.gz") as archive:
        assert archive.getmember("run").mode == 0o755


def test_what_is_there_is_not_sent_again(source: Path, tmp_path: Path) -> None:
    bucket, said = Bucket(), []
    built = package.build_code(source, tmp_path, say=nothing)
    uris = [package.publish(built, "b", bucket, say=said.append) for _ in range(2)]
    assert uris == [f"gs://b/dataops/code/{built.digest}.zip"] * 2
    assert bucket.uploads == 1
    assert "is there already" in said[-1]


def test_two_who_upload_at_once_are_both_content(source: Path, tmp_path: Path) -> None:
    bucket, said = Bucket(), []
    built = package.build_code(source, tmp_path, say=nothing)
    package.publish(built, "b", bucket, say=nothing)
    bucket.hidden = True
    package.publish(built, "b", bucket, say=said.append)
    assert "somebody else" in said[0]


def test_the_initialization_action_travels_with_the_package() -> None:
    assert package.init_script().path.read_text().startswith("#!/usr/bin/env bash")


def test_a_missing_lock_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="uv pip compile"):
        package.read_text(tmp_path / "dask.lock")


def test_without_uv_pip_installs_for_the_nodes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    only(monkeypatch, "pip")
    command = package.installer(tmp_path / "r", tmp_path / "site", python="3.11", platform="x86_64")
    assert command[:4] == [sys.executable, "-m", "pip", "install"]
    assert "manylinux2014_x86_64" in command


def test_without_uv_and_pip_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    only(monkeypatch, "")
    with pytest.raises(MissingDependency, match="pip install uv"):
        package.installer(tmp_path / "r", tmp_path / "site", python="3.11", platform="x86_64")


def test_an_environment_holds_the_lock_the_manifest_and_this_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lock = lock_of(tmp_path)
    monkeypatch.setattr(
        package, "_install", installs({"dask/core.py": "", "bin/dask": "", "dask-1.dist-info/RECORD": "x"})
    )
    built = package.build_environment(lock, tmp_path, python="3.11", platform="x86_64", work=tmp_path, say=nothing)
    with tarfile.open(built.path) as archive:
        names = set(archive.getnames())
    assert {
        "dataops-env.json",
        "site-packages/dask/core.py",
        "site-packages/airflow_dataops/jobs/dask_driver.py",
    } <= names
    assert "site-packages/airflow_dataops/resources/dataproc/dask_init.sh" in names
    assert not [
        name for name in names if "RECORD" in name or name.startswith("site-packages/bin") or "__pycache__" in name
    ]


def test_airflow_that_a_package_brings_along_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(package, "_install", installs({"airflow/__init__.py": ""}))
    with pytest.raises(SpecError) as caught:
        package.build_environment(
            lock_of(tmp_path), tmp_path, python="3.11", platform="x86_64", work=tmp_path, say=nothing
        )
    assert caught.value.code == "LOCK_HAS_AIRFLOW"


def test_this_package_is_taken_from_here_and_not_from_the_lock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []
    monkeypatch.setattr(
        package, "_install", lambda requirements, site, **_: (asked.append(requirements.read_text()), site.mkdir())
    )
    lock = lock_of(tmp_path, "airflow-dataops==0.0.1 \\\n    --hash=sha256:aa\nlast==1\n")
    package.build_environment(lock, tmp_path, python="3.11", platform="x86_64", work=tmp_path, say=nothing)
    assert "airflow-dataops" not in asked[0]
    assert "sha256:aa" not in asked[0]
    assert "last==1" in asked[0]


def lock_of(folder: Path, more: str = "") -> Path:
    lock = folder / "dask.lock"
    lock.write_text("dask==1\ndistributed==1\ngoogle-cloud-storage==1\npydantic==1\n" + more)
    return lock


def installs(files: dict[str, str]) -> Any:
    def install(_requirements: Path, site: Path, **_options: str) -> None:
        for name, text in files.items():
            (site / name).parent.mkdir(parents=True, exist_ok=True)
            (site / name).write_text(text)

    return install


def only(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda wanted: object() if wanted == name else None)


def test_the_init_script_is_kept_where_it_is_asked_for(tmp_path: Path) -> None:
    kept, own = package.init_script(tmp_path), package.init_script()
    assert kept.path == tmp_path / "init.sh"
    assert kept.path.read_bytes() == own.path.read_bytes()
    assert (kept.kind, kept.digest, kept.suffix) == (own.kind, own.digest, own.suffix)
