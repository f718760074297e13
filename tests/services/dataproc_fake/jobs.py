# SPDX-License-Identifier: Apache-2.0
"""``JobController``: submit, get, list, cancel."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from tests.services.dataproc_fake import checking, listing
from tests.services.dataproc_fake.faults import Fate
from tests.services.dataproc_fake.protos import api
from tests.services.dataproc_fake.records import Answered, Job, JobPb, Refusal, turn
from tests.services.dataproc_fake.world import World

Start = Callable[[Job], None]
_Matcher = api.ListJobsRequest.JobStateMatcher


def submit(world: World, request: Any, fate: Fate, start: Start) -> Any:
    """Take a job, and start it."""
    project, region = request.project_id, request.region
    checking.request_id(request.request_id)
    known = world.answered(project, region, request.request_id)
    if known is not None:
        return world.jobs[known.key].body
    job = add(world, project, region, request.job, fate)
    world.remember(project, region, request.request_id, Answered("job", job.key))
    start(job)
    return job.body


def add(world: World, project: str, region: str, wanted: Any, fate: Fate) -> Job:
    """Take a job down as PENDING.

    Raises:
        Refusal: It is out of bounds, its id was used before, or its cluster cannot take it.
    """
    checking.job(wanted)
    body, now = JobPb(), world.now(project)
    body.CopyFrom(wanted)
    body.reference.project_id = project
    body.reference.job_id = body.reference.job_id or uuid.uuid4().hex
    if f"{project}/{region}/{body.reference.job_id}" in world.jobs:
        raise Refusal(
            "ALREADY_EXISTS", f"Already exists: Job projects/{project}/regions/{region}/jobs/{body.reference.job_id}"
        )
    cluster = world.named(project, region, body.placement.cluster_name)
    if cluster is None:
        where = f"projects/{project}/regions/{region}/clusters/{body.placement.cluster_name}"
        raise Refusal("NOT_FOUND", f"Not found: Cluster {where}")
    if cluster.state not in ("RUNNING", "UPDATING"):
        raise Refusal("FAILED_PRECONDITION", f"Cluster {cluster.name} is {cluster.state}, and cannot accept jobs")
    if body.WhichOneof("type_job") != "pyspark_job":
        raise Refusal("UNIMPLEMENTED", f"this fake runs pyspark_job only, not {body.WhichOneof('type_job')}")
    body.placement.cluster_uuid, body.job_uuid = cluster.uuid, str(uuid.uuid4())
    folder = f"gs://{cluster.body.config.config_bucket}/google-cloud-dataproc-metainfo/{cluster.uuid}/jobs/{body.reference.job_id}"
    body.driver_output_resource_uri = f"{folder}/driveroutput"
    body.driver_control_files_uri = f"{folder}/"
    turn(body, "PENDING", now)
    job = Job(body, project, region, body.reference.job_id, cluster.uuid, created=now, fate=dict(fate))
    world.save(job)
    return job


def get(world: World, request: Any, fate: Fate) -> Any:
    """Return a job by its id."""
    return world.job(request.project_id, request.region, request.job_id).body


def list_(world: World, request: Any, fate: Fate) -> Any:
    """Return a page of the jobs that filter, cluster and state choose, the newest first."""
    chosen = listing.chosen(request.filter, "job")
    found = []
    for job in reversed(world.jobs.values()):
        active = listing.is_active(job, "job")
        matched = {_Matcher.ALL: True, _Matcher.ACTIVE: active, _Matcher.NON_ACTIVE: not active}
        here = job.project == request.project_id and job.region == request.region
        placed = request.cluster_name in ("", job.body.placement.cluster_name)
        if here and placed and matched[_Matcher(request.job_state_matcher)] and chosen(job):
            found.append(job.body)
    shown, token = listing.page(found, request.page_size, request.page_token, 100)
    return api.ListJobsResponse.pb()(jobs=shown, next_page_token=token)


def cancel(world: World, request: Any, fate: Fate) -> Any:
    """Tell a job to stop; one that has ended stays as it is."""
    job = world.job(request.project_id, request.region, request.job_id)
    if job.ended is None and not job.cancelled:
        job.cancelled = True
        job.fate |= fate
        turn(job.body, "CANCEL_PENDING", world.now(job.project))
        world.save(job)
    return job.body
