# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dag_factories.cli import main

SERVE = ["serve", "metadata-api"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "KAFKA_SETTINGS"), (["--host", "0.0.0.0"], "OPEN_TO_ALL"), (["--subject", "a"], "USAGE"),
        (["--tls-cert", "gone.pem"], "TLS"), (["--token-file", "gone"], "TOKENS"), (["--port", "70000"], "no port"),
        (["--config", "gone"], "KAFKA_SETTINGS"),
    ],
)  # fmt: skip
def test_wrong_usage_says_what_to_type(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DATAOPS_KAFKA_BOOTSTRAP", "DATAOPS_KAFKA_CONFIG", "DATAOPS_METADATA_TOKENS"):
        monkeypatch.delenv(name, raising=False)
    assert main([*SERVE, *arguments]) == 2
    assert said in capsys.readouterr().err


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SERVE, "--help"]) == 0
    told = capsys.readouterr().out
    assert {
        word
        for word in ("--token-file", "--client-ca", "DATAOPS_KAFKA_BOOTSTRAP", "curl", "SIGTERM")
        if word not in told
    } == set()


def test_a_service_collects_garbage_as_any_process_does() -> None:
    import gc

    from dag_factories import cli

    before = gc.get_threshold()
    try:
        cli._start_light()
        assert gc.get_threshold()[0] > 100_000
        cli.start_long()
        assert gc.get_threshold() == (700, 10, 10)
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


def test_help_and_usage_load_no_server(tmp_path: Path) -> None:
    code = (
        "import sys; from dag_factories.cli import main; main(['serve', 'metadata-api', '--host', '0.0.0.0']);"
        "print({'fastapi', 'uvicorn', 'confluent_kafka', 'airflow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "set()"
