# SPDX-License-Identifier: Apache-2.0
"""The Dataproc in memory with workflows: each makes its cluster, runs its job, and deletes the cluster."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from airflow_dataops.core.dataproc_dask.observation import ClusterView, JobView, OperationView, Reply
from airflow_dataops.core.dataproc_dask.turn import Call, CallKind
from airflow_dataops.core.machine import Accepted, CallError
from tests.unit.core.dataproc_dask.simulator import LIVE, Cluster, CreateFate, Dataproc, DeleteFate, Job, JobFate


@dataclass
class Workflow:
    """A workflow under way: its operation, the cluster and the job that it makes, and whether it was told to stop."""

    operation: str
    template: dict[str, Any]
    limit: timedelta
    pending: float
    cluster: str = ""
    job: str = ""
    stops: bool = False
    error: CallError | None = None


class WorkflowDataproc(Dataproc):
    """Google, with workflows.

    Attributes:
        workflows: All that were started.
        pending: Seconds until a workflow has a cluster.
        heeds_stop: Whether it does what it was told.
        forgets: A request id is known again only while its workflow goes on.
    """

    def __init__(self) -> None:
        super().__init__()
        self.workflows: list[Workflow] = []
        self.pending = 5.0
        self.heeds_stop = True
        self.forgets = False

    def _commit(self, call: Call) -> Reply:
        request_id = call.request.get("request_id", "")
        known = self.answers.get(request_id)
        if (
            self.forgets
            and call.kind is CallKind.START
            and isinstance(known, OperationView)
            and self.operations[known.name].done
        ):
            del self.answers[request_id]
        return super()._commit(call)

    def _tick(self) -> None:
        super()._tick()
        for flow in self.workflows:
            self._go_on_with(flow)
        self.most_live_jobs = max(self.most_live_jobs, sum(job.view.state in LIVE for job in self.jobs.values()))

    def _start(self, request: dict[str, Any]) -> Reply:
        template = request["template"]
        name = f"workflow-{len(self.workflows) + 1}"
        limit = timedelta(seconds=template["dag_timeout"]["seconds"])
        self.workflows.append(Workflow(name, template, limit, self.pending))
        self.operations[name] = OperationView(name, started_at=self.now)
        return self.operations[name]

    def _stop(self, request: dict[str, Any]) -> Reply:
        flow = next((one for one in self.workflows if one.operation == request["name"]), None)
        if flow is None:
            return CallError("NOT_FOUND", "no such operation")
        flow.stops = flow.stops or self.heeds_stop
        return Accepted()

    def _go_on_with(self, flow: Workflow) -> None:
        """Make the cluster, run the job, delete the cluster: each as soon as it may be."""
        operation = self.operations[flow.operation]
        if (
            operation.done
            or operation.started_at is None
            or self.now < operation.started_at + timedelta(seconds=flow.pending)
        ):
            return
        if not flow.cluster and not flow.stops and flow.error is None:
            self._cluster_of(flow)
            return
        cluster, job = self.clusters.get(flow.cluster), self.jobs.get(flow.job)
        late = job is not None and job.view.state in LIVE and self.now >= job.begun + flow.limit
        if job is not None and job.view.state in LIVE and (flow.stops or late):
            job.cancelled = True
            return
        over = flow.error is not None or flow.stops or job is not None or cluster is None
        if cluster is not None and cluster.view.state == "RUNNING" and not over:
            self._job_of(flow, cluster)
        elif job is not None and job.view.state in LIVE and cluster is not None and cluster.deleting is None:
            return
        elif cluster is not None and (over or cluster.view.state == "ERROR"):
            if cluster.deleting is None:
                cluster.deleting = (self.now, next(self.deletes, DeleteFate()), cluster.view.state)
                flow.error = flow.error or cluster.fate.error
                cluster.view = replace(cluster.view, state="DELETING", since=self.now)
        elif cluster is None:
            failed = job is not None and job.view.state != "DONE"
            error = flow.error or (CallError("ABORTED", "the workflow failed") if failed else None)
            if flow.stops:
                error = CallError("CANCELLED", "the workflow was cancelled")
            self.operations[flow.operation] = replace(operation, done=True, error=error)

    def _cluster_of(self, flow: Workflow) -> None:
        managed = flow.template["placement"]["managed_cluster"]
        fate = next(self.creates, CreateFate())
        flow.error = fate.refuse
        if flow.error is not None:
            return
        uuid = flow.cluster = f"uuid-{len(self.made) + 1}"
        name = f"{managed['cluster_name']}-{'abcdefgh'[len(self.made) % 8] * 13}"
        view = ClusterView(name, uuid, "CREATING", managed["labels"], since=self.now, created_at=self.now)
        far = self.now + timedelta(days=9)
        self.clusters[uuid] = Cluster(view, fate, self.now, far, timedelta(days=9), self.now)
        self.made.append(uuid)
        self.operations[f"create-{uuid}"] = OperationView(f"create-{uuid}")
        self.operations[flow.operation] = replace(self.operations[flow.operation], cluster_uuid=uuid, cluster_name=name)

    def _job_of(self, flow: Workflow, cluster: Cluster) -> None:
        step = flow.template["jobs"][0]
        flow.job = f"{step['step_id']}-{len(self.jobs):05d}"
        view = JobView(
            flow.job,
            "PENDING",
            step["labels"],
            cluster.view.name,
            cluster.view.uuid,
            log_uri="gs://staging/out",
            since=self.now,
        )
        self.jobs[view.id] = Job(view, next(self.job_fates, JobFate()), self.now)
        self.operations[flow.operation] = replace(
            self.operations[flow.operation], job_id=view.id, work_began_at=self.now
        )
