# SPDX-License-Identifier: Apache-2.0
"""A process that is asked about groups, and behaves as their names say: ``python fake_child.py FOLDER``.

It leaves a file in FOLDER while it runs, and one with what it was asked. ``wait`` waits until FOLDER has a file ``go``.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

folder = Path(sys.argv[1])
request = json.loads(sys.stdin.buffer.readline())
running = folder / f"running-{os.getpid()}"
running.touch()
beside = len(list(folder.glob("running-*")))
groups = [ask["group"] for ask in request["asks"]]
(folder / f"asked-{os.getpid()}.part").write_text(json.dumps({"groups": groups, "beside": beside, "argv": sys.argv}))
(folder / f"asked-{os.getpid()}.part").rename(folder / f"asked-{os.getpid()}.json")


def say(text: str) -> None:
    """Write to standard output at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


def wait() -> None:
    """Wait for the test."""
    while not (folder / "go").exists():
        time.sleep(0.01)


def fail() -> None:
    """End as a program does that something went wrong in."""
    print(f"it broke, with the password {request['settings']['sasl.password']}", file=sys.stderr)
    sys.exit(3)


def go_on_for_ever() -> None:
    """Never end a line."""
    while True:
        say("x" * 65536)


def chatter() -> None:
    """Write lines, and never end."""
    while True:
        say("x\n" * 32768)


def end_early(line: str) -> None:
    """End in the middle of an answer."""
    say(line[:20])
    sys.exit(0)


BEFORE = {
    "wait": wait,
    "segv": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "exit": fail,
    "endless": go_on_for_ever,
    "chatty": chatter,
}
INSTEAD = {
    "silent": lambda _: None,
    "garbage": lambda _: say("{not json}\n"),
    "wrong": lambda line: say(line.replace('"wrong"', '"another"')),
    "half": end_early,
}
for place, group in enumerate(groups):
    kind = group.split("-", maxsplit=1)[0]
    BEFORE.get(kind, lambda: None)()
    snapshot = {"group": group, "taken_at_ms": 1, "state": "STABLE", "members": []}
    INSTEAD.get(kind, say)(json.dumps({"ask": place, "snapshot": snapshot}) + "\n")
running.unlink()
