# SPDX-License-Identifier: Apache-2.0
"""A server on the loopback that answers JSON: what a test needs of Google's services that speak REST."""

from __future__ import annotations

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class RestServer:
    """Runs from its making to :meth:`close`; a subclass says what it answers.

    Attributes:
        url: Where it listens.
        seen: Path, raw body (None of a GET) and ``Authorization`` of each request.
    """

    def __init__(self) -> None:
        self.seen: list[tuple[str, bytes | None, str | None]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(None)

            def do_POST(self) -> None:
                self._answer(self.rfile.read(int(self.headers["Content-Length"])))

            def _answer(self, body: bytes | None) -> None:
                outer.seen.append((self.path, body, self.headers.get("Authorization")))
                try:
                    status, document = outer.answer(self.path)
                except ConnectionError:
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                text = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *args: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def answer(self, path: str) -> tuple[int, Any]:
        """Return status and document for a path with its query; ``ConnectionError`` closes the connection without an answer."""
        raise NotImplementedError

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
