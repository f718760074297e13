# SPDX-License-Identifier: Apache-2.0
"""A process of our own, followed line by line and ended with all that it has started."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import IO

from airflow_dataops.core.errors import TransientError

GRACE_SECONDS = 5.0
_TICK = 0.2
_LONGEST_DOCUMENT = 64 * 2**20
_LONGEST_LINE = 1 << 16


class Follower:
    """Feeds a process its envelope and reads both of its streams, none of which may block the other.

    Args:
        process: Its three streams are pipes.
        envelope: What it is told; the pipe then stays open.
        on_line: Takes each line of its standard error, and returns what of it is worth remembering.
        remembered: Lines.

    Attributes:
        document: Its standard output.
        last_lines: The end of what was worth remembering.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], envelope: bytes, on_line: Callable[[str], str], *, remembered: int = 20
    ) -> None:
        self._process, self._envelope, self._on_line = process, memoryview(envelope), on_line
        self._rest = b""
        self.document = bytearray()
        self.last_lines: deque[str] = deque(maxlen=remembered)
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
            if not events and has_ended(self._process):
                break  # something that the job started still holds its streams
            go_on()
        self._emit(b"\n" if self._rest else b"")
        while not has_ended(self._process):
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
            self.last_lines.append(self._on_line(line.decode(errors="replace").rstrip("\r"))[:500])


def _check(timeout: float | None, wanted: Callable[[], bool] | None) -> Callable[[], None]:
    """Return a function that raises as soon as a job may not go on; the time counts from now."""
    deadline = None if timeout is None else time.monotonic() + timeout

    def go_on() -> None:
        if deadline is not None and time.monotonic() > deadline:
            raise TransientError(f"the job was stopped: it took more than {timeout:g} s", code="JOB_TIMEOUT")
        if wanted is not None and not wanted():
            raise TransientError("the job was stopped: nobody waits for its result any more", code="JOB_ABANDONED")

    return go_on


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and its group; safe to call twice, and inside a signal handler."""
    if process.returncode is not None:
        return
    if not has_ended(process):
        _signal(process, signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS
        while not has_ended(process) and time.monotonic() < deadline:
            time.sleep(_TICK / 10)
    _signal(process, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)


def has_ended(process: subprocess.Popen[bytes]) -> bool:
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
