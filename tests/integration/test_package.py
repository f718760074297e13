# SPDX-License-Identifier: Apache-2.0
"""`dataops package` against a package index and a real GCS server."""

from __future__ import annotations

import json
import shutil
import tarfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.clients.job_files import JobFiles
from airflow_dataops.core.dataproc_dask.package import NEEDED
from dag_factories.cli import main
from tests.services.fixtures import gcs
from tests.services.gcs_server import GcsServer

__all__ = ["gcs"]
pytestmark = [pytest.mark.integration]
pytest.importorskip("google.cloud.storage", reason="needs google-cloud-storage: pip install 'airflow-dataops[gcp]'")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if shutil.which("uv") is None:
        pytest.skip("needs uv: pip install uv")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "src/delays").mkdir(parents=True)
    (tmp_path / "src/delays/jobs.py").write_text("def by_carrier(client): return 1\n")
    try:
        pins = [f"{name}=={version(name)}" for name in NEEDED]
    except PackageNotFoundError as error:
        pytest.skip(f"needs {error.name}: pip install 'airflow-dataops[dask,gcp]'")
    (tmp_path / "dask.lock").write_text("\n".join(pins) + "\n")
    return tmp_path


def package(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[Any, str]:
    assert main(["package", *arguments]) == 0
    said = capsys.readouterr()
    return (json.loads(said.out) if said.out else None), said.err


def test_everything_is_built_and_uploaded_once(
    project: Path, gcs: GcsServer, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--lock", "dask.lock", "--code", "src", "--bucket", gcs.bucket(), "--project", "test", "--json")
    settings, said = package(capsys, *arguments)
    assert said.count(" uploaded, ") == 3
    again, said = package(capsys, *arguments)
    assert (again, said.count("is there already")) == (settings, 3)
    (action,) = settings["init_actions"]
    assert JobFiles().read(action["uri"]).startswith(b"#!/usr/bin/env bash")


def test_an_environment_is_for_the_nodes_and_not_for_this_machine(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package(capsys, "--lock", "dask.lock", "--out", "arm", "--platform", "aarch64", "--python", "3.12")
    with tarfile.open(project / "arm/environment.tar.gz") as archive:
        names = archive.getnames()
        manifest = archive.extractfile("dataops-env.json")
        assert manifest is not None
        assert json.load(manifest)["python"] == "3.12"
    assert "site-packages/distributed/client.py" in names
    assert sorted(path.name for path in (project / "arm").iterdir()) == ["environment.tar.gz", "init.sh"]


def test_a_lock_that_cannot_be_installed_is_refused_with_the_line_to_type(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (project / "dask.lock").open("a") as lock:
        lock.write("pydantic==0.1\n")
    assert main(["package", "--lock", "dask.lock", "--out", "out"]) == 1
    said = capsys.readouterr().err
    assert "PACKAGE_INSTALL" in said
    assert "--python-platform x86_64-manylinux_2_28" in said
