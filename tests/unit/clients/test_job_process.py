# SPDX-License-Identifier: Apache-2.0
"""The parent's side, with real children."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.clients import child
from airflow_dataops.clients.job_process import JobProcess, clean_environment, split_level
from airflow_dataops.core.errors import DataOpsError, GateFailed, InputError, StorageError, TransientError
from tests.sample_jobs import MODULE, ROOT, document
from tests.sample_jobs.sample_job import SampleSpec

SECRET = "s3cr3t-value"


@pytest.fixture(autouse=True)
def _children_find_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def spec(lake: Path, mode: str, **fields: Any) -> SampleSpec:
    return SampleSpec.model_validate(document(lake, mode, **fields))


def job(
    lake: Path, mode: str, *, lines: list[str] | None = None, timeout: float | None = None, **fields: Any
) -> dict[str, Any]:
    took = [] if lines is None else lines
    return JobProcess("", module=MODULE).run(
        spec(lake, mode, **fields), {}, on_line=lambda level, text: took.append(f"{level} {text}"), timeout=timeout
    )


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def pids(marker: Path) -> list[int]:
    wait_for(lambda: marker.exists() and len(marker.read_text().split()) == 2)
    return [int(pid) for pid in marker.read_text().split()]


def all_end(marker: Path) -> bool:
    """True as soon as all are gone: a kill is sent at once, and the system takes a moment to do it."""
    return wait_for(lambda: not any(alive(pid) for pid in pids(marker)))


def test_the_result_comes_back_and_the_log_is_told_by_level(tmp_path: Path) -> None:
    lines: list[str] = []
    assert job(tmp_path, "noise", lines=lines)["rows"]["written"] == 2
    assert {"INFO mode noise", "INFO noise from C"} <= set(lines)


def test_a_result_that_says_failed_comes_back_too(tmp_path: Path) -> None:
    assert job(tmp_path, "verdict")["verdict"] == "failed"


@pytest.mark.parametrize(
    ("mode", "kind", "code"),
    [
        ("bad_input", InputError, "SOURCE_MISSING"),
        ("gate", GateFailed, "GATE_FAILED"),
        ("storage", StorageError, "STORAGE"),
        ("bug", DataOpsError, "UNEXPECTED"),
        ("crash", DataOpsError, "JOB_CRASHED"),
        ("sigsegv", DataOpsError, "JOB_CRASHED"),
        ("sighup", TransientError, "JOB_KILLED"),
    ],
)
def test_what_went_wrong_in_the_child_is_raised_here(
    tmp_path: Path, mode: str, kind: type[DataOpsError], code: str
) -> None:
    with pytest.raises(kind) as caught:
        job(tmp_path, mode)
    assert caught.value.code == code
    assert caught.value.retryable is issubclass(kind, TransientError)


def test_a_crash_shows_the_end_of_the_log(tmp_path: Path) -> None:
    with pytest.raises(DataOpsError, match=r"exit code 7.*about to crash"):
        job(tmp_path, "crash")


def test_a_killed_job_says_limit_share_and_way_out(tmp_path: Path) -> None:
    with pytest.raises(DataOpsError, match=r"memory limit \d.*given 128.0 MiB") as caught:
        job(tmp_path, "sigkill", resources={"memory_bytes": 128 * 2**20})
    assert caught.value.code in {"JOB_KILLED", "OUT_OF_MEMORY"}


def test_a_job_that_cannot_be_imported_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataOpsError, match=r"No module named airflow_dataops\.jobs\.nowhere"):
        JobProcess("nowhere").run(spec(tmp_path, "ok"), {}, on_line=lambda level, text: None)


def test_garbage_on_stdout_is_shown(tmp_path: Path) -> None:
    # "-P -m" gives the module's own stdout no way in; descriptor 3 and up is where the entry keeps the real one
    found = []
    for descriptor in range(3, 9):
        try:
            job(tmp_path, "garbage", marker=str(descriptor))
        except DataOpsError as error:
            found.append(error.code)
    assert "JOB_GARBAGE" in found


def test_lines_arrive_while_the_job_runs(tmp_path: Path) -> None:
    """It says the next line once the one before has arrived."""
    lines: list[str] = []

    def heard(_level: str, text: str) -> None:
        lines.append(text)
        (tmp_path / text).touch()

    JobProcess("", module=MODULE).run(spec(tmp_path, "slow_log", marker=str(tmp_path)), {}, on_line=heard)
    assert [line for line in lines if line.startswith("line")] == ["line 0", "line 1", "line 2"]


def test_a_flood_of_lines_and_a_large_envelope_do_not_block_one_another(tmp_path: Path) -> None:
    lines: list[str] = []
    job(tmp_path, "flood", lines=lines, marker="m" * 500_000)
    assert sum("x" * 100 in line for line in lines) == 3000


def test_a_child_of_the_child_that_holds_the_streams_does_not_hang_us(tmp_path: Path) -> None:
    assert job(tmp_path, "orphan", timeout=120)["status"] == "ok"


def test_no_secret_is_in_arguments_environment_or_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", SECRET)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    result = JobProcess("", module=MODULE).run(
        spec(tmp_path, "environment", salt={"secret": "env:SALT"}),
        {"env:SALT": SECRET},
        on_line=lambda level, text: None,
    )
    assert "PATH" in result["seen"]
    assert SECRET not in json.dumps(result)
    assert not [name for name in result["seen"] if name.startswith(("AIRFLOW", "AWS"))]


def test_a_job_in_a_bucket_of_googles_finds_its_key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/etc/keys/lake.json")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://localhost:4443")
    asked = {"GOOGLE_APPLICATION_CREDENTIALS", "STORAGE_EMULATOR_HOST"}
    assert asked <= set(job(tmp_path, "environment", marker="gs://bucket/lake")["seen"])
    assert not asked & set(job(tmp_path, "environment", marker="/lake")["seen"])


def test_the_clean_environment_puts_this_package_first() -> None:
    made = clean_environment({"PYTHONPATH": "/mine", "DB_PASSWORD": SECRET, "TZ": "UTC"})
    assert made["PYTHONPATH"].split(os.pathsep) == [str(ROOT), "/mine"]
    assert made.keys() == {"PYTHONPATH", "TZ", "PYTHONIOENCODING"}


@pytest.mark.parametrize("mode", ["sleep", "stubborn"])
def test_stop_ends_the_job_and_all_that_it_started(tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "GRACE_SECONDS", 1.0)
    marker = tmp_path / "pids"
    process = JobProcess("", module=MODULE)

    def stop_it() -> None:
        pids(marker)
        process.stop()

    stopper = threading.Thread(target=stop_it)
    stopper.start()
    with pytest.raises(DataOpsError, match="stopped") as caught:
        process.run(spec(tmp_path, mode, marker=str(marker)), {}, on_line=lambda level, text: None)
    stopper.join()
    assert caught.value.code == "JOB_STOPPED"
    assert all_end(marker)
    assert (tmp_path / "pids.ended").exists() is (mode == "sleep")


def test_stop_before_the_start_lets_nothing_start(tmp_path: Path) -> None:
    process = JobProcess("", module=MODULE)
    process.stop()
    with pytest.raises(DataOpsError, match="stopped"):
        process.run(spec(tmp_path, "ok"), {}, on_line=lambda level, text: None)
    assert process.pid is None


def test_a_job_that_takes_too_long_is_ended_and_may_be_retried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marker, real = tmp_path / "pids", time.monotonic
    # An hour has passed once the job is at work.
    monkeypatch.setattr(child.time, "monotonic", lambda: real() + 3600 * marker.exists())
    with pytest.raises(TransientError, match=r"more than 1800 s"):
        job(tmp_path, "sleep", marker=str(marker), timeout=1800)
    monkeypatch.undo()
    assert all_end(marker)


def test_a_secret_in_a_query_is_not_in_the_engines_error_nor_in_its_traceback(tmp_path: Path) -> None:
    salt = f"s3cr3t it's a long one {'and longer ' * 12}s3cr3t"
    lines: list[str] = []
    with pytest.raises(DataOpsError, match="Binder Error") as caught:
        JobProcess("", module=MODULE).run(
            spec(tmp_path, "engine", salt={"secret": "env:SALT"}),
            {"env:SALT": salt},
            on_line=lambda level, text: lines.append(text),
        )
    assert any("LINE 1:" in line for line in lines)
    records = [file.read_text() for file in tmp_path.rglob("*") if file.is_file()]
    shown = "\n".join([*lines, *records, json.dumps(caught.value.to_dict())])
    assert "s3cr3t" not in shown
    assert "longer" not in shown


def test_a_job_that_nobody_wants_any_more_is_ended_and_may_be_retried(tmp_path: Path) -> None:
    marker = tmp_path / "pids"
    with pytest.raises(TransientError, match="nobody waits") as caught:
        JobProcess("", module=MODULE).run(
            spec(tmp_path, "stubborn", marker=str(marker)),
            {},
            on_line=lambda level, text: None,
            wanted=lambda: not pids(marker),
        )
    assert caught.value.code == "JOB_ABANDONED"
    assert all_end(marker)


def test_an_error_while_telling_the_log_ends_the_job(tmp_path: Path) -> None:
    marker = tmp_path / "pids"

    def fail(level: str, text: str) -> None:
        pids(marker)
        raise RuntimeError("the log is gone")

    with pytest.raises(RuntimeError, match="gone"):
        JobProcess("", module=MODULE).run(spec(tmp_path, "sleep", marker=str(marker)), {}, on_line=fail)
    assert all_end(marker)


def test_kill_9_of_the_parent_ends_the_job(tmp_path: Path) -> None:
    marker = tmp_path / "pids"
    code = f"""
from airflow_dataops.clients.job_process import JobProcess
from tests.sample_jobs.sample_job import SampleSpec
spec = SampleSpec.model_validate({document(tmp_path, "stubborn", marker=str(marker))!r})
JobProcess("", module={MODULE!r}).run(spec, {{}}, on_line=lambda level, text: None)
"""
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    child, _ = pids(marker)
    assert alive(child)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert wait_for(lambda: not alive(child))


def test_the_end_of_stdin_alone_ends_the_job_and_its_children(tmp_path: Path) -> None:
    """Where the kernel cannot tell, as after the parent of the parent: here the parent lives on and only lets go of the pipe."""
    marker = tmp_path / "pids"
    envelope = {"spec": document(tmp_path, "stubborn", marker=str(marker)), "secrets": {}, "hold": True}
    process = subprocess.Popen(
        [sys.executable, "-m", MODULE, "--spec", "-"], cwd=ROOT, stdin=subprocess.PIPE, start_new_session=True
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(envelope).encode() + b"\n")
    process.stdin.flush()
    children = pids(marker)
    process.stdin.close()
    assert process.wait(60) == -signal.SIGKILL
    assert wait_for(lambda: not any(map(alive, children)))


@pytest.mark.parametrize(
    ("line", "parts"),
    [("INFO a b", ("INFO", "a b")), ("no level", ("INFO", "no level")), ("ERROR", ("ERROR", "")), ("", ("INFO", ""))],
)
def test_a_log_line_is_split_into_level_and_text(line: str, parts: tuple[str, str]) -> None:
    assert split_level(line) == parts
