# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from dag_factories.cli import main

LOCK = "dask==1\ndistributed==1\ngoogle-cloud-storage==1\npydantic==1\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src").mkdir()
    (tmp_path / "src/jobs.py").write_text("def f(client): return 1\n")
    (tmp_path / "dask.lock").write_text(LOCK)
    return tmp_path


def test_a_dry_run_says_what_would_be_done_and_does_nothing(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["package", "--lock", "dask.lock", "--code", "src", "--bucket", "bucket", "--dry-run", "--json"]) == 0
    said = capsys.readouterr()
    assert "would install 4 packages for Python 3.11 on x86_64" in said.err
    (code,) = json.loads(said.out)["code_uris"]
    assert code.startswith("gs://bucket/dataops/code/")
    assert sorted(path.name for path in project.iterdir()) == ["dask.lock", "src"]


def test_code_alone_is_kept_where_it_is_asked_for(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["package", "--code", "src", "--out", "build"]) == 0
    assert (project / "build/code.zip").exists()
    assert "code: build/code.zip" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--bucket", "bucket"], ["--code", "src"]])
def test_half_a_command_is_wrong_usage(project: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["package", *arguments]) == 2
    assert "give --" in capsys.readouterr().err


def test_airflow_in_the_lock_is_refused_with_its_line(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "dask.lock").write_text(LOCK + "apache-airflow==3.3.0\n")
    assert main(["package", "--lock", "dask.lock", "--dry-run"]) == 1
    assert "dask.lock:5: apache-airflow 3.3.0" in capsys.readouterr().err


def test_the_settings_can_be_pasted_into_dataops_yaml(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["package", "--code", "src", "--bucket", "bucket", "--dry-run"])
    assert 'code_uris: ["gs://bucket/dataops/code/' in capsys.readouterr().out


def test_a_lake_of_the_project_is_no_code(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "dataops.yaml").write_text("version: 1\ntargets: {local: {lake: ./data/lake}, gcp: {lake: gs://lake}}\n")
    for name in ("data/lake/table.parquet", "data/words.txt"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("x")
    assert main(["package", "--code", ".", "--out", "../build"]) == 0
    with zipfile.ZipFile(project / "../build/code.zip") as archive:
        names = set(archive.namelist())
    assert {"src/jobs.py", "data/words.txt"} <= names
    assert not any("lake/" in name for name in names)


def test_a_folder_that_is_a_lake_itself_is_packed(project: Path) -> None:
    (project / "dataops.yaml").write_text("version: 1\ntargets: {local: {lake: ./src}}\n")
    assert main(["package", "--code", "src", "--out", "build"]) == 0


def test_a_folder_that_is_not_there_is_told(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["package", "--code", "scr", "--dry-run"]) == 1
    assert "FILE_MISSING: scr is not a folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong", [["--python", "9"], ["--python", "3"], ["--bucket", "Upper"], ["--bucket", "gs://b/folder"]]
)
def test_a_wrong_value_is_wrong_usage(project: Path, wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["package", "--lock", "dask.lock", "--dry-run", *wrong]) == 2
    assert f"{wrong[1]!r} is no" in capsys.readouterr().err


def test_a_dry_run_names_no_file_and_leaves_none(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["package", "--lock", "dask.lock", "--code", "src", "--out", "build", "--dry-run"]) == 0
    said = capsys.readouterr().err
    assert "code.zip" not in said
    assert "environment_uri is named by what is installed" in said
    assert not (project / "build").exists()
