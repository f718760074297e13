# SPDX-License-Identifier: Apache-2.0
"""The tests' side of the server that forks jobs."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_dataops.core.tables import JobSpec
from tests.faults.arming import Plan

ROOT = Path(__file__).resolve().parents[2]
NO_PLAN = Plan(point="")


@dataclass(frozen=True)
class Ended:
    """A process that has ended.

    Attributes:
        code: Exit code; minus the signal's number where one killed it.
        folder: Its streams.
        trace: Places that it came to, each with the time of the system's monotonic clock in nanoseconds.
        pid: Its id, and that of the session of processes that it has started.
    """

    code: int
    folder: Path
    trace: list[tuple[str, int]]
    pid: int

    @property
    def killed(self) -> bool:
        """True where SIGKILL ended it."""
        return self.code == -signal.SIGKILL

    def document(self) -> dict[str, Any]:
        """What it wrote to stdout."""
        found: dict[str, Any] = json.loads((self.folder / "stdout").read_text() or "{}")
        return found

    def said(self) -> str:
        """Its log and its document, for messages of tests."""
        return (self.folder / "stderr").read_text()[-2000:] + (self.folder / "stdout").read_text()[-2000:]


class Forks:
    """Starts jobs as forks of one server.

    Args:
        process: The server.
        folder: For the streams of the children.

    Attributes:
        bug: Bug that jobs have from now on, see :mod:`tests.faults.planted`; None for none.
    """

    bug: str | None = None

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process, self._folder, self._count = process, folder, 0

    def start(self, job: str, **order: Any) -> tuple[int, Path]:
        """Start a child; return its process id and the folder of its streams."""
        self._count += 1
        folder = self._folder / f"{self._count:05d}"
        folder.mkdir(parents=True)
        text = json.dumps(order.pop("envelope", {}))
        (folder / "stdin").write_text(text + "\n")
        order = {"trace": str(folder / "trace"), **order}
        return int(self._ask({"start": {"job": job, "folder": str(folder), **order}})["pid"]), folder

    def begin(self, spec: JobSpec, secrets: dict[str, str], plan: Plan = NO_PLAN) -> tuple[int, Path]:
        """Start a job with a plan for its death."""
        envelope = {"spec": spec.model_dump(mode="json"), "secrets": secrets}
        return self.start(spec.job, envelope=envelope, plan=plan.document(), bug=self.bug)

    def wait(self, started: tuple[int, Path]) -> Ended:
        """Wait for the end of a child."""
        pid, folder = started
        code = self._ask({"wait": pid})["code"]
        assert code is not None
        return Ended(code, folder, read_trace(folder / "trace"), pid)

    def look(self, started: tuple[int, Path]) -> Ended | None:
        """Return a child that has ended; None while it runs."""
        code = self._ask({"look": started[0]})["code"]
        return None if code is None else Ended(code, started[1], read_trace(started[1] / "trace"), started[0])

    def run(self, spec: JobSpec, secrets: dict[str, str], plan: Plan = NO_PLAN) -> Ended:
        """Run a job to its end."""
        return self.wait(self.begin(spec, secrets, plan))

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


def read_trace(path: Path) -> list[tuple[str, int]]:
    """Return the places that a process came to."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [(name, int(at)) for name, at in (line.split(" ") for line in lines)]


def in_session(leader: int) -> list[str]:
    """Return the command lines of the processes in a session; of those that have ended and are still on the list, none."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, _, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(session) == leader and state != "Z":
                found.append((folder / "cmdline").read_text().replace("\0", " ")[:200])
    return found


@contextlib.contextmanager
def forks(folder: Path, environ: Mapping[str, str] | None = None) -> Iterator[Forks]:
    """Run a server until the end of the context; ``environ`` is what its jobs have besides this process's environment."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tmp").mkdir()
    # One thread in the numeric libraries, and no .pyc files: what a child does is then the same each time.
    calm = {
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(folder / "tmp"),
    }
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.server"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, **calm, **(environ or {})},
        )
    try:
        yield Forks(process, folder)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(120)
        assert process.stdout is not None
        process.stdout.close()
