# SPDX-License-Identifier: Apache-2.0
"""``dataops preflight`` of a metadata pipeline: what it refuses. With servers: tests/integration/edge."""

from __future__ import annotations

from pathlib import Path

import pytest

from dag_factories.cli import main

PROJECT = """\
version: 1
default_target: local
masks: {email: sha256}
alerts: {pager: {notifier: log}, chat: {notifier: log}}
targets:
  local: {lake: lake}
  edge:
    lake: lake
    metadata:
      kafka: {bootstrap.servers: "127.0.0.1:1", socket.timeout.ms: 1000}
      mongo_uri: "${env:EDGE_MONGO_URI}"
      api: https://127.0.0.1:1
      api_ca: missing.crt
"""
PIPELINE = "version: 1\nkind: gpu_metadata\nname: edge\nround_trip: false\n"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "dataops.yaml").write_text(PROJECT, encoding="utf-8")
    (tmp_path / "edge.yaml").write_text(PIPELINE, encoding="utf-8")
    monkeypatch.setenv("EDGE_MONGO_URI", "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200")
    monkeypatch.chdir(tmp_path)
    return "edge.yaml"


def test_a_target_without_servers_has_nothing_to_look_at(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preflight", file]) == 2
    assert "on files of this machine" in capsys.readouterr().err
    assert not Path("lake").exists()


@pytest.mark.parametrize("words", [("--yaml",), ("--impersonate", "a@b"), ("--kubeconfig", "k"), ("--context", "c")])
def test_what_is_meant_for_others_is_refused(
    file: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["preflight", file, "--target", "edge", *words]) == 2
    assert f"{words[0]} is not for a metadata pipeline" in capsys.readouterr().err


def test_a_marked_event_is_for_metadata_pipelines_alone(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "bronze_to_silver", "orders"]) == 0
    assert main(["preflight", "orders.yaml", "--target", "local", "--round-trip"]) == 2
    assert "--round-trip is for gpu_metadata" in capsys.readouterr().err
