# SPDX-License-Identifier: Apache-2.0
"""One call of gRPC: plain mappings in, views out. The channel is a synchronous one whose answers are handed to whatever event loop waits.

One implementation so serves an operator, a trigger and the command alike: a call is a future of gRPC's own thread, so it costs no thread
and blocks no loop, and a cancelled task cancels its call.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from airflow_dataops import __version__
from airflow_dataops.clients.dataproc_dask import convert
from airflow_dataops.clients.dataproc_dask.errors import rpc_error
from airflow_dataops.clients.google import AUTHS, CloudError, GoogleSettings, Shared, import_google, off_loop
from airflow_dataops.core.machine import CallError

DEADLINE = 30.0
ROOTS = "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"
_PROTOS, _LONG = "google.cloud.dataproc_v1", "google.longrunning.operations_pb2"
_DATAPROC = "google.cloud.dataproc.v1"
_CLUSTERS, _JOBS = f"{_DATAPROC}.ClusterController", f"{_DATAPROC}.JobController"
_OPTIONS = (
    ("grpc.primary_user_agent", f"airflow-dataops/{__version__}"),
    ("grpc.max_receive_message_length", -1),
    # Repetitions are decided by the core, which knows what they may do.
    ("grpc.enable_retries", 0),
    ("grpc.service_config_disable_resolution", 1),
    # A line that went dead is found out within two calls, and not when TCP gives up, which takes a quarter of an hour.
    ("grpc.keepalive_time_ms", 15_000),
    ("grpc.keepalive_timeout_ms", 10_000),
)


@dataclass(frozen=True)
class Rpc:
    """A remote procedure.

    Attributes:
        service: Full name of the service.
        request: Name of the request's type.
        read: Answer -> view.
        answer: Name of the answer's type.
        route: Fields of the request by which Google routes it.
    """

    service: str
    request: str
    read: Callable[[Any], Any]
    answer: str
    route: tuple[str, ...]


_PLACE = ("project_id", "region")
_CLUSTER, _JOB = (*_PLACE, "cluster_name"), (*_PLACE, "job_id")
_OPERATIONS, _OPERATION, _EMPTY = "google.longrunning.Operations", "Operation", "Empty"
_CLUSTER_PAGE = convert.page_of("clusters", convert.cluster_read)
_JOB_PAGE = convert.page_of("jobs", convert.job_view)
RPCS = {
    "CreateCluster": Rpc(_CLUSTERS, "CreateClusterRequest", convert.operation_view, _OPERATION, _PLACE),
    "UpdateCluster": Rpc(_CLUSTERS, "UpdateClusterRequest", convert.operation_view, _OPERATION, _CLUSTER),
    "DeleteCluster": Rpc(_CLUSTERS, "DeleteClusterRequest", convert.operation_view, _OPERATION, _CLUSTER),
    "GetCluster": Rpc(_CLUSTERS, "GetClusterRequest", convert.cluster_read, "Cluster", _CLUSTER),
    "ListClusters": Rpc(_CLUSTERS, "ListClustersRequest", _CLUSTER_PAGE, "ListClustersResponse", _PLACE),
    "SubmitJob": Rpc(_JOBS, "SubmitJobRequest", convert.job_view, "Job", _PLACE),
    "GetJob": Rpc(_JOBS, "GetJobRequest", convert.job_view, "Job", _JOB),
    "ListJobs": Rpc(_JOBS, "ListJobsRequest", _JOB_PAGE, "ListJobsResponse", _PLACE),
    "CancelJob": Rpc(_JOBS, "CancelJobRequest", convert.job_view, "Job", _JOB),
    "GetOperation": Rpc(_OPERATIONS, "GetOperationRequest", convert.operation_view, _OPERATION, ("name",)),
    "CancelOperation": Rpc(_OPERATIONS, "CancelOperationRequest", convert.accepted, _EMPTY, ("name",)),
    "InstantiateInlineWorkflowTemplate": Rpc(
        f"{_DATAPROC}.WorkflowTemplateService",
        "InstantiateInlineWorkflowTemplateRequest",
        convert.operation_view,
        _OPERATION,
        ("parent",),
    ),
}


class Wire:
    """Calls of one client; the channel and the token are shared with all clients of the process that have the same settings."""

    def __init__(self, settings: GoogleSettings) -> None:
        self._settings = settings
        self._roots = os.environ.get(ROOTS)
        self._lock = threading.Lock()
        self._channel: Any = None
        self._auth: Any = None
        self._methods: dict[str, Any] = {}

    async def call(self, name: str, request: Mapping[str, Any], deadline: float = DEADLINE) -> Any:
        """Send one request, once, and return the view of its answer, or a :class:`CallError`.

        Args:
            name: Of the procedure.
            request: Its fields.
            deadline: Seconds after which the answer is ``DEADLINE_EXCEEDED``.

        Raises:
            MissingDependency: Google's libraries are not installed.
        """
        try:
            if self._auth is None or self._channel is None or not self._auth.ready:
                await off_loop(self._prepare)
            message = _message(name, request)
            metadata = [*self._auth.headers().items(), ("x-goog-request-params", _route(RPCS[name], request))]
        except CloudError as error:
            return error.error
        except (TypeError, ValueError) as error:
            return CallError("INVALID_ARGUMENT", f"{_versions()} cannot write this {name} request: {error}")
        return await _answer(self._method(name).future(message, timeout=deadline, metadata=metadata))

    def close(self) -> None:
        """Give back the channel and the token."""
        with self._lock:
            if self._channel is not None:
                _CHANNELS.release(self._key)
            if self._auth is not None:
                AUTHS.release(self._settings.identity)
            self._channel, self._auth = None, None
            self._methods.clear()

    @property
    def _key(self) -> tuple[Any, ...]:
        return (self._settings.dataproc, self._roots)

    def _prepare(self) -> None:
        """Import, find credentials, fetch a token, open the channel: all that blocks."""
        import_google(_PROTOS)
        with self._lock:
            if self._auth is None:
                self._auth = AUTHS.acquire(self._settings.identity, self._settings.auth)
            if self._channel is None:
                self._channel = _CHANNELS.acquire(self._key, lambda: _open(*self._key))
            self._auth.refresh()

    def _method(self, name: str) -> Any:
        if name not in self._methods:
            rpc = RPCS[name]
            self._methods[name] = self._channel.unary_unary(
                f"/{rpc.service}/{name}",
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=_reader(rpc),
            )
        return self._methods[name]


async def _answer(call: Any) -> Any:
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not waiter.done():
            waiter.set_result(None)

    def done(_: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(wake)

    call.add_done_callback(done)
    try:
        await waiter
    except asyncio.CancelledError:
        call.cancel()
        raise
    return _outcome(call)


def _outcome(call: Any) -> Any:
    grpc = import_google("grpc")
    try:
        return call.result()
    except grpc.RpcError as error:
        return rpc_error(error)
    except grpc.FutureCancelledError:
        return CallError("CANCELLED", "the client was closed")


def _message(name: str, request: Mapping[str, Any]) -> Any:
    rpc = RPCS[name]
    if rpc.service == _OPERATIONS:
        return getattr(import_google(_LONG), rpc.request)(**request)
    made = getattr(import_google(_PROTOS), rpc.request)
    return made.pb(made(dict(request)))


def _reader(rpc: Rpc) -> Callable[[bytes], Any]:
    if rpc.answer == _OPERATION:
        made = import_google(_LONG).Operation
    elif rpc.answer == _EMPTY:
        made = import_google("google.protobuf.empty_pb2").Empty
    else:
        made = getattr(import_google(_PROTOS), rpc.answer).pb()

    def read(data: bytes) -> Any:
        return rpc.read(made.FromString(data))

    return read


def _route(rpc: Rpc, request: Mapping[str, Any]) -> str:
    return urlencode([(field, str(request.get(field, ""))) for field in rpc.route], safe="/")


def _open(target: str, roots: str | None) -> Any:
    grpc = import_google("grpc")
    trusted = None
    if roots is not None:
        try:
            trusted = Path(roots).read_bytes()
        except OSError as error:
            said = f"{roots!r}, which {ROOTS} names, cannot be read: {error.strerror}"
            raise CloudError(CallError("FAILED_PRECONDITION", said), "open a channel") from error
    return grpc.secure_channel(target, grpc.ssl_channel_credentials(root_certificates=trusted), options=_OPTIONS)


def _versions() -> str:
    return f"google-cloud-dataproc {import_google(_PROTOS).__version__}"


_CHANNELS: Shared[Any] = Shared(lambda channel: channel.close())
