# SPDX-License-Identifier: Apache-2.0
"""A Dataproc in memory, with a clock of its own: it keeps clusters, operations and jobs, and does to each what a test says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from airflow_dataops.core.dataproc_dask import names
from airflow_dataops.core.dataproc_dask.observation import (
    ClusterView,
    HeartbeatView,
    JobView,
    Look,
    Observation,
    OperationView,
    Reply,
    ResultView,
)
from airflow_dataops.core.dataproc_dask.state import State
from airflow_dataops.core.dataproc_dask.turn import Call, CallKind
from airflow_dataops.core.machine import Accepted, CallError, Gone
from tests.unit.core.dataproc_dask.samples import NOW

NOWHERE = CallError("UNAVAILABLE", "the answer was lost")
LIVE = ("PENDING", "RUNNING", "CANCEL_PENDING")


@dataclass
class CreateFate:
    """What becomes of a create request: refused at once, failed in its operation, or a cluster that reaches ``state``."""

    refuse: CallError | None = None
    error: CallError | None = None
    state: str = "RUNNING"
    detail: str = ""
    after: float = 90
    stuck: bool = False
    vanishes: bool = False


@dataclass
class JobFate:
    """What becomes of a job, and what it leaves."""

    state: str = "DONE"
    details: str = ""
    after: float = 300
    beats: bool = True
    result: ResultView | None = field(default_factory=lambda: ResultView(ok=True))
    heeds_cancel: bool = True
    starts: bool = True


@dataclass
class DeleteFate:
    """What becomes of a delete request."""

    refuse: CallError | None = None
    fails: bool = False
    stuck: bool = False
    after: float = 40


@dataclass
class Cluster:
    view: ClusterView
    fate: CreateFate
    begun: datetime
    expires: datetime
    idle: timedelta
    busy_at: datetime
    deleting: tuple[datetime, DeleteFate, str] | None = None


@dataclass
class Job:
    view: JobView
    fate: JobFate
    begun: datetime
    cancelled: bool = False


class Dataproc:
    """Google, as far as the machine can see it."""

    def __init__(self) -> None:
        self.now = NOW
        self.clusters: dict[str, Cluster] = {}
        self.jobs: dict[str, Job] = {}
        self.operations: dict[str, OperationView] = {}
        self.answers: dict[str, Reply] = {}
        self.calls: list[tuple[datetime, CallKind, dict[str, Any]]] = []
        self.reads: list[Look] = []
        self.made: list[str] = []
        self.late: list[tuple[datetime, Call]] = []
        self.most_live_jobs = 0
        self.lag = timedelta()  # lists show nothing younger
        self.creates: Iterator[CreateFate] = iter(())
        self.job_fates: Iterator[JobFate] = iter(())
        self.deletes: Iterator[DeleteFate] = iter(())
        self.on_call: Callable[[Call], str] = lambda _: "ok"
        self.on_read: Callable[[Look], CallError | None] = lambda _: None

    def foreign(self, name: str, labels: dict[str, str] | None = None) -> str:
        """Put a cluster there that somebody else made."""
        view = ClusterView(name, f"foreign-{name}", "RUNNING", labels or {"team": "other"}, created_at=self.now)
        far = self.now + timedelta(days=9)
        self.clusters[view.uuid] = Cluster(view, CreateFate(), self.now, far, timedelta(days=9), self.now)
        return view.uuid

    def advance(self, length: timedelta) -> None:
        """Let time pass, second by second where something is to happen."""
        until = self.now + length
        while self.now < until:
            self.now = min(until, self.now + timedelta(seconds=5))
            due = [call for at, call in self.late if at <= self.now]
            self.late = [(at, call) for at, call in self.late if at > self.now]
            for call in due:
                self._commit(call)
            self._tick()

    def perform(self, call: Call) -> Reply:
        """Take a request; what the network does to it is the test's affair."""
        self.calls.append((self.now, call.kind, call.request))
        fate = self.on_call(call)
        if fate == "refused":
            return NOWHERE
        if fate == "late":
            self.late.append((self.now + timedelta(seconds=20), call))
            return CallError("DEADLINE_EXCEEDED", "no answer in time")
        answer = self._commit(call)
        return NOWHERE if fate == "lost" else answer

    def observe(self, state: State, looks: frozenset[Look], reply: Reply | None = None) -> Observation:
        """Answer all reads."""
        self.reads += sorted(looks)
        found = {look.value: self.on_read(look) or self._read(look, state) for look in looks}
        return Observation(reply=reply, **found)  # type: ignore[arg-type]

    def alive(self) -> list[ClusterView]:
        """Return the clusters that are there and not being deleted."""
        return [cluster.view for cluster in self.clusters.values() if cluster.view.state != "DELETING"]

    def remove(self, uuid: str) -> None:
        """Take a cluster away, jobs and all."""
        cluster = self.clusters.pop(uuid)
        for job in self.jobs.values():
            if job.view.cluster_uuid == cluster.view.uuid and job.view.state in LIVE:
                job.view = replace(job.view, state="ERROR", details="the cluster was deleted", since=self.now)
                job.fate.result = None

    def count(self, kind: CallKind) -> int:
        return sum(called is kind for _, called, _ in self.calls)

    def _commit(self, call: Call) -> Reply:
        request_id = call.request.get("request_id", "")
        if request_id in self.answers:
            known = self.answers[request_id]
            if isinstance(known, OperationView):
                return self.operations[known.name]
            return self.jobs[known.id].view if isinstance(known, JobView) else known
        answer = getattr(self, f"_{call.kind.name.lower()}")(call.request)
        if request_id and not isinstance(answer, CallError):
            self.answers[request_id] = answer
        return answer  # type: ignore[no-any-return]

    def _create(self, request: dict[str, Any]) -> Reply:
        name = request["cluster"]["cluster_name"]
        if any(cluster.view.name == name for cluster in self.clusters.values()):
            return CallError("ALREADY_EXISTS", f"cluster {name} exists")
        fate = next(self.creates, CreateFate())
        if fate.refuse is not None:
            return fate.refuse
        uuid = f"uuid-{len(self.made) + 1}"
        life = request["cluster"]["config"]["lifecycle_config"]
        view = ClusterView(name, uuid, "CREATING", request["cluster"]["labels"], since=self.now, created_at=self.now)
        if request["cluster"]["config"]["endpoint_config"]["enable_http_port_access"]:
            view = replace(view, gateway=f"https://{uuid}.example")
        expires = self.now + timedelta(seconds=life["auto_delete_ttl"]["seconds"])
        idle = timedelta(seconds=life["idle_delete_ttl"]["seconds"])
        self.clusters[uuid] = Cluster(view, fate, self.now, expires, idle, self.now)
        self.made.append(uuid)
        operation = OperationView(f"create-{uuid}", cluster_uuid=uuid, started_at=self.now)
        self.operations[operation.name] = operation
        return operation

    def _delete(self, request: dict[str, Any]) -> Reply:
        cluster = self.clusters.get(request["cluster_uuid"])
        if cluster is None or cluster.view.name != request["cluster_name"]:
            return CallError("NOT_FOUND", "no such cluster")
        if cluster.deleting is not None:
            return CallError("FAILED_PRECONDITION", "an operation is under way")
        fate = next(self.deletes, DeleteFate())
        if fate.refuse is not None:
            return fate.refuse
        operation = OperationView(
            f"delete-{request['request_id']}", cluster_uuid=cluster.view.uuid, started_at=self.now
        )
        self.operations[operation.name] = operation
        cluster.deleting = (self.now, fate, cluster.view.state)
        cluster.view = replace(cluster.view, state="DELETING", since=self.now)
        return operation

    def _keep(self, request: dict[str, Any]) -> Reply:
        cluster = next((one for one in self.clusters.values() if one.view.name == request["cluster_name"]), None)
        if cluster is None:
            return CallError("NOT_FOUND", "no such cluster")
        cluster.idle = timedelta(seconds=request["cluster"]["config"]["lifecycle_config"]["idle_delete_ttl"]["seconds"])
        return Accepted()

    def _submit(self, request: dict[str, Any]) -> Reply:
        job, name = request["job"], request["job"]["placement"]["cluster_name"]
        if job["reference"]["job_id"] in self.jobs:
            return CallError("ALREADY_EXISTS", "job exists")
        cluster = next((one for one in self.clusters.values() if one.view.name == name), None)
        if cluster is None:
            return CallError("NOT_FOUND", "no such cluster")
        if cluster.view.state != "RUNNING":
            return CallError("FAILED_PRECONDITION", f"cluster is {cluster.view.state}")
        view = JobView(
            job["reference"]["job_id"],
            "PENDING",
            job["labels"],
            name,
            cluster.view.uuid,
            log_uri="gs://staging/driveroutput",
            since=self.now,
        )
        self.jobs[view.id] = Job(view, next(self.job_fates, JobFate()), self.now)
        return view

    def _cancel(self, request: dict[str, Any]) -> Reply:
        job = self.jobs.get(request["job_id"])
        if job is None:
            return CallError("NOT_FOUND", "no such job")
        if job.view.state in LIVE:
            job.cancelled = True
            job.view = replace(job.view, state="CANCEL_PENDING", since=self.now)
        return job.view

    def _tick(self) -> None:
        for uuid, cluster in list(self.clusters.items()):
            if cluster.deleting is not None:
                self._go_on_deleting(uuid, cluster)
            elif (
                cluster.view.state == "CREATING"
                and not cluster.fate.stuck
                and self.now >= cluster.begun + _seconds(cluster.fate.after)
            ):
                self._finish_create(uuid, cluster)
        for job in self.jobs.values():
            self._go_on(job)
        for uuid, cluster in list(self.clusters.items()):
            live = any(job.view.cluster_uuid == uuid and job.view.state in LIVE for job in self.jobs.values())
            if live or cluster.view.state == "CREATING":
                cluster.busy_at = self.now
            if cluster.deleting is None and self.now >= min(cluster.expires, cluster.busy_at + cluster.idle):
                self.remove(uuid)
        self.most_live_jobs = max(self.most_live_jobs, sum(job.view.state in LIVE for job in self.jobs.values()))

    def _finish_create(self, uuid: str, cluster: Cluster) -> None:
        fate = cluster.fate
        operation = self.operations[f"create-{uuid}"]
        self.operations[operation.name] = replace(operation, done=True, error=fate.error)
        cluster.view = replace(
            cluster.view, state="ERROR" if fate.error else fate.state, detail=fate.detail, since=self.now
        )
        if fate.vanishes:
            self.remove(uuid)

    def _go_on_deleting(self, uuid: str, cluster: Cluster) -> None:
        assert cluster.deleting is not None
        begun, fate, before = cluster.deleting
        if fate.stuck or self.now < begun + _seconds(fate.after):
            return
        if not fate.fails:
            self.remove(uuid)
            return
        cluster.deleting = None
        cluster.view = replace(cluster.view, state=before, since=self.now)

    def _go_on(self, job: Job) -> None:
        if job.view.state not in LIVE:
            return
        if job.cancelled:
            if job.fate.heeds_cancel:
                job.view = replace(job.view, state="CANCELLED", since=self.now)
                job.fate.result = None
        elif self.now >= job.begun + _seconds(job.fate.after) and job.fate.starts:
            ran = job.view.ran_at or min(self.now, job.begun + _seconds(10))
            job.view = replace(job.view, state=job.fate.state, details=job.fate.details, since=self.now, ran_at=ran)
        elif job.view.state == "PENDING" and job.fate.starts and self.now >= job.begun + _seconds(10):
            job.view = replace(job.view, state="RUNNING", since=self.now, ran_at=self.now)

    def _read(self, look: Look, state: State) -> Any:
        if look is Look.CLUSTERS:
            old = self.now - self.lag
            return tuple(
                one.view
                for one in self.clusters.values()
                if names.is_ours(one.view.labels, state.own) and one.begun <= old
            )
        if look is Look.JOBS:
            old = self.now - self.lag
            return tuple(
                job.view for job in self.jobs.values() if names.is_ours(job.view.labels, state.own) and job.begun <= old
            )
        if look is Look.CLUSTER:
            name = state.cluster_name
            return next((one.view for one in self.clusters.values() if one.view.name == name), Gone())
        if look is Look.OPERATION:
            return self.operations.get(state.operation, Gone())
        job = self.jobs.get(state.job_id)
        if job is None:
            return Gone()
        if look is Look.JOB:
            return job.view
        if look is Look.HEARTBEAT:
            return HeartbeatView(self.now) if job.fate.beats and job.view.state == "RUNNING" else Gone()
        return (job.view.state in ("DONE", "ERROR") and job.fate.result) or Gone()


def _seconds(length: float) -> timedelta:
    return timedelta(seconds=length)
