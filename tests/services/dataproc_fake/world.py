# SPDX-License-Identifier: Apache-2.0
"""The state of the fake, in memory and in its file, behind one lock."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from google.longrunning import operations_pb2
from google.protobuf import any_pb2, empty_pb2
from google.protobuf.message import Message

from tests.services.dataproc_fake.clock import Project, Timing
from tests.services.dataproc_fake.records import (
    Answered,
    Cluster,
    Job,
    Operation,
    OperationMetadataPb,
    Record,
    Refusal,
    stamp,
)
from tests.services.dataproc_fake.store import Store

_TYPES = "type.googleapis.com/google.cloud.dataproc.v1."


class World:
    """All that the fake knows.

    Attributes:
        lock: Held by whoever reads or changes it.
    """

    def __init__(self, store: Store, timing: Timing) -> None:
        self.lock = threading.RLock()
        self.store, self.timing = store, timing
        self.projects = {project.id: project for project in store.projects()}
        self.clusters = {record.key: record for record in store.load(Cluster)}
        self.jobs = {record.key: record for record in store.load(Job)}
        self.operations = {record.key: record for record in store.load(Operation)}
        self.answers = store.answers()
        self._timings: dict[str, Timing] = {}
        self._active: dict[str, dict[str, Job]] = {}
        for job in self.jobs.values():
            self._index(job)

    def project(self, name: str) -> Project:
        """Return a project; the first mention of its name makes it."""
        if name not in self.projects:
            now = time.time()
            self.projects[name] = Project(name, now, now)
            self.store.save_project(self.projects[name])
        return self.projects[name]

    def now(self, project: str) -> float:
        """Return the time in a project."""
        return self.project(project).at(time.time())

    def set_clock(self, name: str, *, speed: float | None = None, advance: float = 0.0) -> Project:
        """Let a project's clock go faster from now on, or jump ahead by so many seconds."""
        project, now = self.project(name), time.time()
        project.virtual, project.real = project.at(now) + advance, now
        project.speed = project.speed if speed is None else speed
        self.store.save_project(project)
        return project

    def timing_of(self, project: str) -> Timing:
        """Return how long things take in a project."""
        if project not in self._timings:
            own = self.project(project).timing
            whole = {one.name: own.get(one.name, getattr(self.timing, one.name)) for one in fields(Timing)}
            self._timings[project] = Timing(**whole)
        return self._timings[project]

    def set_timing(self, name: str, timing: dict[str, Any]) -> None:
        """Change how long things take in a project.

        Raises:
            ValueError: There is no such length.
        """
        strange = set(timing) - {one.name for one in fields(Timing)}
        if strange:
            raise ValueError(f"{', '.join(sorted(strange))}: no length of time that the fake knows")
        project = self.project(name)
        project.timing |= timing
        self._timings.pop(name, None)
        self.store.save_project(project)

    def save(self, *records: Record) -> None:
        """Keep new or changed records."""
        for record in records:
            known: dict[str, Any] = getattr(self, f"{record.table}s")
            known[record.key] = record
            if isinstance(record, Job):
                self._index(record)
            self.store.save(record)

    def alive(self, project: str, region: str) -> Iterator[Cluster]:
        """Yield the clusters that are there, in the order of their making."""
        for cluster in self.clusters.values():
            if cluster.gone is None and cluster.project == project and cluster.region == region:
                yield cluster

    def named(self, project: str, region: str, name: str) -> Cluster | None:
        """Return the cluster that bears a name now."""
        with self.lock:
            return next((one for one in self.alive(project, region) if one.name == name), None)

    def job(self, project: str, region: str, job_id: str) -> Job:
        """Return a job.

        Raises:
            Refusal: There is none.
        """
        found = self.jobs.get(f"{project}/{region}/{job_id}")
        if found is None:
            raise Refusal("NOT_FOUND", f"Not found: Job projects/{project}/regions/{region}/jobs/{job_id}")
        return found

    def active_jobs(self, cluster: str) -> list[Job]:
        """Return the jobs of a cluster that have not ended."""
        return list(self._active.get(cluster, {}).values())

    def _index(self, job: Job) -> None:
        if job.ended is None:
            self._active.setdefault(job.cluster, {})[job.key] = job
        else:
            self._active.get(job.cluster, {}).pop(job.key, None)

    def answered(self, project: str, region: str, request_id: str) -> Answered | None:
        """Return what a request with this id made before."""
        return self.answers.get(f"{project}/{region}/{request_id}") if request_id else None

    def remember(self, project: str, region: str, request_id: str, answered: Answered) -> None:
        """Take down what a request made."""
        if request_id:
            key = f"{project}/{region}/{request_id}"
            self.answers[key] = answered
            self.store.save_answer(key, answered)

    def forget(self, project: str, region: str, request_id: str) -> None:
        """Know a request no more."""
        key = f"{project}/{region}/{request_id}"
        self.answers.pop(key, None)
        self.store.drop("request", key)

    def begin(self, cluster: Cluster, kind: str, what: str) -> Operation:
        """Start an operation on a cluster."""
        now = self.now(cluster.project)
        name = f"projects/{cluster.project}/regions/{cluster.region}/operations/{uuid.uuid4()}"
        metadata = OperationMetadataPb(
            cluster_name=cluster.name,
            cluster_uuid=cluster.uuid,
            operation_type=kind,
            description=what,
            labels=dict(cluster.body.labels),
        )
        metadata.status_history.add(state="PENDING", state_start_time=stamp(now))
        metadata.status.state, metadata.status.inner_state = metadata.status.State.Value("RUNNING"), "RUNNING"
        metadata.status.state_start_time.CopyFrom(stamp(now))
        body = operations_pb2.Operation(name=name)
        body.metadata.Pack(metadata)
        operation = Operation(body, cluster.project, cluster.region, cluster.uuid)
        self.save(operation)
        return operation

    def finish(self, name: str, result: Message | None = None, error: tuple[str, str] | None = None) -> None:
        """End an operation; without a result or an error it made nothing."""
        operation = self.operations.get(name)
        if operation is None or operation.body.done:
            return
        body = operation.body
        if body.metadata.type_url == _TYPES + "ClusterOperationMetadata":
            metadata = OperationMetadataPb()
            body.metadata.Unpack(metadata)
            metadata.status_history.add().CopyFrom(metadata.status)
            metadata.status.state = metadata.status.State.Value("DONE")
            metadata.status.inner_state = "FAILED" if error else "DONE"
            metadata.status.details = error[1] if error else ""
            metadata.status.state_start_time.CopyFrom(stamp(self.now(operation.project)))
            body.metadata.Pack(metadata)
        body.done = True
        if error is not None:
            body.error.code, body.error.message = code_number(error[0]), error[1]
        else:
            packed = any_pb2.Any()
            packed.Pack(result if result is not None else empty_pb2.Empty())
            body.response.CopyFrom(packed)
        self.save(operation)


def code_number(name: str) -> int:
    """Return the number of a gRPC status."""
    import grpc

    number: int = grpc.StatusCode[name].value[0]
    return number
