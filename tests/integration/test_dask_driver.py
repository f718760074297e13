# SPDX-License-Identifier: Apache-2.0
"""The driver as a process, on the Dask of this machine."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.unit.jobs.dask_samples import Driver

pytestmark = pytest.mark.integration

LOCAL = {"runtime": "local", "workers": 1, "worker_threads": 1, "worker_memory": 300_000_000}


def local(folder: Path, function: str, **document: Any) -> Driver:
    return Driver(folder, function=f"functions:{function}", **{**LOCAL, **document})


def test_a_function_that_returns_is_a_success_with_all_its_files(tmp_path: Path) -> None:
    driver = local(tmp_path, "total", args={"n": 10})
    found = driver.end()
    assert (found["ok"], found["result"], driver.process.returncode) == (True, {"sum": 90}, 0)
    assert set(found["seconds"]) == {"runtime", "wait", "function", "total"}
    assert found["workers"] == {"at_least": 1, "start": 1, "most": 1, "end": 1}
    assert "distributed" in found["versions"]
    assert "at" in json.loads(driver.heartbeat())
    assert "<html" in (driver.folder / "report.html").read_text()[:500]


@pytest.mark.parametrize(
    ("function", "code", "says"),
    [
        ("boom", "FUNCTION_RAISED", "ZeroDivisionError: division by zero"),
        ("large", "RESULT_TOO_LARGE", "70,002 bytes"),
        ("strange", "RESULT_NOT_JSON", "datetime.date"),
        ("leave", "FUNCTION_RAISED", "sys.exit(0)"),
    ],
)
def test_a_function_that_fails_is_told_by_code_and_one_line(
    tmp_path: Path, function: str, code: str, says: str
) -> None:
    driver = local(tmp_path, function)
    found = driver.end()
    assert (found["ok"], found["code"], driver.process.returncode) == (False, code, 1)
    assert says in found["message"]
    assert f"ERROR {code}: " in driver.log.read_text()


def test_the_log_has_the_traceback_of_the_user_and_no_frame_of_the_driver(tmp_path: Path) -> None:
    driver = local(tmp_path, "boom")
    driver.end()
    log = driver.log.read_text()
    assert 'functions.py", line' in log
    assert "dask_driver.py" not in log


def test_sigterm_cancels_and_leaves_a_result(tmp_path: Path) -> None:
    driver = local(tmp_path, "wait")
    driver.works()
    driver.process.terminate()
    assert (driver.end()["code"], driver.process.returncode) == ("CANCELLED", 143)


def test_a_function_that_swallows_the_signal_is_ended_all_the_same(tmp_path: Path) -> None:
    driver = local(tmp_path, "stubborn", close=1)
    driver.works()
    driver.process.terminate()
    assert (driver.end()["code"], driver.process.returncode) == ("CANCELLED", 143)


def test_the_workers_end_with_a_driver_that_is_killed(tmp_path: Path) -> None:
    driver = local(tmp_path, "wait")
    driver.works()
    children = descendants(driver.process.pid)
    driver.process.send_signal(signal.SIGKILL)
    driver.process.wait()
    end = time.monotonic() + 100
    while any(lives(pid) for pid in children):
        assert time.monotonic() < end
        time.sleep(0.1)
    assert children


def test_the_driver_ends_with_spark_submit(tmp_path: Path) -> None:
    """Its JVM is a program named java that waits for the driver, and is killed alone."""
    java = tmp_path / "java"
    shutil.copy("/bin/sh", java)
    driver = local(tmp_path, "wait", under=str(java))
    driver.works()
    driver.process.kill()
    end = time.monotonic() + 100
    while not (driver.folder / "result.json").exists():
        assert time.monotonic() < end, driver.log.read_text()
        time.sleep(0.1)
    assert json.loads((driver.folder / "result.json").read_bytes())["code"] == "CANCELLED"
    assert "spark-submit" in driver.log.read_text()


def test_with_hold_the_end_of_stdin_ends_it(tmp_path: Path) -> None:
    driver = local(tmp_path, "wait", options=("--hold",))
    driver.works()
    assert driver.process.stdin is not None
    driver.process.stdin.close()
    assert driver.process.wait(100) == -signal.SIGKILL


def test_code_of_an_archive_reaches_the_workers(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "extra.zip", "w") as archive:
        archive.writestr("extra.py", "WHO = 'me'")
    code = [str(tmp_path / "code"), str(tmp_path / "extra.zip")]
    assert local(tmp_path, "uses_code", code=code).end()["result"] == ["me", "me"]


def descendants(pid: int) -> list[int]:
    children = [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]
    return children + [deeper for child in children for deeper in descendants(child)]


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:1]
    except OSError:
        return False
