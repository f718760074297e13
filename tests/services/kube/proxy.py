# SPDX-License-Identifier: Apache-2.0
"""Stands between a client and the API server: keeps a log of the calls, and does to the n-th of a kind what a test says."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, urlsplit

from tests.services.kube.kube_server import KubeServer

Deed = Literal["refuse", "lose", "hold", "late", "answer", "delay", "cut"]
_VERBS = {"POST": "create", "DELETE": "delete", "PATCH": "patch", "PUT": "update"}
_HOP = {"connection", "keep-alive", "transfer-encoding", "host", "content-length"}
_LONGEST_HOLD = 120.0
ALWAYS = 1 << 30


@dataclass
class Call:
    """A request that came.

    Attributes:
        number: Counted from 1.
        verb: ``create``, ``get``, ``list``, ``watch``, ``delete``.
        kind: ``pods``, ``pods/log``, ``configmaps``.
        name: Of the object; empty of a create and a list.
        query: Its parameters.
        deeds: What was done to it.
        status: Of the answer that the client got; 0 where it got none.
    """

    number: int
    verb: str
    kind: str
    name: str
    query: dict[str, str]
    deeds: list[Deed] = field(default_factory=list)
    status: int = 0

    def __str__(self) -> str:
        return f"{self.number}. {self.verb} {self.kind}"


@dataclass
class Fault:
    """What is done to some calls.

    Attributes:
        deed: ``refuse``: the connection is closed, and the API server hears nothing. ``lose``: the same after it did its work. ``hold``: as
            ``lose``, but the client waits, until :meth:`Proxy.release`. ``late``: the connection is closed, and the API server hears of it
            at :meth:`Proxy.release`. ``answer``: it gets this answer, and the API server hears nothing. ``delay``: it comes late.
            ``cut``: the answer breaks off.
        verb: Only of these calls; empty for all.
        kind: Only of these; empty for all.
        nth: The first of them, counted from 1 since the fault was armed.
        times: How many from there on.
        status: Of an ``answer``.
        message: Of an ``answer``.
        headers: Of an ``answer``.
        after: Of an ``answer``: the API server did its work before.
        token: Only calls with this token; empty for all.
        seconds: Of a ``delay``.
        size: Of a ``cut``: bytes that come through.
    """

    deed: Deed
    verb: str = ""
    kind: str = ""
    nth: int = 1
    times: int = 1
    status: int = 503
    message: str = "the test says so"
    headers: dict[str, str] = field(default_factory=dict)
    after: bool = False
    token: str = ""
    seconds: float = 0.0
    size: int = 0
    seen: int = 0

    def strikes(self, call: Call, token: str) -> bool:
        """Count a call, and tell whether it is meant."""
        if self.verb not in ("", call.verb) or self.kind not in ("", call.kind) or self.token not in ("", token):
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times


class Proxy:
    """``with Proxy(kube) as proxy``: speaks TLS with a certificate of the control plane's authority, at ``proxy.url``.

    Attributes:
        url: Where it listens.
        calls: Every call so far.
    """

    def __init__(self, kube: KubeServer) -> None:
        self.calls: list[Call] = []
        self._kube = kube
        self._faults: list[Fault] = []
        self._lock, self._released = threading.Lock(), threading.Event()
        self._held = threading.Event()
        self._trust = ssl.create_default_context(cafile=str(kube.authority.file))

    def __enter__(self) -> Self:
        pair = self._kube.authority.server(f"proxy-{uuid.uuid4().hex}", "proxy", ips=["127.0.0.1"])
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*map(str, pair))
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.context, self._server.proxy = context, self
        self.url = f"https://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
        self._server.shutdown()
        self._server.server_close()

    def arm(self, *faults: Fault) -> None:
        """Do these from now on, besides those that were armed before."""
        with self._lock:
            self._faults += faults
        self._released.clear()
        self._held.clear()

    def disarm(self) -> None:
        """Do nothing to the calls from now on."""
        with self._lock:
            self._faults.clear()

    def release(self) -> None:
        """Let go of what is held."""
        self._released.set()

    @property
    def holds(self) -> bool:
        """True as soon as a call was held, or kept for later."""
        return self._held.is_set()

    def count(self, verb: str, kind: str) -> int:
        """Return how many such calls came."""
        return sum((call.verb, call.kind) == (verb, kind) for call in self.calls)

    def heard(self, method: str, path: str, token: str) -> tuple[Call, list[Fault]]:
        """Take down a call; return it with what is to be done to it."""
        verb, kind, name, query = _read(method, path)
        with self._lock:
            call = Call(len(self.calls) + 1, verb, kind, name, query)
            faults = [fault for fault in self._faults if fault.strikes(call, token)]
            call.deeds = [fault.deed for fault in faults]
            self.calls.append(call)
        return call, faults

    def wait(self) -> None:
        """Wait until what is held may go."""
        self._held.set()
        self._released.wait(_LONGEST_HOLD)

    def has_nobody(self) -> bool:
        """Tell whether the API server is being restarted: as a load balancer does, let nobody to it before it is ready."""
        return self._kube.away.is_set()

    def upstream(self) -> http.client.HTTPSConnection:
        """Return a new connection to the API server."""
        parts = urlsplit(self._kube.url)
        return http.client.HTTPSConnection(str(parts.hostname), parts.port, context=self._trust, timeout=60)


def _read(method: str, path: str) -> tuple[str, str, str, dict[str, str]]:
    parts, query = urlsplit(path), dict(parse_qsl(urlsplit(path).query))
    words = parts.path.strip("/").split("/")
    _, found, rest = "/".join(words).partition("namespaces/")
    kind, *more = rest.split("/")[1:] if found else words[-1:]
    name = more[0] if more else ""
    kind = "/".join([kind, *more[1:]])
    looks = "watch" if "watch" in query else "get" if name else "list"
    return _VERBS.get(method, looks), kind, name, query


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    context: ssl.SSLContext
    proxy: Proxy

    def get_request(self) -> tuple[Any, Any]:
        """Leave the handshake to the handler's thread."""
        connection, address = super().get_request()
        connection.settimeout(150)
        return self.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients are killed here."""


class _Broken(Exception):
    """The client's connection is closed without an answer."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        call, faults = self.server.proxy.heard(self.command, self.path, token)
        try:
            self._carry(call, faults, body)
        except (_Broken, OSError, http.client.HTTPException):
            self.close_connection = True
            self._hang_up()

    do_POST = do_DELETE = do_PATCH = do_PUT = do_GET

    def _carry(self, call: Call, faults: list[Fault], body: bytes) -> None:
        by_deed = {fault.deed: fault for fault in faults}
        if "delay" in by_deed:
            time.sleep(by_deed["delay"].seconds)
        if "refuse" in by_deed or self.server.proxy.has_nobody():
            raise _Broken
        given = by_deed.get("answer")
        if given is not None and not given.after:
            self._answer(call, given)
            return
        if "late" in by_deed:
            self._hang_up()
            self.server.proxy.wait()
        connection = self.server.proxy.upstream()
        try:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            if given is not None:
                answer.read()
                self._answer(call, given)
                return
            if by_deed.keys() & {"lose", "hold", "late"}:
                answer.read()
                if "hold" in by_deed:
                    self.server.proxy.wait()
                raise _Broken
            self._pass_on(call, answer, by_deed["cut"].size if "cut" in by_deed else None)
        finally:
            connection.close()

    def _answer(self, call: Call, fault: Fault) -> None:
        status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": fault.status}
        data = json.dumps(status | {"message": fault.message}).encode()
        self._begin(call, fault.status, {"Content-Type": "application/json", **fault.headers}, len(data))
        self.wfile.write(data)

    def _pass_on(self, call: Call, answer: http.client.HTTPResponse, size: int | None) -> None:
        headers = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
        told = answer.getheader("Content-Length")
        self._begin(call, answer.status, headers, None if told is None else int(told))
        left = size
        for data in _pieces(answer.read1):
            piece = data if left is None else data[:left]
            self.wfile.write(piece if told is not None else b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
            left = None if left is None else left - len(piece)
            if left == 0:
                raise _Broken
        if told is None:
            self.wfile.write(b"0\r\n\r\n")

    def _begin(self, call: Call, status: int, headers: dict[str, str], size: int | None) -> None:
        call.status = status
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header(*("Transfer-Encoding", "chunked") if size is None else ("Content-Length", str(size)))
        self.end_headers()

    def _hang_up(self) -> None:
        """Close the connection so that the other side notices at once."""
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


def _pieces(read: Callable[[], bytes]) -> Iterator[bytes]:
    while piece := read():
        yield piece


__all__ = ["ALWAYS", "Call", "Fault", "Proxy"]
