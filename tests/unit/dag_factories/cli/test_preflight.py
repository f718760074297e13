# SPDX-License-Identifier: Apache-2.0
"""``dataops preflight``, with a service account's own way to a token, over real HTTP."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("google.auth")
pytest.importorskip("cryptography")

from airflow_dataops.clients.dataproc_dask import preflight
from dag_factories.cli import main
from tests.services.rest import RestServer

PROJECT = """\
version: 1
targets:
  gcp:
    engine: dask
    runner: dataproc_dask
    lake: gs://lake-of-the-test
    dask:
      project: test-project
      region: europe-west1
      bucket: jobs-of-the-test
      cluster:
        subnetwork: projects/test-project/regions/europe-west1/subnetworks/dask
  local: {engine: duckdb, lake: lake}
default_target: gcp
"""
PIPELINE = """\
version: 1
kind: composer_dask
name: delays
start_date: 2024-01-01
jobs:
  - {name: one, function: "functions:one"}
"""


class Google(RestServer):
    """Gives tokens, and lets nobody see anything but the jobs' bucket."""

    def answer(self, path: str) -> tuple[int, Any]:
        if path == "/token":
            return 200, {"access_token": "from-the-test", "expires_in": 3600, "token_type": "Bearer"}
        if "jobs-of-the-test" in path:
            return 200, {"permissions": [f"storage.objects.{verb}" for verb in ("create", "get", "list", "delete")]}
        return 403, {"error": {"message": "not yours"}}


@pytest.fixture
def google(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Google]:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    made = Google()
    key = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {
        "type": "service_account",
        "client_email": "me@test-project.iam.gserviceaccount.com",
        "private_key": key.decode(),
        "private_key_id": "1",
        "token_uri": f"{made.url}/token",
        "project_id": "test-project",
    }
    (tmp_path / "account.json").write_text(json.dumps(account))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))
    # google-auth asks Google where a service account may be used, which nobody here answers; Airflow 2 writes such warnings to stdout.
    monkeypatch.setattr(logging.getLogger("urllib3.connectionpool"), "disabled", True)
    monkeypatch.setattr(preflight, "HOSTS", dict.fromkeys(preflight.HOSTS, made.url))
    yield made
    made.close()


@pytest.fixture
def pipeline(tmp_path: Path) -> str:
    (tmp_path / "dataops.yaml").write_text(PROJECT)
    (tmp_path / "delays.yaml").write_text(PIPELINE)
    return str(tmp_path / "delays.yaml")


def test_findings_as_json(google: Google, pipeline: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preflight", pipeline, "--json"]) == 1
    found = {finding["check"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert found["bucket.jobs-of-the-test"]["level"] == "ok"
    unknown = found["subnet.private_google_access"]
    assert unknown["level"] == "unknown"
    assert "--member=serviceAccount:me@test-project.iam.gserviceaccount.com" in unknown["fix"]
    assert {token for path, _, token in google.seen if path != "/token"} == {"Bearer from-the-test"}
    assert sum(path == "/token" for path, _, _ in google.seen) == 1


def test_a_workflow_of_googles_is_asked_for_what_it_needs(
    google: Google, pipeline: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(preflight, "preflight", lambda *_, lifecycle, **__: asked.append(lifecycle) or ())
    main(["preflight", pipeline])
    Path(pipeline).write_text(Path(pipeline).read_text() + "lifecycle: google\n")
    main(["preflight", pipeline])
    assert asked == ["airflow", "google"]
    capsys.readouterr()


def test_findings_for_people(google: Google, pipeline: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preflight", pipeline]) == 1
    said = capsys.readouterr()
    assert "unknown  subnet.private_google_access: " in said.out
    assert "         -> gcloud projects add-iam-policy-binding test-project" in said.out
    assert "unknown" in said.err


def test_a_target_without_clusters_is_told_with_one_that_has_some(
    google: Google, pipeline: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["preflight", pipeline, "--target", "local"]) == 1
    said = capsys.readouterr().err
    assert "ENGINE_NOT_AVAILABLE: target 'local' runs on this machine" in said
    assert "-> --target gcp" in said
    assert google.seen == []


def test_the_cluster_of_a_pipeline_of_steps_is_looked_at(
    google: Google, pipeline: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(pipeline).write_text("version: 1\nkind: bronze_to_silver\nname: delays\nstart_date: 2024-01-01\nschedule: null\n"
                              "source: {path: \"${lake}/in\"}\ntarget: {path: \"${lake}/out\"}\nfull: true\n")  # fmt: skip
    assert main(["preflight", pipeline, "--json"]) == 1
    found = {finding["check"]: finding["level"] for finding in json.loads(capsys.readouterr().out)}
    assert (found["bucket.jobs-of-the-test"], found["rules"]) == ("ok", "ok")
    assert found["lake.bucket"] == "unknown"
    assert any(path.endswith("/b/lake-of-the-test") for path, _, _ in google.seen)


def test_accounts_of_a_chain_may_have_spaces_between_them(
    pipeline: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    chains: list[tuple[str, ...]] = []
    monkeypatch.setattr(
        preflight, "preflight", lambda settings, *_, **__: chains.append(settings.impersonation_chain) or ()
    )
    main(["preflight", pipeline, "--impersonate", "a@p, b@p"])
    assert chains == [("a@p", "b@p")]
    capsys.readouterr()
