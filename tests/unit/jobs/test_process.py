# SPDX-License-Identifier: Apache-2.0
"""The child's side: a job as a process, as a shell or an operator starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.core.layout import RunLayout
from airflow_dataops.jobs.process import execute, out_of_memory
from tests.sample_jobs import MODULE, ROOT, RUN, document
from tests.sample_jobs.sample_job import SampleResult, SampleSpec, run


def start(text: str, *, source: str = "-", env: dict[str, str] | None = None) -> tuple[int, dict[str, Any], str]:
    done = subprocess.run(
        [sys.executable, "-m", MODULE, "--spec", source],
        input=text,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        check=False,
    )
    return done.returncode, json.loads(done.stdout), done.stderr


def envelope(lake: Path, mode: str, secrets: dict[str, str] | None = None, **fields: Any) -> str:
    return json.dumps({"spec": document(lake, mode, **fields), "secrets": secrets or {}}) + "\n"


def result_file(lake: Path) -> Path:
    return Path(RunLayout(str(lake), RUN.pipeline, RUN.key).step_result("step"))


def test_a_result_is_the_only_thing_on_stdout_and_progress_is_in_the_log(tmp_path: Path) -> None:
    code, printed, log = start(envelope(tmp_path, "noise"))
    assert (code, printed["status"], printed["rows"]["written"]) == (0, "ok", 2)
    assert {"INFO mode noise", "noise from python", "noise from C"} <= set(log.splitlines())


def test_spec_and_result_are_on_record_with_times_and_memory(tmp_path: Path) -> None:
    start(envelope(tmp_path, "ok"))
    kept = json.loads(result_file(tmp_path).read_text())
    assert kept["seconds"]["total"] >= 0
    assert kept["started_at"]
    assert kept["peak_memory_bytes"] > 2**20
    assert (
        json.loads(Path(RunLayout(str(tmp_path), RUN.pipeline, RUN.key).step_spec("step")).read_text())["mode"] == "ok"
    )


@pytest.mark.parametrize(
    ("mode", "code", "error"),
    [
        ("bad_input", 1, "SOURCE_MISSING"),
        ("gate", 1, "GATE_FAILED"),
        ("storage", 75, "STORAGE"),
        ("disk_full", 75, "DISK_FULL"),
        ("forbidden", 1, "STORAGE_DENIED"),
        ("memory", 1, "OUT_OF_MEMORY"),
        ("bug", 1, "UNEXPECTED"),
    ],
)
def test_an_error_is_a_document_an_exit_code_and_a_failed_result_on_record(
    tmp_path: Path, mode: str, code: int, error: str
) -> None:
    ended, printed, _ = start(envelope(tmp_path, mode))
    kept = json.loads(result_file(tmp_path).read_text())
    assert (ended, printed["error"]["code"]) == (code, error)
    assert (kept["status"], kept["error"]) == ("failed", printed["error"])


def test_a_failed_verdict_is_a_result_with_exit_code_1(tmp_path: Path) -> None:
    code, printed, _ = start(envelope(tmp_path, "verdict"))
    assert (code, printed["verdict"], printed["status"]) == (1, "failed", "ok")


def test_the_traceback_of_a_bug_is_in_the_log_line_by_line(tmp_path: Path) -> None:
    _, _, log = start(envelope(tmp_path, "bug"))
    assert "ERROR Traceback (most recent call last):" in log.splitlines()
    assert all(line.split(" ")[0] in {"INFO", "ERROR"} for line in log.splitlines())


def test_a_secret_is_in_no_log_line_no_error_and_no_record(tmp_path: Path) -> None:
    secret = "s3cr3t-value"
    for mode in ("secret", "bug"):
        _, printed, log = start(envelope(tmp_path, mode, {"env:SALT": secret}, salt={"secret": "env:SALT"}))
        records = "".join(file.read_text() for file in tmp_path.rglob("*.json"))
        assert secret not in log + json.dumps(printed) + records
        assert "***" in log


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no JSON spec"),
        ("{not json\n", "no JSON spec"),
        ("[1]\n", "spec:"),
        ('{"spec": {"task": "x"}}\n', "lake: Field required"),
        ('{"spec": {"task": "x", "colour": 1}}\n', "colour: Extra inputs are not permitted"),
    ],
)
def test_a_wrong_spec_is_named_and_exits_with_1(text: str, said: str) -> None:
    code, printed, _ = start(text)
    assert (code, printed["error"]["code"], printed["error"]["type"]) == (1, "JOB_SPEC_INVALID", "SpecError")
    assert said in printed["error"]["message"]


def test_a_wrong_value_is_not_repeated(tmp_path: Path) -> None:
    _, printed, log = start(envelope(tmp_path, "ok", salt="the-secret-itself"))
    assert "the-secret-itself" not in json.dumps(printed) + log


def test_a_file_takes_its_secrets_from_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "spec.json"
    file.write_text(json.dumps(document(tmp_path, "secret", salt={"secret": "conn:lake.login"})))
    code, printed, log = start("", source=str(file), env={"AIRFLOW_CONN_LAKE": "s3://me-myself:pw@host"})
    assert (code, printed["seen"]) == (0, ["conn:lake.login"])
    assert "me-myself" not in log


def test_a_secret_that_is_not_set_is_named(tmp_path: Path) -> None:
    file = tmp_path / "spec.json"
    file.write_text(json.dumps(document(tmp_path, "ok", salt={"secret": "var:NOT_SET"})))
    code, printed, _ = start("", source=str(file))
    assert (code, printed["error"]["code"]) == (1, "SECRET_MISSING")
    assert "AIRFLOW_VAR_NOT_SET" in printed["error"]["hint"]


def test_stdin_that_ends_after_the_envelope_does_not_end_a_job_started_by_hand(tmp_path: Path) -> None:
    assert start(envelope(tmp_path, "slow_log"))[0] == 0


def test_more_memory_than_the_machine_has_is_refused_before_the_start(tmp_path: Path) -> None:
    code, printed, log = start(envelope(tmp_path, "ok", resources={"memory_bytes": 2**60}))
    assert (code, printed["error"]["code"]) == (1, "MEMORY_OVER_LIMIT")
    assert "mode ok" not in log


def test_a_spill_folder_that_is_a_file_is_no_fault_that_passes(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, printed, _ = start(envelope(tmp_path, "ok", resources={"spill_dir": str(tmp_path / "file")}))
    assert (code, printed["error"]["retryable"]) == (1, False)


def test_the_recorded_spec_names_the_authors_spill_folder_and_nothing_is_left_there(tmp_path: Path) -> None:
    spill = tmp_path / "spill"
    start(envelope(tmp_path, "ok", resources={"spill_dir": str(spill)}))
    kept = json.loads(Path(RunLayout(str(tmp_path), RUN.pipeline, RUN.key).step_spec("step")).read_text())
    assert (kept["resources"]["spill_dir"], list(spill.iterdir())) == (str(spill), [])


def test_execute_in_this_process_returns_the_failed_result(tmp_path: Path) -> None:
    spec = SampleSpec.model_validate(document(tmp_path, "bad_input", marker="/no"))
    result = execute(spec, run)
    assert (result.status, result.error and result.error["details"]) == ("failed", {"path": "/no"})


def test_execute_tells_progress_to_its_caller(tmp_path: Path) -> None:
    said: list[str] = []
    result = execute(SampleSpec.model_validate(document(tmp_path, "ok")), run, progress=said.append)
    assert isinstance(result, SampleResult)
    assert said == ["mode ok"]


def test_the_way_out_of_too_little_memory_is_said() -> None:
    assert "resources.memory_bytes" in str(out_of_memory("Failed to allocate"))
