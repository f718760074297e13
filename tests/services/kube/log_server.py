# SPDX-License-Identifier: Apache-2.0
"""The part of a kubelet that the API server asks for logs: ``GET /containerLogs/<namespace>/<pod>/<container>`` over mutual TLS."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

from tests.services.kube.authority import Pair
from tests.services.kube.container import Container
from tests.services.kube.pod import Pod
from tests.services.ports import free_port

Find = Callable[[str, str], Pod | None]
_POLL = 0.05


class LogServer:
    """Serves the logs of a node's containers.

    Attributes:
        port: Where it listens, on loopback.
    """

    def __init__(self, find: Find, pair: Pair, authority: Path) -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority))
        context.verify_mode = ssl.CERT_REQUIRED  # only the API server may ask
        context.load_cert_chain(*map(str, pair))
        self.port = free_port()
        self._server = _Server(("127.0.0.1", self.port), _Handler)
        self._server.context, self._server.find = context, find
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """End it, with the streams that it serves."""
        self._server.closing.set()
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    context: ssl.SSLContext
    find: Find

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.closing = threading.Event()

    def get_request(self) -> tuple[Any, Any]:
        """Leave the handshake to the handler's thread."""
        connection, address = super().get_request()
        connection.settimeout(60)
        return self.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: whoever reads a log may leave."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        url = urlparse(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        kind, *names = url.path.strip("/").split("/")
        if kind != "containerLogs" or len(names) != 3:
            self._text(404, "404 page not found")
            return
        namespace, pod_name, container_name = names
        pod = self.server.find(namespace, pod_name)
        container = next((one for one in pod.every if one.name == container_name), None) if pod else None
        if container is None:
            self._text(404, f'pod "{pod_name}" not found')
            return
        previous = query.get("previous") == "true"
        path = (
            container.log if not previous else container.log_of(container.restarts - 1) if container.restarts else None
        )
        if path is None:
            why = container.state.get("waiting", {}).get("reason", "")
            self._text(400, f'container "{container_name}" in pod "{pod_name}" is waiting to start: {why}')
            return
        self._stream(path, container, query, follow=query.get("follow") == "true" and not previous)

    def _stream(self, path: Path, container: Container, query: dict[str, str], *, follow: bool) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        since, times, ended = _since(query), query.get("timestamps") == "true", container.ended
        left = int(query["limitBytes"]) if "limitBytes" in query else None
        lines = path.read_bytes().splitlines(keepends=True) if "tailLines" in query else None
        skipped = sum(map(len, lines[: max(0, len(lines) - int(query["tailLines"]))])) if lines is not None else 0
        with path.open("rb") as file:
            file.seek(skipped)
            rest = b""
            while True:
                # Looked at before reading, or the last lines would be lost.
                over = not follow or ended.is_set() or self.server.closing.is_set() or container.log != path
                *whole, rest = (rest + file.read()).split(b"\n")
                data = b"".join(_shown(line, times) for line in whole if line.partition(b" ")[0] >= since)
                if over and rest:
                    data += _shown(rest, times).removesuffix(b"\n")
                if left is not None:
                    data, left = data[:left], left - len(data)
                if data:
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                    self.wfile.flush()
                if over or (left is not None and left <= 0):
                    break
                time.sleep(_POLL)
        self.wfile.write(b"0\r\n\r\n")

    def _text(self, code: int, text: str) -> None:
        data = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _shown(line: bytes, times: bool) -> bytes:
    return (line if times else line.partition(b" ")[2]) + b"\n"


def _since(query: dict[str, str]) -> bytes:
    """Return the moment from which lines are wanted, comparable with those of the log."""
    if "sinceSeconds" in query:
        moment = datetime.now(UTC) - timedelta(seconds=int(query["sinceSeconds"]))
    elif "sinceTime" in query:
        moment = datetime.fromisoformat(query["sinceTime"])
    else:
        return b""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ").encode()
