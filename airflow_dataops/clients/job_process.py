# SPDX-License-Identifier: Apache-2.0
"""The parent's side of a job's process: start it, follow it, stop it, and read what it found."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from airflow_dataops.clients import limits
from airflow_dataops.core.errors import TransientError
from airflow_dataops.core.job_outcome import Ended, read_outcome
from airflow_dataops.core.tables import JobSpec

OnLine = Callable[[str, str], None]

GRACE_SECONDS = 5.0
_TICK = 0.2
_LONGEST_DOCUMENT = 64 * 2**20
_LONGEST_LINE = 1 << 16
_LEVELS = frozenset({"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"})
# What a program needs to find its libraries, time zone and certificates. Airflow's own settings and all else that may hold a secret
# stay behind: a job gets its secrets by name.
_KEPT = (
    "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "LOGNAME", "PATH", "PYTHONHOME", "PYTHONPYCACHEPREFIX", "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR", "SSL_CERT_FILE", "TEMP", "TMP", "TMPDIR", "TZ", "USER", "VIRTUAL_ENV",
)  # fmt: skip


class JobProcess:
    """One job in a process of its own, in its own session, with a clean environment.

    Args:
        stem: ``airflow_dataops.jobs.<stem>`` is what runs.
        module: Another module that speaks the protocol of :mod:`airflow_dataops.jobs.process`, by its full name.
    """

    def __init__(self, stem: str, *, module: str | None = None) -> None:
        self._module = module or f"airflow_dataops.jobs.{stem}"
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    @property
    def pid(self) -> int | None:
        """Process id of the child; None before its start."""
        return self._process.pid if self._process else None

    def run(
        self,
        spec: JobSpec,
        secrets: Mapping[str, str],
        *,
        on_line: OnLine,
        timeout: float | None = None,
        wanted: Callable[[], bool] | None = None,
    ) -> dict[str, Any]:
        """Run the job to its end.

        The calling thread must outlive the job: on Linux a child dies with the thread that started it.

        Args:
            spec: What to do.
            secrets: Reference -> value; they go through the pipe only.
            on_line: Called with ``(level, text)`` for each line that the job logs, while it runs, in the calling thread.
            timeout: Seconds after which it is stopped.
            wanted: Asked several times a second; once it says no, the job is stopped.

        Returns:
            The job's result document, also one of a check that failed.

        Raises:
            DataOpsError: The error that the job reported; or ``OUT_OF_MEMORY``, ``JOB_CRASHED``, ``JOB_GARBAGE``.
            TransientError: It was stopped (``JOB_STOPPED``), killed from outside (``JOB_KILLED``), ran out of time (``JOB_TIMEOUT``), or
                is not wanted any more (``JOB_ABANDONED``).
        """
        if self._stopped:
            raise _stopped()
        kills = limits.oom_kills()
        envelope = {"spec": spec.model_dump(mode="json"), "secrets": dict(secrets), "hold": True}
        process = self._process = self._spawn()
        follower = _Follower(process, json.dumps(envelope).encode() + b"\n", on_line)
        try:
            follower.follow(timeout, wanted)
        finally:
            _end(process)  # it has ended, or its time was up, or on_line, a signal, or the task's own time-out raised
            follower.close()
        if self._stopped:
            raise _stopped()
        return read_outcome(_ended(process, follower, spec, kills))

    def stop(self) -> None:
        """End the job at once: ask it, and after :data:`GRACE_SECONDS` kill it and all that it has started."""
        self._stopped = True
        if self._process is not None:
            _end(self._process)

    def _spawn(self) -> subprocess.Popen[bytes]:
        # -P: a file of the working directory must not shadow a library
        return subprocess.Popen(  # noqa: S603 - the module's name is ours
            [sys.executable, "-P", "-m", self._module, "--spec", "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env=clean_environment(os.environ),
        )


def run_job(
    stem: str, spec: JobSpec, secrets: Mapping[str, str], *, on_line: OnLine, timeout: float | None = None
) -> dict[str, Any]:
    """Run a job in a process of its own; see :meth:`JobProcess.run`."""
    return JobProcess(stem).run(spec, secrets, on_line=on_line, timeout=timeout)


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what of an environment a job gets, plus the path by which this package is found."""
    package = str(Path(__file__).resolve().parents[2])
    path = [package, *(p for p in environ.get("PYTHONPATH", "").split(os.pathsep) if p and p != package)]
    kept = {name: environ[name] for name in _KEPT if name in environ}
    return {**kept, "PYTHONPATH": os.pathsep.join(path), "PYTHONIOENCODING": "utf-8"}


class _Follower:
    """Feeds a process its envelope and reads both of its streams, none of which may block the other."""

    def __init__(self, process: subprocess.Popen[bytes], envelope: bytes, on_line: OnLine) -> None:
        self._process, self._envelope, self._on_line = process, memoryview(envelope), on_line
        self._rest = b""
        self.document = bytearray()
        self.last_lines: deque[str] = deque(maxlen=20)
        self._selector = selectors.DefaultSelector()
        for stream, event, handle in (
            (process.stdin, selectors.EVENT_WRITE, self._feed),
            (process.stdout, selectors.EVENT_READ, self._take_document),
            (process.stderr, selectors.EVENT_READ, self._take_log),
        ):
            if stream is not None:
                os.set_blocking(stream.fileno(), False)
                self._selector.register(stream, event, handle)

    def follow(self, timeout: float | None, wanted: Callable[[], bool] | None) -> None:
        """Return when the process has ended.

        Raises:
            TransientError: The time was up before (``JOB_TIMEOUT``), or nobody wants it any more (``JOB_ABANDONED``).
        """
        go_on = _check(timeout, wanted)
        while self._streams_open():
            events = self._selector.select(_TICK)
            for key, _ in events:
                key.data(key.fileobj)
            if not events and _has_ended(self._process):
                break  # something that the job started still holds its streams
            go_on()
        self._emit(b"\n" if self._rest else b"")
        while not _has_ended(self._process):
            go_on()
            time.sleep(_TICK / 10)

    def close(self) -> None:
        """Close the pipes."""
        self._selector.close()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            with suppress(OSError):
                if stream is not None:
                    stream.close()

    def _streams_open(self) -> bool:
        return any(key.events & selectors.EVENT_READ for key in self._selector.get_map().values())

    def _feed(self, stdin: IO[bytes]) -> None:
        """Write the envelope; stdin then stays open, since its end would end the job."""
        try:
            self._envelope = self._envelope[os.write(stdin.fileno(), self._envelope) :]
        except BrokenPipeError:
            self._envelope = self._envelope[:0]  # it died before it read all: its log and exit code say why
        if not self._envelope:
            self._selector.unregister(stdin)

    def _take_document(self, stdout: IO[bytes]) -> None:
        chunk = self._read(stdout)
        if len(self.document) + len(chunk) <= _LONGEST_DOCUMENT:
            self.document += chunk

    def _take_log(self, stderr: IO[bytes]) -> None:
        self._emit(self._read(stderr))

    def _read(self, stream: IO[bytes]) -> bytes:
        chunk = os.read(stream.fileno(), 1 << 16)
        if not chunk:
            self._selector.unregister(stream)
        return chunk

    def _emit(self, chunk: bytes) -> None:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            level, text = split_level(line.decode(errors="replace").rstrip("\r"))
            self.last_lines.append(text[:500])
            self._on_line(level, text)


def _check(timeout: float | None, wanted: Callable[[], bool] | None) -> Callable[[], None]:
    """Return a function that raises as soon as a job may not go on; the time counts from now."""
    deadline = None if timeout is None else time.monotonic() + timeout

    def go_on() -> None:
        if deadline is not None and time.monotonic() > deadline:
            raise TransientError(f"the job was stopped: it took more than {timeout:g} s", code="JOB_TIMEOUT")
        if wanted is not None and not wanted():
            raise TransientError("the job was stopped: nobody waits for its result any more", code="JOB_ABANDONED")

    return go_on


def split_level(line: str) -> tuple[str, str]:
    """Return level and text of a log line; what a library printed by itself has no level and is ``INFO``."""
    level, _, text = line.partition(" ")
    return (level, text) if level in _LEVELS else ("INFO", line)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and its group; safe to call twice, and inside a signal handler."""
    if process.returncode is not None:
        return
    if not _has_ended(process):
        _signal(process, signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS
        while not _has_ended(process) and time.monotonic() < deadline:
            time.sleep(_TICK / 10)
    _signal(process, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Look without taking the exit code: until that is taken the number cannot become another process's, which we would kill."""
    if process.returncode is not None:
        return True
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _stopped() -> TransientError:
    # What stopped it may be a worker that shuts down: another one can do the work.
    return TransientError("the job was stopped before it was done", code="JOB_STOPPED")


def _ended(process: subprocess.Popen[bytes], follower: _Follower, spec: JobSpec, kills: int | None) -> Ended:
    now = limits.oom_kills()
    return Ended(
        code=process.returncode,
        stdout=bytes(follower.document),
        last_lines=list(follower.last_lines),
        out_of_memory=None if kills is None or now is None else now > kills,
        memory_limit=limits.memory_limit(),
        memory_asked=spec.resources.memory_bytes,
    )


__all__ = ["JobProcess", "clean_environment", "run_job", "split_level"]
