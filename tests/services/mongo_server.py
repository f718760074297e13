# SPDX-License-Identifier: Apache-2.0
"""A real server that speaks Mongo's protocol (SecantusDB), in an environment of its own: ``tools/mongo_env.sh`` makes that."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.services.ports import free_port
from tests.services.processes import Keeper, Process

_VENVS = Path.home() / ".cache/airflow-dataops/venvs"
HOW_TO_GET_IT = "no Mongo-compatible server: tools/mongo_env.sh"


def program() -> str:
    """Return the server's program; without one the test is skipped."""
    found = sorted(_VENVS.glob("secantusdb-*/.stamp"), key=lambda stamp: stamp.stat().st_mtime)
    if not found:
        pytest.skip(HOW_TO_GET_IT)
    return str(found[-1].parent / "bin/secantusd-py")


class MongoServer:
    """A server on a folder, which survives its deaths; the port stays.

    Args:
        folder: For data and logs.
        keeper: Starts the processes.
    """

    def __init__(self, folder: Path, keeper: Keeper) -> None:
        self.port = free_port()
        self._folder, self._keeper, self._starts = folder, keeper, 0
        self._process: Process | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def uri(self) -> str:
        """Its address, for a driver."""
        return f"mongodb://127.0.0.1:{self.port}/?directConnection=true"

    def client(self, **options: Any) -> Any:
        """Return a driver; close it."""
        import pymongo

        return pymongo.MongoClient(self.uri, **{"serverSelectionTimeoutMS": 60_000, **options})

    def start(self, seconds: float = 180) -> None:
        """Start it, and return when it serves.

        Raises:
            RuntimeError: It does not come up.
        """
        import pymongo

        self._starts += 1
        command = [program(), "--host", "127.0.0.1", "--port", str(self.port), "--log-level", "WARNING"]
        # Without --sync-on-commit: what it acknowledges survives its death only where the writer asked for that (j: true).
        command += ["--storage-path", str(self._folder / "data"), "--cache-size", "256M"]
        process = self._keeper.start(command, output=self._folder / f"server-{self._starts}.log")
        self._process, end = process, time.monotonic() + seconds
        with self.client(serverSelectionTimeoutMS=1000) as client:
            while True:
                try:
                    client.admin.command("ping")
                    return
                except pymongo.errors.PyMongoError as error:
                    if process.poll() is not None or time.monotonic() > end:
                        raise RuntimeError(f"no server: {error}\n{process.output.read_text()[-3000:]}") from error
                    time.sleep(0.1)

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it, as a machine dies or (SIGTERM) as one is shut down."""
        assert self._process is not None
        self._process.signal(how)
        if self._process.wait(90) is None:
            raise RuntimeError(f"the server did not heed {how.name}")


@contextmanager
def mongo_server(folder: Path) -> Iterator[MongoServer]:
    """Run a server, empty, and end it."""
    keeper = Keeper()
    try:
        server = MongoServer(folder, keeper)
        server.start()
        yield server
    finally:
        keeper.close()
