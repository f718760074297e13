# SPDX-License-Identifier: Apache-2.0
"""Functions that the tests of the driver run, and the driver as a process."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from airflow_dataops.core.dataproc_dask.document import JobDocument, digest, encode

FUNCTIONS = """
import datetime, os, sys, time

LARGE = "x" * 70_000

def total(client, *, n):
    return {"sum": sum(client.gather(client.map(lambda x: 2 * x, range(n))))}

def boom(client):
    return client.submit(lambda: 1 / 0).result()

def large(client):
    return LARGE

def strange(client):
    return {"at": datetime.date(2026, 11, 21)}

def leave(client):
    sys.exit(0)

def wait(client):
    print("waiting", flush=True)
    time.sleep(600)

def stubborn(client):
    print("waiting", flush=True)
    while True:
        try:
            time.sleep(600)
        except BaseException:
            pass

def wait_for_dask(client):
    print("waiting", flush=True)
    client.gather(client.map(time.sleep, [600, 601]))

def uses_code(client):
    import extra
    return [extra.WHO, client.submit(lambda: __import__("extra").WHO).result()]

async def later(client):
    return 1

NOT_A_FUNCTION = 1
"""


class Driver:
    """A driver in its own process, on a document in a folder.

    Args:
        folder: Where document and results lie.
        options: More of the command line.
        under: A shell that starts it and waits for it.
        document: Fields of the document.
    """

    def __init__(
        self, folder: Path, *, options: tuple[str, ...] = (), under: str | None = None, **document: Any
    ) -> None:
        code = folder / "code"
        code.mkdir(exist_ok=True)
        (code / "functions.py").write_text(FUNCTIONS)
        usual = {"heartbeat": 2, "close": 40, "wait_for_workers": 100, "code": [str(code)]}
        data = encode(JobDocument.model_validate({**usual, **document}))
        self.folder, self.spec, self.log = folder / "x1", folder / "job.json", folder / "driver.log"
        self.spec.write_bytes(data)
        arguments = ["--spec", str(self.spec), "--sha256", digest(data), "--job-id", "x1", *options]
        command = [sys.executable, "-m", "airflow_dataops.jobs.dask_driver", *arguments]
        if under is not None:
            command = [under, "-c", f"{shlex.join(command)}; true"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )

    def works(self, word: str = "waiting", seconds: float = 150) -> None:
        """Return when the log has a word."""
        end = time.monotonic() + seconds
        while word not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.05)

    def end(self, seconds: float = 150) -> dict[str, Any]:
        """Wait for the end, and return ``result.json``."""
        try:
            self.process.wait(seconds)
        finally:
            self.process.kill()
            assert self.process.stdin is not None
            self.process.stdin.close()
        assert (self.folder / "result.json").exists(), self.log.read_text()
        found: dict[str, Any] = json.loads((self.folder / "result.json").read_bytes())
        return found

    def heartbeat(self) -> bytes:
        """Return the content of the last sign of life; empty where there was none yet."""
        path = self.folder / "heartbeat.json"
        return path.read_bytes() if path.exists() else b""
