# SPDX-License-Identifier: Apache-2.0
"""Google's messages as the views that the core decides on. It runs in gRPC's own thread, as the deserializer of each answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from airflow_dataops.clients.dataproc_dask.errors import status_error
from airflow_dataops.clients.google import clean, import_google
from airflow_dataops.core.dataproc_dask.observation import ClusterView, JobView, OperationView
from airflow_dataops.core.machine import Accepted, CallError

_T = TypeVar("_T")

History = tuple[tuple[str, datetime], ...]
"""States of a cluster and when each began, oldest first."""


@dataclass(frozen=True)
class Page(Generic[_T]):
    """A page of a list.

    Attributes:
        items: What is on it.
        token: Names the next page; empty after the last.
    """

    items: tuple[_T, ...]
    token: str


@dataclass(frozen=True)
class ClusterRead:
    """A cluster, and its past for the bill."""

    view: ClusterView
    history: History


def cluster_read(cluster: Any) -> ClusterRead:
    """Return a ``Cluster`` with its history."""
    status = cluster.status
    steps = [(_state(step), _moment(step, "state_start_time")) for step in (*cluster.status_history, status)]
    history = tuple(sorted(((state, at) for state, at in steps if at is not None), key=lambda step: step[1]))
    view = ClusterView(
        name=cluster.cluster_name,
        uuid=cluster.cluster_uuid,
        state=_state(status),
        labels=dict(cluster.labels),
        detail=status.detail,
        since=_moment(status, "state_start_time"),
        created_at=history[0][1] if history else None,
        gateway=_gateway(cluster.config.endpoint_config.http_ports.values()),
    )
    return ClusterRead(view, history)


def _gateway(addresses: Iterable[str]) -> str:
    """Return scheme and host that the web interfaces of a cluster have in common; empty without any."""
    parts = (urlsplit(address) for address in sorted(addresses))
    return next((f"https://{part.netloc}" for part in parts if part.scheme == "https" and part.netloc), "")


def job_view(job: Any) -> JobView:
    """Return a ``Job``."""
    ran = [_moment(step, "state_start_time") for step in (*job.status_history, job.status) if _state(step) == "RUNNING"]
    return JobView(
        id=job.reference.job_id,
        state=_state(job.status),
        labels=dict(job.labels),
        cluster_name=job.placement.cluster_name,
        cluster_uuid=job.placement.cluster_uuid,
        details=job.status.details,
        log_uri=job.driver_output_resource_uri or None,
        since=_moment(job.status, "state_start_time"),
        ran_at=min((at for at in ran if at is not None), default=None),
    )


def operation_view(operation: Any) -> OperationView:
    """Return a ``google.longrunning.Operation`` of a cluster, a job or a workflow."""
    failed = operation.done and operation.WhichOneof("result") == "error"
    error = status_error(operation.error) if failed else None
    view = OperationView(name=operation.name, done=operation.done, error=error)
    kind = operation.metadata.type_url.rpartition(".")[2]
    read = {"ClusterOperationMetadata": _of_cluster, "WorkflowMetadata": _of_workflow}.get(kind)
    return read(view, operation.metadata) if read is not None else view


def accepted(empty: Any) -> Accepted:  # noqa: ARG001 - it has nothing to say
    """Return ``google.protobuf.Empty``."""
    return Accepted()


def page_of(items: str, convert: Callable[[Any], _T]) -> Callable[[Any], Page[_T]]:
    """Return the function that reads a list's answer, of which ``items`` is the field."""
    return lambda answer: Page(tuple(convert(item) for item in getattr(answer, items)), answer.next_page_token)


def _of_cluster(view: OperationView, packed: Any) -> OperationView:
    found = import_google("google.cloud.dataproc_v1").ClusterOperationMetadata.pb()()
    packed.Unpack(found)
    steps = [_moment(step, "state_start_time") for step in (*found.status_history, found.status)]
    started = min((at for at in steps if at is not None), default=None)
    return replace(view, cluster_uuid=found.cluster_uuid, started_at=started)


def _of_workflow(view: OperationView, packed: Any) -> OperationView:
    found = import_google("google.cloud.dataproc_v1").WorkflowMetadata.pb()()
    packed.Unpack(found)
    error, more = view.error, clean(found.create_cluster.error)
    if error is not None and more and more not in error.message:
        error = CallError(error.code, f"{error.message}; {more}".removeprefix("; "))
    return replace(
        view,
        error=error,
        cluster_uuid=found.cluster_uuid,
        cluster_name=found.cluster_name,
        job_id=next((node.job_id for node in found.graph.nodes if node.job_id), ""),
        started_at=_moment(found, "start_time"),
        work_began_at=_moment(found, "dag_start_time"),
    )


def _state(status: Any) -> str:
    """Return the state's name; a state that this library does not know yet is called ``UNKNOWN`` (of a job, ``STATE_UNSPECIFIED``)."""
    known = status.DESCRIPTOR.fields_by_name["state"].enum_type
    found = known.values_by_number.get(status.state)
    if found is not None:
        return str(found.name)
    return "UNKNOWN" if "UNKNOWN" in known.values_by_name else "STATE_UNSPECIFIED"


def _moment(message: Any, name: str) -> datetime | None:
    if not message.HasField(name):
        return None
    stamp = getattr(message, name)
    return datetime.fromtimestamp(stamp.seconds, UTC).replace(microsecond=stamp.nanos // 1000)
