# SPDX-License-Identifier: Apache-2.0
"""What others do to a project behind a caller's back: clusters and jobs of strangers, things that are gone, answers that are old."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

from tests.services.dataproc_fake.records import Answered, Cluster, ClusterPb, Job, JobPb, turn
from tests.services.dataproc_fake.world import World


def foreign(
    world: World, project: str, region: str, name: str, labels: dict[str, str] | None = None, state: str = "RUNNING"
) -> Cluster:
    """Put a cluster there that somebody else made; it has no time to live."""
    now, own = world.now(project), str(uuid.uuid4())
    body = ClusterPb(project_id=project, cluster_name=name, cluster_uuid=own, labels=labels or {"team": "other"})
    turn(body, "CREATING", now - 90)
    turn(body, state, now)
    cluster = Cluster(body, project, region, own, name, created=now, busy=now, foreign=True)
    world.save(cluster)
    return cluster


def foreign_job(world: World, call: Any) -> Job:
    """Put a job there that somebody else sent, under the id of a call that is about to come."""
    wanted, now = call.request.job, world.now(call.project)
    body = JobPb(labels={"team": "other"})
    body.reference.project_id, body.reference.job_id = call.project, wanted.reference.job_id
    body.placement.cluster_name, body.placement.cluster_uuid = "elsewhere", str(uuid.uuid4())
    turn(body, "RUNNING", now)
    job = Job(body, call.project, call.region, wanted.reference.job_id, body.placement.cluster_uuid, created=now)
    world.save(job)
    return job


def relabel(world: World, call: Any, key: str, value: str) -> None:
    """Change a label of the cluster that a call has just made."""
    cluster = world.named(call.project, call.region, call.name)
    if cluster is not None:
        cluster.body.labels[key] = value
        world.save(cluster)


def remove(world: World, call: Any) -> None:
    """Take away, at once, the cluster that a call is about."""
    from tests.services.dataproc_fake.passing import vanish

    cluster = world.named(call.project, call.region, call.name)
    if cluster is not None:
        vanish(world, cluster)


def stale_request(world: World, call: Any) -> None:
    """Let the id of a create request stand for an operation that ended long ago, of a cluster that is gone."""
    now = world.now(call.project)
    body, own = ClusterPb(), str(uuid.uuid4())
    body.CopyFrom(call.request.cluster)
    body.cluster_uuid = own
    turn(body, "RUNNING", now - 3600)
    old = Cluster(body, call.project, call.region, own, body.cluster_name, created=now - 3600, gone=now - 1800)
    old.foreign = True
    operation = world.begin(old, "CREATE", "Create cluster with 2 workers")
    _backdate(operation.body, now - 3600)
    world.finish(operation.key, body)
    world.save(old)
    world.remember(call.project, call.region, call.request_id, Answered("operation", operation.key))


def wait_for_caller(active: Callable[[], bool], seconds: float) -> None:
    """Wait until the caller has gone or given up, at most so long."""
    end = time.monotonic() + seconds
    while active() and time.monotonic() < end:
        time.sleep(0.01)


def _backdate(body: Any, moment: float) -> None:
    from tests.services.dataproc_fake.records import OperationMetadataPb, stamp

    metadata = OperationMetadataPb()
    body.metadata.Unpack(metadata)
    for status in [metadata.status, *metadata.status_history]:
        status.state_start_time.CopyFrom(stamp(moment))
    body.metadata.Pack(metadata)
