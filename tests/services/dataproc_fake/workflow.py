# SPDX-License-Identifier: Apache-2.0
"""``WorkflowTemplateService``: an inline template makes its cluster, runs its jobs in order, and deletes the cluster whatever happens.

As the protos say: a request id is known again while its workflow goes on, and not afterwards; jobs are called by their step; a workflow that is told
to stop cancels its jobs and deletes its cluster; ``dag_timeout`` counts from the first job.
"""

from __future__ import annotations

import re
import threading
import time
import uuid
from typing import Any

from google.longrunning import operations_pb2

from tests.services.dataproc_fake import checking, clusters, jobs, passing
from tests.services.dataproc_fake.faults import Fate
from tests.services.dataproc_fake.protos import api
from tests.services.dataproc_fake.records import Answered, Operation, Refusal, stamp
from tests.services.dataproc_fake.world import World

_Metadata = api.WorkflowMetadata.pb()
_Node = api.WorkflowNode
_LOOK = 0.03
_STEP = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{1,48}[A-Za-z0-9]")
_PREFIX = re.compile(r"[a-z][a-z0-9-]{0,33}[a-z0-9]")


def instantiate(world: World, request: Any, fate: Fate, start: jobs.Start) -> Any:
    """Begin a workflow."""
    _, project, _, region = request.parent.split("/")
    checking.request_id(request.request_id)
    known = world.answered(project, region, request.request_id)
    if known is not None and not world.operations[known.key].body.done:
        return world.operations[known.key].body
    template = request.template
    if not template.placement.HasField("managed_cluster"):
        raise Refusal("UNIMPLEMENTED", "this fake runs templates with placement.managed_cluster only")
    if not template.jobs:
        raise checking.invalid("template.jobs: at least one")
    steps = _checked(template)
    metadata = _Metadata(state=api.WorkflowMetadata.State.RUNNING, start_time=stamp(world.now(project)))
    metadata.dag_timeout.CopyFrom(template.dag_timeout)
    for job in template.jobs:
        if not set(job.prerequisite_step_ids) <= set(steps):
            raise checking.invalid(f"prerequisite_step_ids of {job.step_id!r}: some of {steps}")
        metadata.graph.nodes.add(
            step_id=job.step_id, prerequisite_step_ids=job.prerequisite_step_ids, state=_Node.NodeState.BLOCKED
        )
    body = operations_pb2.Operation(name=f"projects/{project}/regions/{region}/operations/{uuid.uuid4()}")
    body.metadata.Pack(metadata)
    operation = Operation(body, project, region)
    world.save(operation)
    world.remember(project, region, request.request_id, Answered("operation", operation.key))
    flow = _Flow(world, operation, template, fate, start)
    threading.Thread(target=flow.run, name="workflow", daemon=True).start()
    return operation.body


def cancel(world: World, name: str) -> bool:
    """Tell a workflow to stop; False where the operation is none."""
    operation = world.operations[name]
    if not operation.body.metadata.Is(_Metadata.DESCRIPTOR):
        return False
    operation.cluster = "cancelled"
    world.save(operation)
    return True


def _checked(template: Any) -> list[str]:
    """Return the names of the steps.

    Raises:
        Refusal: A name or the time-out is out of bounds.
    """
    steps = [job.step_id for job in template.jobs]
    if len(set(steps)) < len(steps) or not all(_STEP.fullmatch(step) for step in steps):
        raise checking.invalid(f"template.jobs.step_id {steps}: each one its own, 3 to 50 of letters, digits, _ and -")
    prefix = template.placement.managed_cluster.cluster_name
    if not _PREFIX.fullmatch(prefix):
        raise checking.invalid(f"managed_cluster.cluster_name {prefix!r}: 2 to 35 of a-z, 0-9 and -")
    if template.HasField("dag_timeout") and not 600 <= template.dag_timeout.seconds <= 86400:
        raise checking.invalid(f"dag_timeout {template.dag_timeout.seconds}s: between 10 minutes and 24 hours")
    checking.labels(template.placement.managed_cluster.labels)
    return steps


class _Flow:
    """A workflow under way."""

    def __init__(self, world: World, operation: Operation, template: Any, fate: Fate, start: jobs.Start) -> None:
        self.world, self.operation, self.template, self.fate, self.start = world, operation, template, fate, start
        self.project, self.region = operation.project, operation.region
        self.began: float | None = None
        self.pending = world.now(self.project) + fate.get("pending", 0.0)
        managed = template.placement.managed_cluster
        self.name = f"{managed.cluster_name}-{uuid.uuid4().hex[:12]}"  # Dataproc appends a suffix

    def run(self) -> None:
        """Do it all."""
        error: tuple[str, str] | None = None
        try:
            self._until(lambda: self.world.now(self.project) >= self.pending)
            self._make()
            for job in self._ordered():
                self._do(job)
        except Refusal as refusal:
            error = (refusal.code, refusal.text)
        cluster = self.world.named(self.project, self.region, self.name)
        if cluster is not None:
            with self.world.lock:
                if cluster.deleting is None:
                    passing.begin_delete(self.world, cluster, "the workflow is over")
                self._tell(delete_cluster={"operation_id": cluster.deleting["operation"].rpartition("/")[2]})
            self._until(lambda: cluster.gone is not None, stops=False)
        with self.world.lock:
            self._tell(state=api.WorkflowMetadata.State.DONE, end_time=stamp(self.world.now(self.project)))
            self.world.finish(self.operation.key, error=error)

    def _make(self) -> None:
        managed = self.template.placement.managed_cluster
        request = api.CreateClusterRequest.pb()(project_id=self.project, region=self.region)
        request.cluster.cluster_name = self.name
        request.cluster.config.CopyFrom(managed.config)
        request.cluster.labels.update(dict(managed.labels) | dict(self.template.labels))
        with self.world.lock:
            made = clusters.create(self.world, request, self.fate)
            cluster = self.world.clusters[self.world.operations[made.name].cluster]
            self._tell(cluster_name=self.name, cluster_uuid=cluster.uuid)
            self._tell(create_cluster={"operation_id": made.name.rpartition("/")[2]})
        self._until(lambda: cluster.state != "CREATING" or cluster.deleting is not None or cluster.gone is not None)
        failed = cluster.body.status.detail if cluster.state != "RUNNING" else ""
        with self.world.lock:
            self._tell(create_cluster={"done": True, "error": failed})
        if cluster.state != "RUNNING" or cluster.gone is not None:
            raise Refusal(
                "FAILED_PRECONDITION", f"cluster {self.name} is {cluster.state}: {cluster.body.status.detail}"
            )

    def _ordered(self) -> list[Any]:
        waiting, done, ordered = list(self.template.jobs), set[str](), []
        while waiting:
            job = next((one for one in waiting if set(one.prerequisite_step_ids) <= done), None)
            if job is None:
                raise checking.invalid("prerequisite_step_ids go round in a circle")
            waiting.remove(job)
            done.add(job.step_id)
            ordered.append(job)
        return ordered

    def _do(self, step: Any) -> None:
        wanted = api.Job.pb()(labels=dict(step.labels) | dict(self.template.labels))
        wanted.reference.job_id = f"{step.step_id}-{uuid.uuid4().hex[:12]}"
        wanted.placement.cluster_name = self.name
        kind = step.WhichOneof("job_type")
        wanted.labels["goog-dataproc-workflow-step-id"] = step.step_id
        if kind is not None:
            getattr(wanted, kind).CopyFrom(getattr(step, kind))
        wanted.scheduling.CopyFrom(step.scheduling)
        with self.world.lock:
            if not self._metadata().HasField("dag_start_time"):
                self.began = self.world.now(self.project)
                self._tell(dag_start_time=stamp(self.began))
            job = jobs.add(self.world, self.project, self.region, wanted, self.fate)
            self._node(step.step_id, _Node.NodeState.RUNNING, job.id)
            self.start(job)
        try:
            self._until(lambda: job.ended is not None)
        except Refusal:
            self._cancel(job)
            raise
        good = job.state == "DONE"
        with self.world.lock:
            self._node(step.step_id, _Node.NodeState.COMPLETED if good else _Node.NodeState.FAILED, job.id)
        if not good:
            raise Refusal("ABORTED", f"job {job.id} of step {step.step_id} is {job.state}: {job.body.status.details}")

    def _cancel(self, job: Any) -> None:
        """Cancel a job, and wait for its end; one that does not heed it goes with its cluster."""
        request = api.CancelJobRequest.pb()(project_id=self.project, region=self.region, job_id=job.id)
        with self.world.lock:
            jobs.cancel(self.world, request, {})
            self._node(request.job_id.rpartition("-")[0], _Node.NodeState.FAILED, job.id)
        patience = time.monotonic() + self.world.timing_of(self.project).cancel_grace + 1
        while job.ended is None and time.monotonic() < patience:
            time.sleep(_LOOK)

    def _until(self, true: Any, *, stops: bool = True) -> None:
        limit = self.template.dag_timeout.seconds
        while not true():
            if stops and self.operation.cluster == "cancelled":
                raise Refusal("CANCELLED", "the workflow was cancelled")
            if stops and limit and self.began is not None and self.world.now(self.project) >= self.began + limit:
                raise Refusal("DEADLINE_EXCEEDED", f"the workflow has reached its dag_timeout of {limit}s")
            time.sleep(_LOOK)

    def _node(self, step: str, state: Any, job: str) -> None:
        metadata = self._metadata()
        for node in metadata.graph.nodes:
            if node.step_id == step:
                node.state, node.job_id = state, job
        self._put(metadata)

    def _tell(self, **values: Any) -> None:
        metadata = self._metadata()
        metadata.MergeFrom(_Metadata(**values))
        self._put(metadata)

    def _metadata(self) -> Any:
        metadata = _Metadata()
        self.operation.body.metadata.Unpack(metadata)
        return metadata

    def _put(self, metadata: Any) -> None:
        self.operation.body.metadata.Pack(metadata)
        self.world.save(self.operation)
