# SPDX-License-Identifier: Apache-2.0
"""Starts processes for another one and ends them all, with their children, when that one is gone, even by SIGKILL.

It is a process of one thread that loads next to nothing, so that it may fork safely whatever its owner does. Requests and answers are JSON
lines: ``{"spawn": id, "args": […], "env": {…}, "cwd": …, "output": file} -> {"id": id, "pid": n}``, ``{"signal": id, "number": 15}``; when a
process has ended, ``{"id": id, "code": n}`` comes by itself. The end of stdin is the end of all.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
from typing import Any

_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG
_libc = ctypes.CDLL(None)
_processes: dict[str, subprocess.Popen[bytes]] = {}


def main() -> None:
    """Serve until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        rest = b""
        while True:
            ready, _, _ = select.select([0], [], [], 0.02 if _processes else 1)
            if ready:
                data = os.read(0, 1 << 16)
                if not data:
                    return
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    _serve(json.loads(line))
            _reap()
    finally:
        for process in _processes.values():
            _kill(process, signal.SIGKILL)


def _serve(request: dict[str, Any]) -> None:
    if "spawn" in request:
        _spawn(request)
    elif request["signal"] in _processes:
        _kill(_processes[request["signal"]], request["number"])


def _spawn(request: dict[str, Any]) -> None:
    try:
        with open(request["output"], "ab") as output:
            process = subprocess.Popen(
                request["args"],
                env=request["env"],
                cwd=request["cwd"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: _libc.prctl(_DEATH_SIGNAL, signal.SIGKILL),  # noqa: PLW1509
            )
    except OSError as error:
        with contextlib.suppress(OSError), open(request["output"], "ab") as output:
            output.write(f"{error}\n".encode())
        _say({"id": request["spawn"], "pid": 0})
        _say({"id": request["spawn"], "code": 127})
        return
    _processes[request["spawn"]] = process
    _say({"id": request["spawn"], "pid": process.pid})


def _reap() -> None:
    for name, process in list(_processes.items()):
        code = process.poll()
        if code is not None:
            _kill(process, signal.SIGKILL)  # what it left behind in its group
            del _processes[name]
            _say({"id": name, "code": code})


def _kill(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(process.pid, number)


def _say(answer: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        os.write(1, json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    main()
