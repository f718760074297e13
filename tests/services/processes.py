# SPDX-License-Identifier: Apache-2.0
"""Processes that end with their owner: the owner's side of ``keeper.py``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

_KEEPER = Path(__file__).with_name("keeper.py")


class Process:
    """A process, in a group of its own; its output goes to a file.

    Attributes:
        pid: Its id, and that of its group.
        output: The file.
    """

    def __init__(self, keeper: Keeper, name: str, output: Path) -> None:
        self.output = output
        self.pid = 0
        self._keeper, self._name = keeper, name
        self._started, self._ended = threading.Event(), threading.Event()
        self._code: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, a negative number for a signal; None while it runs."""
        return self._code

    def wait(self, seconds: float) -> int | None:
        """Wait at most so long for its end."""
        self._ended.wait(seconds)
        return self._code

    def signal(self, number: int) -> None:
        """Send a signal to it and its children."""
        self._keeper.say({"signal": self._name, "number": int(number)})

    def stop(self, grace: float = 3) -> None:
        """End it, by force where it does not heed SIGTERM within ``grace`` seconds."""
        self.signal(signal.SIGTERM)
        if self.wait(grace) is None:
            self.signal(signal.SIGKILL)
            self.wait(5)


class Keeper:
    """Starts processes that end with this one."""

    def __init__(self) -> None:
        self._known: dict[str, Process] = {}
        self._lock = threading.Lock()
        self._keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_KEEPER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name="keeper", daemon=True)
        self._reader.start()

    def start(
        self, args: Sequence[str], *, output: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> Process:
        """Start a process and return when it has its id.

        Raises:
            RuntimeError: It could not be started.
        """
        name = uuid.uuid4().hex
        process = self._known[name] = Process(self, name, output)
        whole = dict(os.environ) if env is None else dict(env)
        place = str(cwd or Path.cwd())
        self.say({"spawn": name, "args": list(args), "env": whole, "cwd": place, "output": str(output)})
        if not process._started.wait(120):
            raise RuntimeError(f"{args[0]} was not started; the keeper's exit code is {self._keeper.poll()}")
        return process

    def say(self, request: dict[str, object]) -> None:
        """Send a request."""
        assert self._keeper.stdin is not None
        with self._lock:
            self._keeper.stdin.write(json.dumps(request).encode() + b"\n")
            self._keeper.stdin.flush()

    def close(self) -> None:
        """End all processes."""
        assert self._keeper.stdin is not None
        assert self._keeper.stdout is not None
        self._keeper.stdin.close()
        self._keeper.wait(60)
        self._reader.join(5)
        self._keeper.stdout.close()

    def _read(self) -> None:
        assert self._keeper.stdout is not None
        for line in self._keeper.stdout:
            answer = json.loads(line)
            process = self._known[answer["id"]]
            if "pid" in answer:
                process.pid = answer["pid"]
                process._started.set()
            else:
                process._code = answer["code"]
                process._ended.set()
                del self._known[answer["id"]]
