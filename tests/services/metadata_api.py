# SPDX-License-Identifier: Apache-2.0
"""The metadata API as a process of its own: ``dataops serve metadata-api``, on the loopback."""

from __future__ import annotations

import http.client
import json
import os
import ssl
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.services.ports import free_port
from tests.services.processes import Keeper, Process

ROOT = Path(__file__).resolve().parents[2]


class Api:
    """A running API.

    Attributes:
        process: It.
        port: Where it listens.
    """

    def __init__(self, process: Process, port: int, context: ssl.SSLContext | None) -> None:
        self.process, self.port, self.context = process, port, context

    @property
    def url(self) -> str:
        """Its address."""
        return f"{'http' if self.context is None else 'https'}://127.0.0.1:{self.port}"

    def connect(self, context: ssl.SSLContext | None = None) -> http.client.HTTPConnection:
        """Return a connection."""
        chosen = context or self.context
        if chosen is None:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=120, context=chosen)

    def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, context: Any = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Send a request, with a body as JSON, and return status, headers and body."""
        connection = self.connect(context)
        try:
            data = None if body is None else json.dumps(body)
            given = {"Content-Type": "application/json"} if data is not None else {}
            connection.request(method, path, data, {**given, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def log(self) -> list[dict[str, Any]]:
        """Return the lines that it logged."""
        return [json.loads(line) for line in self.process.output.read_text().splitlines() if line.startswith("{")]


@contextmanager
def metadata_api(
    folder: Path,
    bootstrap: str,
    *arguments: str,
    topic: str,
    context: ssl.SSLContext | None = None,
    command: Sequence[str] = (),
) -> Iterator[Api]:
    """Start an API, wait until it listens, and end it.

    Args:
        folder: For its log.
        bootstrap: Kafka.
        arguments: More of the command line.
        topic: Where events go.
        context: For TLS.
        command: Instead of the product's own.
    """
    keeper, port = Keeper(), free_port()
    own = ("-m", "dag_factories", "serve", "metadata-api", "--bootstrap", bootstrap, "--topic", topic)
    words = [sys.executable, *(command or own), "--port", str(port), *arguments]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))}
    try:
        process = keeper.start(words, output=folder / f"api-{port}.log", env=env)
        api = Api(process, port, context)
        _wait(api)
        yield api
    finally:
        keeper.close()


def _wait(api: Api) -> None:
    end = time.monotonic() + 180
    while not any(line["message"] == "listening" for line in api.log()):
        if api.process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"the API did not start:\n{api.process.output.read_text()[-3000:]}")
        time.sleep(0.05)
