# SPDX-License-Identifier: Apache-2.0
"""A small server for an orchestrator and Prometheus: ``/healthz``, ``/readyz``, ``/metrics``, in plain HTTP, on a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol


class Probed(Protocol):
    """Who is asked; on other threads than its own."""

    @property
    def is_alive(self) -> bool:
        """False where it hangs, and only a new process helps."""

    @property
    def is_ready(self) -> bool:
        """Whether it can work now."""

    def text(self) -> bytes:
        """Return its metrics as Prometheus reads them."""


@contextmanager
def probes(asked: Probed, host: str, port: int) -> Iterator[int]:
    """Serve ``/healthz``, ``/readyz`` and ``/metrics``, and give the port.

    Args:
        asked: Who is asked.
        host: Address to listen on.
        port: Its port; 0: any that is free.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, asked.text(), "text/plain; version=0.0.4; charset=utf-8")
            elif self.path in ("/healthz", "/readyz"):
                good = asked.is_alive and (self.path == "/healthz" or asked.is_ready)
                self._answer(200 if good else 503, b"ok\n" if good else b"no\n", "text/plain")
            else:
                self._answer(404, b"/healthz, /readyz and /metrics are here\n", "text/plain")

        def _answer(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Probes come every few seconds: nobody wants to read that."""

    server = ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="probes", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


__all__ = ["Probed", "probes"]
