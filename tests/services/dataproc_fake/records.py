# SPDX-License-Identifier: Apache-2.0
"""What the fake keeps: clusters, jobs and operations. Moments are seconds since the epoch by the clock of the project."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, ClassVar

from google.longrunning import operations_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from tests.services.dataproc_fake.protos import api

ClusterPb, JobPb, OperationMetadataPb = api.Cluster.pb(), api.Job.pb(), api.ClusterOperationMetadata.pb()
ENDED = frozenset({"DONE", "ERROR", "CANCELLED"})


class Refusal(Exception):
    """An answer that is an error.

    Attributes:
        code: Name of the gRPC status.
        text: Its message.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code, self.text = code, text


@dataclass
class Record:
    """Something that is stored: a message and facts beside it."""

    table: ClassVar[str]
    message: ClassVar[Any]

    @property
    def key(self) -> str:
        raise NotImplementedError

    def facts(self) -> dict[str, Any]:
        """Return all but the message."""
        found = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "body"}
        return dict(found)


@dataclass
class Cluster(Record):
    """A cluster, also after it is gone.

    Attributes:
        due: When its present operation is over.
        fate: What becomes of it: ``error``, ``state``, ``detail``, ``stuck``, ``vanishes``.
        busy: When it last had a job.
        deleting: Fate of the delete operation, with its name and the state before.
    """

    table: ClassVar[str] = "cluster"
    message: ClassVar[Any] = ClusterPb
    body: Any
    project: str
    region: str
    uuid: str
    name: str
    created: float
    operation: str = ""
    gone: float | None = None
    due: float | None = None
    fate: dict[str, Any] = field(default_factory=dict)
    busy: float = 0.0
    deleting: dict[str, Any] | None = None
    foreign: bool = False

    @property
    def key(self) -> str:
        return self.uuid

    @property
    def state(self) -> str:
        return str(self.body.status.State.Name(self.body.status.state))


@dataclass
class Job(Record):
    """A job, for ever.

    Attributes:
        fate: What becomes of it (see ``faults``).
        cancelled: Whether it was told to stop.
    """

    table: ClassVar[str] = "job"
    message: ClassVar[Any] = JobPb
    body: Any
    project: str
    region: str
    id: str
    cluster: str
    created: float
    fate: dict[str, Any] = field(default_factory=dict)
    cancelled: bool = False
    ended: float | None = None

    @property
    def key(self) -> str:
        return f"{self.project}/{self.region}/{self.id}"

    @property
    def state(self) -> str:
        return str(self.body.status.State.Name(self.body.status.state))


@dataclass
class Operation(Record):
    """A long-running operation."""

    table: ClassVar[str] = "operation"
    message: ClassVar[Any] = operations_pb2.Operation
    body: Any
    project: str
    region: str
    cluster: str = ""

    @property
    def key(self) -> str:
        return str(self.body.name)


@dataclass
class Answered:
    """A request that was taken, by its id: what it is known again by.

    Attributes:
        kind: ``operation`` or ``job``.
        key: Key of what it made.
    """

    kind: str
    key: str


def stamp(moment: float) -> Timestamp:
    """Return a moment as a message."""
    found = Timestamp()
    found.FromNanoseconds(int(moment * 1e9))
    return found


def text(moment: float) -> str:
    """Return a moment as ISO text."""
    return datetime.fromtimestamp(moment, UTC).isoformat()


def turn(body: Any, state: str, moment: float, detail: str = "") -> None:
    """Give a cluster or job its next state; the last one goes to its history."""
    if body.status.HasField("state_start_time"):
        body.status_history.add().CopyFrom(body.status)
    body.status.Clear()
    body.status.state = body.status.State.Value(state)
    body.status.state_start_time.CopyFrom(stamp(moment))
    if hasattr(body.status, "details"):
        body.status.details = detail
    else:
        body.status.detail = detail


def plain(record: Any) -> dict[str, Any]:
    """Return a dataclass as JSON values."""
    return asdict(record)
