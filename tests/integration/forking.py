# SPDX-License-Identifier: Apache-2.0
"""Processes that are there to be killed: forked by a server that has imported what they need, so that each costs milliseconds.

One JSON request a line on the server's stdin, one JSON answer a line on its stdout: ``{"start": {…}} -> {"pid": n}``;
``{"look": pid} -> {"code": n | null}``. What a child is told has ``environment``, its variables, and ``log``, the file of its output. Nothing
may be connected before the fork.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def serve(work: Callable[[dict[str, Any]], None], *modules: str) -> None:
    """Serve until stdin ends: the server's own side.

    Args:
        work: What a child does with what it is told.
        modules: What is imported before.
    """
    for name in modules:
        importlib.import_module(name)
    for line in sys.stdin:
        request = json.loads(line)
        answer: dict[str, Any]
        if "start" in request:
            answer = {"pid": _fork(work, request["start"])}
        else:
            pid, status = os.waitpid(request["look"], os.WNOHANG)
            answer = {"code": os.waitstatus_to_exitcode(status) if pid else None}
        print(json.dumps(answer), flush=True)


def _fork(work: Callable[[dict[str, Any]], None], told: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.dup2(os.open(told["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 1)
        os.dup2(1, 2)
        os.environ |= told["environment"]
        work(told)
        code = 0
    except BaseException:  # noqa: BLE001 - a child must not come back into the server
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


class Walker:
    """The tests' side of the server."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lock = threading.Lock()

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Ask it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


@contextmanager
def walker(module: str) -> Iterator[Walker]:
    """Start a server that forks, by the name of its module; it ends with its stdin."""
    args = [sys.executable, "-m", module]
    with subprocess.Popen(args, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Walker(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()


__all__ = ["ROOT", "Walker", "serve", "walker"]
