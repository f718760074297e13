# SPDX-License-Identifier: Apache-2.0
"""Writers in processes of their own, which a test lets look and write in its own order."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from airflow_dataops.clients.lease import Lease
from airflow_dataops.clients.s3 import S3Client
from airflow_dataops.clients.storage_s3 import S3Storage

ROOT = Path(__file__).parents[3]
OTHER = "import sys; from tests.integration.s3 import two_writers as here; getattr(here, sys.argv[1])(*sys.argv[2:])"
OBJECTS = 4
SETTLED = 3.0  # a busy machine is no later writer


class Told(S3Storage):
    """A writer who says on stdout that it has looked at its objects, and goes on when a line comes.

    Args:
        objects: How many they are, each in a thread of its own.
        looks: After so many looks at each.
    """

    def __init__(self, objects: int, looks: int) -> None:
        super().__init__(S3Client.from_env(), settled=SETTLED)
        self._looks, self._count = looks, Counter[str]()
        self._all = threading.Barrier(objects, action=lambda: _say_and_wait("looked"))

    def _content(self, path: str) -> tuple[bytes, str] | None:
        found = super()._content(path)
        self._count[path] += 1
        if self._count[path] == self._looks:
            self._all.wait()
        return found


def _say_and_wait(word: str) -> None:
    print(word, flush=True)
    sys.stdin.readline()


def race(lake: str, who: str) -> None:
    """Write all objects in one moment, in a process of its own, and print which of them were won."""
    storage = Told(OBJECTS, 1)
    with ThreadPoolExecutor(OBJECTS) as pool:
        won = pool.map(lambda n: storage.replace_if(f"{lake}/{n}", before_of(n), who.encode()), range(OBJECTS))
        print(json.dumps([*won]), flush=True)


def come_later(lake: str) -> None:
    """Take a lease that was free when it was looked at, in a process of its own, and hold it until a line comes."""
    with Lease(Told(1, 2), f"{lake}/lease.json", table="t", what="the later one", wait_seconds=0) as lease:
        _say_and_wait("held")
        print(lease.token, flush=True)


def before_of(number: int) -> bytes | None:
    return b"before" if number % 2 else None


def other(*words: str) -> subprocess.Popen[str]:
    """Start a function of this module in a process of its own."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", OTHER, *words], cwd=ROOT, text=True, **pipes)


def heard(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == f"{word}\n"


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()
