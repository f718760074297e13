# SPDX-License-Identifier: Apache-2.0
"""An HTTP server that answers as it was told, and counts."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.services.ports import free_port

DROP, HANG = "drop", "hang"
Answer = tuple[int, Any] | str


@dataclass
class Server:
    """A server that runs.

    Attributes:
        url: Where it listens.
        answer: Path with its query -> status and document or bytes, ``DROP`` (hang up without a word) or ``HANG``.
        seen: ``METHOD path?query`` of each request.
        headers: Headers of the last request.
        bodies: Documents that were sent.
    """

    url: str
    answer: Callable[[str], Answer] = lambda path: (200, {})
    seen: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    bodies: list[Any] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serving() -> Iterator[Server]:
    """Start a server, and end it."""
    port = free_port()
    server = Server(f"http://127.0.0.1:{port}")
    http = ThreadingHTTPServer(("127.0.0.1", port), type("Handler", (_Handler,), {"state": server}))
    http.daemon_threads, http.block_on_close = True, False
    thread = threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        http.shutdown()
        http.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: Server

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _handle(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.state.seen.append(f"{self.command} {self.path}")
        self.state.headers = dict(self.headers.items())
        self.state.bodies.append(json.loads(sent) if sent else None)
        answer = self.state.answer(self.path)
        if isinstance(answer, str):
            if answer == HANG:
                self.state.over.wait(20)
            self.close_connection = True
            return
        status, body = answer
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = _handle
