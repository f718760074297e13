# SPDX-License-Identifier: Apache-2.0
"""A job that does as it is told, for tests of what surrounds jobs: ``python -m tests.sample_jobs.sample_job --spec -``."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Literal

from airflow_dataops.core.errors import GateFailed, InputError, StorageError
from airflow_dataops.core.tables import JobResult, JobSpec, RowCounts, SecretRef
from airflow_dataops.jobs.process import main


class SampleSpec(JobSpec):
    job: Literal["sample"] = "sample"
    mode: str = "ok"
    marker: str = ""
    salt: SecretRef | None = None


class SampleResult(JobResult):
    job: Literal["sample"] = "sample"
    verdict: str = "passed"
    seen: list[str] = []


def run(
    spec: SampleSpec,
    *,
    secrets: Mapping[str, str] | None = None,
    progress: Callable[[str], None] | None = None,
) -> JobResult:
    if progress:
        progress(f"mode {spec.mode}")
    seen = MODES[spec.mode](spec, secrets or {}) or []
    verdict = "failed" if spec.mode == "verdict" else "passed"
    return SampleResult(task=spec.task, run=spec.run, verdict=verdict, seen=seen, rows=RowCounts(read=3, written=2))


def _bad_input(spec: SampleSpec, secrets: Mapping[str, str]) -> None:
    raise InputError("no files", hint="look", code="SOURCE_MISSING", details={"path": spec.marker})


def _gate(spec: SampleSpec, secrets: Mapping[str, str]) -> None:
    raise GateFailed("2 rules failed")


def _storage(spec: SampleSpec, secrets: Mapping[str, str]) -> None:
    raise StorageError("no answer")


def _bug(spec: SampleSpec, secrets: Mapping[str, str]) -> None:
    raise ValueError(f"a bug with {secrets}")


def _engine(spec: SampleSpec, secrets: Mapping[str, str]) -> None:
    import duckdb

    [salt] = secrets.values()
    quoted = salt.replace("'", "''")
    duckdb.connect().execute(f"SELECT sha256('{quoted}' || a), {'1 + ' * 20} nothing FROM (VALUES ('x')) t(a)")


def _disk_full(spec: SampleSpec, secrets: Mapping[str, str]) -> None:
    raise OSError(28, "No space left on device")


def _forbidden(spec: SampleSpec, secrets: Mapping[str, str]) -> None:
    raise PermissionError(13, "Permission denied")


def _memory(spec: SampleSpec, secrets: Mapping[str, str]) -> None:
    raise MemoryError


def _noise(spec: SampleSpec, secrets: Mapping[str, str]) -> None:
    print("noise from python")
    ctypes.CDLL(None).puts(b"noise from C")
    ctypes.CDLL(None).fflush(None)


def _garbage(spec: SampleSpec, secrets: Mapping[str, str]) -> None:
    os.write(int(spec.marker or 1), b"this is no document")
    os._exit(0)


def _environment(spec: SampleSpec, secrets: Mapping[str, str]) -> list[str]:
    return [*sorted(os.environ), *os.environ.values(), " ".join(sys.argv)]


def _secret(spec: SampleSpec, secrets: Mapping[str, str]) -> list[str]:
    for value in secrets.values():
        logging.getLogger("sample").warning("connecting with %s", value)
    return sorted(secrets)


def _signal_self(number: int) -> Callable[[SampleSpec, Mapping[str, str]], None]:
    def kill(spec: SampleSpec, secrets: Mapping[str, str]) -> None:
        if number == signal.SIGHUP:
            # Whoever runs the tests by nohup has it ignored, and children inherit that.
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        time.sleep(30)

    return kill


def _sleep(spec: SampleSpec, secrets: Mapping[str, str]) -> None:
    child = subprocess.Popen(["sleep", "600"])
    with open(spec.marker, "w") as file:
        file.write(f"{os.getpid()} {child.pid}")
    try:
        time.sleep(600)
    finally:
        with open(spec.marker + ".ended", "w") as file:
            file.write("ended")


def _stubborn(spec: SampleSpec, secrets: Mapping[str, str]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _sleep(spec, secrets)


def _slow_log(spec: SampleSpec, secrets: Mapping[str, str]) -> None:
    for number in range(3):
        logging.getLogger("sample").info("line %d", number)
        if not spec.marker:
            time.sleep(0.4)  # nobody looks at the lines
        while spec.marker and not os.path.exists(f"{spec.marker}/line {number}"):
            time.sleep(0.01)


def _flood(spec: SampleSpec, secrets: Mapping[str, str]) -> None:
    for _ in range(3000):
        logging.getLogger("sample").info("x" * 100)


def _orphan(spec: SampleSpec, secrets: Mapping[str, str]) -> None:
    subprocess.Popen(["sleep", "300"])  # keeps our streams open after our end


def _crash(spec: SampleSpec, secrets: Mapping[str, str]) -> None:
    logging.getLogger("sample").error("about to crash")
    os._exit(7)


MODES: dict[str, Callable[[SampleSpec, Mapping[str, str]], list[str] | None]] = {
    "ok": lambda spec, secrets: None,
    "verdict": lambda spec, secrets: None,
    "bad_input": _bad_input,
    "gate": _gate,
    "storage": _storage,
    "bug": _bug,
    "engine": _engine,
    "disk_full": _disk_full,
    "forbidden": _forbidden,
    "memory": _memory,
    "noise": _noise,
    "garbage": _garbage,
    "environment": _environment,
    "secret": _secret,
    "sigkill": _signal_self(signal.SIGKILL),
    "sigsegv": _signal_self(signal.SIGSEGV),
    "sighup": _signal_self(signal.SIGHUP),
    "sleep": _sleep,
    "stubborn": _stubborn,
    "slow_log": _slow_log,
    "flood": _flood,
    "orphan": _orphan,
    "crash": _crash,
}

if __name__ == "__main__":
    sys.exit(main(SampleSpec, run))
