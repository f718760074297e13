# SPDX-License-Identifier: Apache-2.0
"""One container of PodRunner: a process whose output goes into a log with times, and what becomes of it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.services.processes import Keeper, Process

LAST_LINES, LONGEST_MESSAGE = 80, 4096


def now(*, micro: bool = False) -> str:
    """Return the time as the API writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Image:
    """What a container gets from its image.

    Attributes:
        entrypoint: Command where the pod says none.
        command: Arguments where the pod says none.
        env: Variables.
        root: Folder that is copied over the root file system; only where containers are isolated.
        mounts: Path in the container -> folder or file of the host that is there, read only; only where containers are isolated.
        folder: Working directory.
    """

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    root: Path | None = None
    mounts: Mapping[str, Path] = field(default_factory=dict)
    folder: str = "/"


class Container:
    """A container; it may be started several times."""

    def __init__(self, spec: Mapping[str, Any], folder: Path) -> None:
        self.spec, self.name, self.folder = spec, str(spec["name"]), folder
        self.process: Process | None = None
        self.log: Path | None = None
        self.ended = threading.Event()  # the log of the present process is complete
        self.restarts = 0
        self.id = ""
        self.killed_for_memory = False
        self.started_at = ""
        self.state: dict[str, Any] = {"waiting": {"reason": "ContainerCreating"}}
        self.last: dict[str, Any] = {}
        self._rotations = 0

    @property
    def termination_file(self) -> Path:
        """Where it leaves its last words."""
        return self.folder / "termination-log"

    @property
    def code(self) -> int | None:
        """Exit code; None where it has not ended."""
        found = self.state.get("terminated")
        return None if found is None else int(found["exitCode"])

    def status(self) -> dict[str, Any]:
        """Return its entry of ``containerStatuses``."""
        running = "running" in self.state
        found = {"name": self.name, "image": self.spec["image"], "imageID": "local", "restartCount": self.restarts}
        found |= {"ready": running, "started": running, "state": self.state, "lastState": self.last}
        return found | ({"containerID": self.id} if self.id else {})

    def prepare(self) -> None:
        """Make its folder and an empty termination message."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.termination_file.write_bytes(b"")
        self.termination_file.chmod(0o666)

    def start(self, keeper: Keeper, command: list[str], env: Mapping[str, str], folder: Path) -> None:
        """Start its process; the output goes through a pipe with a name, since the keeper writes to files."""
        self.log, self.ended, self.killed_for_memory = self.log_of(self.restarts), threading.Event(), False
        self.log.touch()
        pipe = self.folder / f"{uuid.uuid4().hex}.pipe"
        os.mkfifo(pipe)
        reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        self.process = keeper.start(command, output=pipe, env=env, cwd=folder)
        pipe.unlink()
        fcntl.fcntl(reading, fcntl.F_SETFL, 0)
        threading.Thread(target=self._pump, args=(reading, self.ended), daemon=True).start()
        self.id, self.started_at = f"process://{uuid.uuid4().hex}", now()
        self.state = {"running": {"startedAt": self.started_at}}

    def log_of(self, restart: int) -> Path:
        """Return the log of a restart, the last part of it where it was rotated."""
        parts = sorted(self.folder.glob(f"log-{restart}-*"))
        return parts[-1] if parts else self.folder / f"log-{restart}-0"

    def rotate(self) -> None:
        """Begin a new log, as a kubelet does at 10 MiB: what was written before can be read no more."""
        self._rotations += 1
        self.log = self.folder / f"log-{self.restarts}-{self._rotations}"
        self.log.touch()

    def signal(self, number: int) -> None:
        """Send a signal to its first process only."""
        if self.process is not None and self.process.poll() is None and self.process.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, number)

    def wait(self, *, memory: float | None, killed_at_once: bool) -> int:
        """Wait for the end, kill it where it takes too much memory, take down how it ended, and return its exit code."""
        process = self.process
        assert process is not None
        while process.wait(0 if killed_at_once else 0.1 if memory else 5) is None:
            if killed_at_once or (memory is not None and memory_of(process.pid) > memory):
                self.killed_for_memory, killed_at_once = True, False
                process.signal(signal.SIGKILL)
        code = process.wait(0) or 0
        self.ended.wait(5)
        shown = code if code >= 0 else 128 - code
        reason = "OOMKilled" if self.killed_for_memory else "Error" if code else "Completed"
        ended = {"exitCode": shown, "reason": reason, "startedAt": self.started_at, "finishedAt": now()}
        said = self._last_words(shown)
        self.state = {"terminated": ended | {"containerID": self.id} | ({"message": said} if said else {})}
        return shown

    def _last_words(self, code: int) -> str:
        said = self.termination_file.read_bytes()[:LONGEST_MESSAGE]
        if not said and code and self.spec.get("terminationMessagePolicy") == "FallbackToLogsOnError" and self.log:
            lines = self.log.read_bytes().splitlines(keepends=True)[-LAST_LINES:]
            said = b"".join(line.partition(b" ")[2] for line in lines)[-2048:]
        return said.decode(errors="replace")

    def _pump(self, reading: int, ended: threading.Event) -> None:
        with open(reading, "rb") as output:
            for line in output:
                assert self.log is not None
                with self.log.open("ab") as log:
                    log.write(now(micro=True).encode() + b" " + line)
        ended.set()


def memory_of(session: int) -> int:
    """Return the resident bytes of a session's processes."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == session:
                total += int(fields[21]) * 4096
    return total
