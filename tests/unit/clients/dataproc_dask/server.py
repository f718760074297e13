# SPDX-License-Identifier: Apache-2.0
"""The smallest Dataproc: a real gRPC server with TLS in this process, whose answers a test writes."""

from __future__ import annotations

import datetime as dt
import ipaddress
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from google.cloud import dataproc_v1
from google.longrunning import operations_pb2

from airflow_dataops.clients.dataproc_dask.wire import RPCS

Answer = Callable[[Any, grpc.ServicerContext], Any]


def certificate() -> tuple[bytes, bytes]:
    """Return key and certificate of 127.0.0.1, its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=12))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private, made.public_bytes(serialization.Encoding.PEM)


class Server:
    """Answers each RPC with what ``answers`` has under its name; UNIMPLEMENTED where there is nothing."""

    def __init__(self, folder: Path) -> None:
        self.answers: dict[str, Answer] = {}
        self.seen: list[tuple[str, Any, dict[str, str]]] = []
        self.hangs, self.cancelled = threading.Event(), threading.Event()
        key, authority = certificate()
        self.roots = folder / "ca.pem"
        self.roots.write_bytes(authority)
        self._server = grpc.server(ThreadPoolExecutor(16))
        services: dict[str, dict[str, Any]] = {}
        for name, rpc in RPCS.items():
            services.setdefault(rpc.service, {})[name] = self._handler(name, rpc)
        for service, handlers in services.items():
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        credentials = grpc.ssl_server_credentials([(key, authority)])
        self.endpoint = f"127.0.0.1:{self._server.add_secure_port('127.0.0.1:0', credentials)}"
        self._server.start()

    def close(self) -> None:
        self._server.stop(None)

    def names(self) -> list[str]:
        return [name for name, _, _ in self.seen]

    def hang(self, _: Any, context: grpc.ServicerContext) -> Any:
        """Never answer; tell when the caller has given up."""
        over = threading.Event()
        self.hangs.set()
        context.add_callback(over.set)
        over.wait(60)
        self.cancelled.set()
        return None

    def _handler(self, name: str, rpc: Any) -> grpc.RpcMethodHandler:
        request = _type_of(rpc)

        def serve(received: Any, context: grpc.ServicerContext) -> Any:
            self.seen.append((name, received, {key: str(value) for key, value in context.invocation_metadata()}))
            if name not in self.answers:
                context.abort(grpc.StatusCode.UNIMPLEMENTED, f"the test has no answer to {name}")
            return self.answers[name](received, context)

        return grpc.unary_unary_rpc_method_handler(
            serve,
            request_deserializer=request.FromString,
            response_serializer=lambda answer: answer.SerializeToString(),
        )


def always(answer: Any) -> Answer:
    return lambda request, context: answer


def abort(code: str, message: str = "", *details: Any) -> Answer:
    """Answer with an error; ``details`` are messages of ``google.rpc.error_details_pb2``."""

    def answer(request: Any, context: grpc.ServicerContext) -> Any:
        from google.rpc.status_pb2 import Status

        if details:
            status = Status(code=grpc.StatusCode[code].value[0], message=message)
            for detail in details:
                status.details.add().Pack(detail)
            context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(grpc.StatusCode[code], message)

    return answer


def _type_of(rpc: Any) -> Any:
    made = getattr(dataproc_v1, rpc.request, None)
    return getattr(operations_pb2, rpc.request) if made is None else made.pb()
