# SPDX-License-Identifier: Apache-2.0
"""The gRPC server: takes calls over TLS, lets armed faults strike, and writes each call to the log."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable
from concurrent import futures
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from tests.services.dataproc_fake import checking
from tests.services.dataproc_fake.arming import Arms, act
from tests.services.dataproc_fake.faults import Call, Fate, Point
from tests.services.dataproc_fake.records import Refusal, text
from tests.services.dataproc_fake.world import World

Handler = Callable[[World, Any, Fate], Any]


@dataclass(frozen=True)
class Method:
    """One RPC.

    Attributes:
        request: Its request's message class.
        handle: What it does.
        place: Returns project, region and the name of the cluster, job or operation.
    """

    request: Any
    handle: Handler
    place: Callable[[Any], tuple[str, str, str]]


class CallLog:
    """One JSON line a call, written when its effect is there and before its answer goes out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = len(path.read_bytes().splitlines()) if path.exists() else 0
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, line: dict[str, Any]) -> None:
        """Append a line."""
        os.write(self._file, json.dumps(line).encode() + b"\n")


class Wire:
    """Answers calls."""

    def __init__(self, world: World, arms: Arms, log: CallLog) -> None:
        self.world, self.arms, self.log = world, arms, log

    def server(self, services: dict[str, dict[str, Method]], port: int, tls: tuple[bytes, bytes]) -> grpc.Server:
        """Return a server that listens; it has to be started."""
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=96), options=[("grpc.so_reuseport", 0)])
        for service, methods in services.items():
            handlers = {name: self._handler(name, method) for name, method in methods.items()}
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        if server.add_secure_port(f"127.0.0.1:{port}", grpc.ssl_server_credentials([tls])) != port:
            raise RuntimeError(f"port {port} is taken")
        return server

    def _handler(self, name: str, method: Method) -> grpc.RpcMethodHandler:
        def handle(request: Any, context: grpc.ServicerContext) -> Any:
            try:
                return self._answer(name, method, request, context)
            except Refusal as error:
                context.abort(grpc.StatusCode[error.code], error.text)
            except Exception as error:  # noqa: BLE001
                traceback.print_exc()
                context.abort(grpc.StatusCode.INTERNAL, f"the fake itself failed: {error!r}")

        return grpc.unary_unary_rpc_method_handler(
            handle,
            request_deserializer=method.request.FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )

    def _answer(self, name: str, method: Method, request: Any, context: grpc.ServicerContext) -> Any:
        project, region, thing = method.place(request)
        call = Call(
            0, name, project, region, thing, request, getattr(request, "request_id", ""), active=context.is_active
        )
        with self.world.lock:
            call.number = self.log.count = self.log.count + 1
            found = []
            try:
                _authorized(context)
                checking.known_fields(request)
                if not project or not region:
                    raise checking.invalid("project_id and region are required")
                found = self.arms.met(call)
                act(found, Point.BEFORE, self.world, call)
                response = method.handle(self.world, request, act(found, Point.FATE, self.world, call))
                call.committed = True
                act(found, Point.COMMITTED, self.world, call)
                copy = type(response)()
                copy.CopyFrom(response)  # others may change it before it is sent
            except Refusal as error:
                self._log(call, error.code)
                raise
            self._log(call, "OK")
        act(found, Point.REPLY, self.world, call)
        return copy

    def _log(self, call: Call, code: str) -> None:
        now = self.world.now(call.project) if call.project else 0.0
        self.log.write(
            {
                "number": call.number,
                "at": text(now),
                "time": now,
                "method": call.method,
                "project": call.project,
                "region": call.region,
                "name": call.name,
                "request_id": call.request_id,
                "code": code,
                "committed": call.committed,
                "faults": call.faults,
            }
        )


def _authorized(context: grpc.ServicerContext) -> None:
    found = dict(context.invocation_metadata())
    if not str(found.get("authorization", "")).startswith("Bearer fake-"):
        raise Refusal(
            "UNAUTHENTICATED", "Request had no access token that this server knows; its token endpoint gives them"
        )
