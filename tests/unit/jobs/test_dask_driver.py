# SPDX-License-Identifier: Apache-2.0
"""What the driver finds out before it starts anything; tests/integration has the rest."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.jobs.dask_samples import Driver


def test_what_cannot_be_called_is_said_before_any_worker_starts(tmp_path: Path) -> None:
    found = Driver(tmp_path, runtime="local", function="functions:totl").end()
    assert (found["code"], found["hint"]) == ("FUNCTION_MISSING", "did you mean 'total'?")
    assert "runtime" not in found["seconds"]


def test_a_result_is_written_once(tmp_path: Path) -> None:
    (tmp_path / "x1").mkdir()
    (tmp_path / "x1/result.json").write_text('{"ok": true, "result": "first"}')
    driver = Driver(tmp_path, runtime="local", function="functions:totl")
    assert driver.end()["result"] == "first"
    assert "is there already" in driver.log.read_text()


def test_nothing_is_left_of_the_folder_for_local_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    assert Driver(tmp_path, runtime="local", function="functions:totl").end()["code"] == "FUNCTION_MISSING"
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("change", ["changed", "gone", "garbage"])
def test_a_document_that_is_not_the_one_that_was_meant_is_refused(tmp_path: Path, change: str) -> None:
    spec = tmp_path / "job.json"
    expected = {"changed": "DOCUMENT_CHANGED", "gone": "DOCUMENT_UNREADABLE", "garbage": "DOCUMENT_INVALID"}[change]
    if change != "gone":
        spec.write_text("{}")
    digest = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a" if change == "garbage" else "0" * 64
    arguments = ["--spec", f"file://{spec}", "--sha256", digest, "--job-id", "x1"]
    done = subprocess.run(
        [sys.executable, "-m", "airflow_dataops.jobs.dask_driver", *arguments],
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 1
    assert json.loads((tmp_path / "x1/result.json").read_bytes())["code"] == expected
