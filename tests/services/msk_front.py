# SPDX-License-Identifier: Apache-2.0
"""What stands before a broker at Amazon MSK: it lets in who brings a signature of AWS's (SASL OAUTHBEARER), and passes on what comes then.

A broker of the tests takes no such token, since it is no JWT. The exchange before the first request is answered here, in Kafka's own frames; the
signature is made anew from the secret, by AWS's rules (Signature Version 4), without their library.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, urlsplit

from tests.services.kafka_server import HOST

_HANDSHAKE, _API_VERSIONS, _AUTHENTICATE = 17, 18, 36
_REFUSED = 58  # SASL_AUTHENTICATION_FAILED
_BEARER = re.compile(rb"\x01auth=Bearer ([^\x01]+)\x01")


@dataclass
class Gate:
    """Who is let in, and what came.

    Attributes:
        keys: Access key -> its secret.
        region: Of AWS, for which a token has to be signed.
        let_in: Access key of each connection that was let in.
        refused: Why each other one was not.
    """

    keys: Mapping[str, str]
    region: str
    let_in: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def why_not(self, said: bytes) -> str | None:
        """Return why what a client said in the exchange is not enough; None where it is."""
        found = _BEARER.search(said)
        if found is None:
            return "there is no token"
        token = found[1].decode()
        url = urlsplit(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode())
        query = dict(parse_qsl(url.query))
        key, day, *scope = query["X-Amz-Credential"].split("/")
        if (url.hostname, query["Action"]) != (f"kafka.{self.region}.amazonaws.com", "kafka-cluster:Connect"):
            return f"the token is for {url.hostname}, {query['Action']}"
        if scope != [self.region, "kafka-cluster", "aws4_request"] or key not in self.keys:
            return f"the token is of {key} for {scope}"
        if not hmac.compare_digest(query["X-Amz-Signature"], _signature(self.keys[key], day, str(url.hostname), query)):
            return f"the signature is not that of {key}"
        self.let_in.append(key)
        return None


def _signature(secret: str, day: str, host: str, query: Mapping[str, str]) -> str:
    signed = sorted((name, value) for name, value in query.items() if name not in ("X-Amz-Signature", "User-Agent"))
    words = "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in signed)
    nothing = hashlib.sha256(b"").hexdigest()
    request = f"GET\n/\n{words}\nhost:{host}\n\nhost\n{nothing}"
    _, scope = query["X-Amz-Credential"].split("/", 1)
    text = f"AWS4-HMAC-SHA256\n{query['X-Amz-Date']}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{secret}".encode()
    for part in (day, *scope.split("/")[1:], text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key.hex()


@contextmanager
def msk_front(port: int, broker: int, gate: Gate) -> Iterator[None]:
    """Stand at a port before a broker's.

    Args:
        port: Where clients come; the broker tells them of it as its own.
        broker: The broker's own port, at which nobody is asked who he is.
        gate: Decides.
    """

    class Visit(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection((HOST, broker)) as behind, suppress(OSError):
                if _exchanged(self.request, behind, gate):
                    threading.Thread(target=_pump, args=(behind, self.request), daemon=True).start()
                    _pump(self.request, behind)

    class Door(socketserver.ThreadingTCPServer):
        allow_reuse_address = daemon_threads = True

    with Door((HOST, port), Visit) as door:
        thread = threading.Thread(target=door.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield
        finally:
            door.shutdown()
            thread.join()


def _exchanged(client: socket.socket, behind: socket.socket, gate: Gate) -> bool:
    """Answer a client until it is let in or refused; returns which."""
    while frame := _frame(client):
        kind, _, number, named = struct.unpack(">hhih", frame[:10])
        body = frame[10 + max(0, named) :]
        if kind == _API_VERSIONS:
            _send(behind, frame)
            _send(client, _frame(behind))
        elif kind == _HANDSHAKE:
            mechanism = b"OAUTHBEARER"
            _send(client, struct.pack(">ihih", number, 0, 1, len(mechanism)) + mechanism)
        elif kind == _AUTHENTICATE:
            why = gate.why_not(body)
            if why is None:
                _send(client, struct.pack(">ihhiq", number, 0, -1, 0, 0))
                return True
            gate.refused.append(why)
            _send(client, struct.pack(">ihh", number, _REFUSED, 13) + b"Access denied" + struct.pack(">iq", 0, 0))
            return False
        else:
            return False
    return False


def _frame(sender: socket.socket) -> bytes:
    """Return the next frame without its length; nothing where the sender has gone."""
    head = sender.recv(4, socket.MSG_WAITALL)
    return sender.recv(struct.unpack(">i", head)[0], socket.MSG_WAITALL) if len(head) == 4 else b""


def _send(receiver: socket.socket, frame: bytes) -> None:
    receiver.sendall(struct.pack(">i", len(frame)) + frame)


def _pump(sender: socket.socket, receiver: socket.socket) -> None:
    """Pass on what comes, to its end."""
    with suppress(OSError):
        while data := sender.recv(65536):
            receiver.sendall(data)
    with suppress(OSError):
        receiver.shutdown(socket.SHUT_WR)
