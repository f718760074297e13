# SPDX-License-Identifier: Apache-2.0
"""An HTTP proxy before a server that does its work and whose answer is then lost, where a test says so."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


class LossyProxy:
    """Runs from its making to :meth:`close`, and passes everything on as it came.

    Args:
        url: Of the server.

    Attributes:
        url: Where it listens.
        lose: Whether the answer to a request (method and path) is to get lost; asked when the server has answered.
        lost: Method, path and the server's status of each answer that got lost.
        asked: Method and path of each request, and what it has the server copy, if anything.
        headers: Of each request.
    """

    def __init__(self, url: str) -> None:
        self.lost: list[tuple[str, str, int]] = []
        self.asked: list[tuple[str, str, str | None]] = []
        self.headers: list[Message] = []
        self.lose: Callable[[str, str], bool] = lambda _method, _path: False
        to = urlsplit(url).netloc
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.asked.append((self.command, self.path, self.headers.get("x-amz-copy-source")))
                outer.headers.append(self.headers)
                if self.headers.get("Expect"):
                    del self.headers["Expect"]
                server = http.client.HTTPConnection(to, timeout=30)
                server.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    server.putheader(name, value)
                server.endheaders(body)
                answer = server.getresponse()
                content = answer.read()
                server.close()
                if outer.lose(self.command, self.path):
                    outer.lost.append((self.command, self.path, answer.status))
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                    return
                self.send_response_only(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("transfer-encoding", "connection"):
                        self.send_header(name, value)
                if "content-length" not in {name.lower() for name, _ in answer.getheaders()}:
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass_on

            def log_message(self, format: str, *args: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
