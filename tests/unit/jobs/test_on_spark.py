# SPDX-License-Identifier: Apache-2.0
"""The driver's program: one argument in, one short document out, the records in the lake."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_dataops.core.layout import RunLayout
from airflow_dataops.core.secrets import variable_of
from airflow_dataops.core.spark_k8s.step import encode, read_message
from airflow_dataops.jobs.on_spark import main

RUN = {"pipeline": "orders", "key": "k"}
Step = Callable[..., tuple[int, dict[str, Any]]]


def gate(lake: Path, **more: Any) -> dict[str, Any]:
    """A gate over three rows."""
    (lake / "bronze").mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"id": [1, 2, 3], "mail": ["a@x", "b@x", "c@x"]}), lake / "bronze/part.parquet")
    document = {
        "job": "dq_gate",
        "task": "gate",
        "lake": str(lake),
        "run": RUN,
        "engine": "duckdb",
        "slice": {"kind": "full"},
    }
    return {**document, "source": {"path": str(lake / "bronze")}, "rules": [{"not_null": "id"}], **more}


@pytest.fixture
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Step:
    """Runs the program in this process; returns its exit code and what it left."""
    place = tmp_path / "message"
    monkeypatch.setenv("DATAOPS_RESULT", str(place))
    before = signal.getsignal(signal.SIGTERM)

    def run(*argv: str) -> tuple[int, dict[str, Any]]:
        try:
            code = main(list(argv))
        finally:
            signal.signal(signal.SIGTERM, before)
        return code, read_message(place.read_text(encoding="utf-8")) or {}

    return run


def test_a_step_leaves_a_short_result_and_its_records(step: Step, tmp_path: Path) -> None:
    code, said = step(encode(gate(tmp_path)))
    assert (code, said["step"]["verdict"], said["step"]["rows"]["read"]) == (0, "passed", 3)
    assert said["step"]["rules"] == [{"severity": "critical", "passed": True}]
    record = RunLayout(str(tmp_path), "orders", "k").step_result("gate")
    assert said["step"]["result"] == record
    assert json.loads(Path(record).read_text())["status"] == "ok"


def test_data_that_does_not_pass_is_for_good(step: Step, tmp_path: Path) -> None:
    code, said = step(encode(gate(tmp_path, rules=[{"between": ["id", 1, 2]}])))
    assert (code, said["error"]["code"], said["error"]["retryable"]) == (1, "GATE_FAILED", False)


def test_what_may_pass_has_an_exit_code_of_its_own(step: Step, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_dataops.core.errors import StorageError
    from airflow_dataops.jobs import dq_gate

    def fails(*_: Any, **__: Any) -> None:
        raise StorageError("no answer")

    monkeypatch.setattr(dq_gate, "run", fails)
    code, said = step(encode(gate(tmp_path)))
    assert (code, said["error"]["code"], said["error"]["retryable"]) == (75, "STORAGE", True)


@pytest.mark.parametrize("argv", [[], ["a", "b"], ["no step"]])
def test_wrong_arguments_are_told(step: Step, argv: list[str]) -> None:
    code, said = step(*argv)
    assert (code, said["error"]["code"]) == (1, "JOB_SPEC_INVALID")


def test_a_secret_comes_by_its_own_variable_and_is_nowhere_shown(
    step: Step, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    masks = {"mail": {"kind": "sha256", "salt": {"secret": "conn:salts.password"}}}
    document = encode(gate(tmp_path, rules=[{"in_set": ["mail", ["x"]]}], masks=masks))
    code, said = step(document)
    assert (code, said["error"]["code"]) == (1, "SECRET_MISSING")
    monkeypatch.setenv(variable_of("conn:salts.password"), "not-to-be-seen")
    code, said = step(document)
    assert said["error"]["code"] == "GATE_FAILED"
    found = [path.read_text() for path in (tmp_path / ".dataops").rglob("*.json")]
    assert "not-to-be-seen" not in json.dumps(said) + "".join(found) + capfd.readouterr().err


def test_a_driver_that_is_told_to_stop_does_not_leave_a_result(tmp_path: Path) -> None:
    place, fifo = tmp_path / "message", tmp_path / "bronze/part.parquet"
    document = encode(gate(tmp_path, source={"path": str(fifo)}))
    fifo.unlink()
    os.mkfifo(fifo)  # whoever reads it waits
    command = [sys.executable, "-m", "airflow_dataops.jobs.on_spark", document]
    env = {**os.environ, "DATAOPS_RESULT": str(place)}
    process = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert "step gate of orders" in process.stderr.readline()
    process.terminate()
    process.communicate(timeout=120)
    assert (process.returncode, place.exists()) == (143, False)
