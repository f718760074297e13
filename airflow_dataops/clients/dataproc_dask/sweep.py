# SPDX-License-Identifier: Apache-2.0
"""The janitor's hands: it lists what this Airflow made, and deletes by UUID what nobody waits for any more."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import ClassVar

from airflow_dataops.clients import sweeping
from airflow_dataops.clients.dataproc_dask.client import DataprocDaskClient
from airflow_dataops.clients.google import CloudError
from airflow_dataops.core.dataproc_dask import names
from airflow_dataops.core.dataproc_dask.janitor import Activity, Finding, JanitorPolicy, sweep
from airflow_dataops.core.dataproc_dask.observation import CLUSTER_RUNS, JOB_ENDED, ClusterView, JobView, Reply
from airflow_dataops.core.dataproc_dask.request import delete_request
from airflow_dataops.core.dataproc_dask.spec import ClusterSpec
from airflow_dataops.core.dataproc_dask.turn import Call, CallKind


class Swept(sweeping.Swept):
    """What was done about one cluster."""

    finding: Finding


class SweepReport(sweeping.Report):
    """One sweep of a project's region.

    Attributes:
        project: Project.
        region: Region.
        clusters: What was found and done, in the order of the list.
        blind: UUIDs of running clusters whose jobs could not be listed; such a one is deleted only for its age.
    """

    area: ClassVar[str] = "dataproc_dask"

    project: str
    region: str
    clusters: tuple[Swept, ...] = ()
    blind: tuple[str, ...] = ()

    @property
    def swept(self) -> tuple[Swept, ...]:
        """What was found and done."""
        return self.clusters


async def sweep_clusters(
    client: DataprocDaskClient,
    policy: JanitorPolicy,
    *,
    now: datetime,
    dry_run: bool = False,
) -> SweepReport:
    """Look at the clusters of one Airflow in the client's project and region, and delete those that the core condemns.

    A request to delete is sent once; where it fails, the next sweep sends it again. It takes one list of clusters, one list of jobs for
    each cluster that runs, and one call for each delete.

    Args:
        client: Sends and lists.
        policy: Whose clusters, and how patiently.
        now: The time.
        dry_run: Say what would be deleted, and delete nothing.

    Raises:
        CloudError: The clusters cannot be listed.
        MissingDependency: Google's libraries are not installed.
    """
    wanted = {names.MANAGED_BY: names.MANAGER, names.INSTANCE: names.label_value(policy.instance)}
    clusters = await client.list_clusters(names.list_filter(wanted))
    activity = await _activity(client, clusters)
    findings = sweep(clusters, policy, now, activity)

    async def delete(finding: Finding) -> Reply:
        return await _delete(client, finding, now)

    swept = await sweeping.perform(findings, delete, Swept, gone=("NOT_FOUND",), dry_run=dry_run)
    blind = tuple(view.uuid for view in clusters if view.state in CLUSTER_RUNS and view.uuid not in activity)
    settings = client.settings
    return SweepReport(
        project=settings.project,
        region=settings.region,
        at=now,
        dry_run=dry_run,
        clusters=swept,
        blind=blind,
    )


async def _activity(client: DataprocDaskClient, clusters: Iterable[ClusterView]) -> Mapping[str, Activity]:
    """Find out what runs on each running cluster, whoever sent it; a cluster whose jobs cannot be listed is left out."""
    running = [view for view in clusters if view.state in CLUSTER_RUNS and view.uuid]
    lock = asyncio.Semaphore(sweeping.AT_ONCE)

    async def look(view: ClusterView) -> Activity | None:
        async with lock:
            try:
                jobs = await client.list_jobs(cluster_name=view.name)
            except CloudError:
                return None
        return _activity_of([job for job in jobs if job.cluster_uuid in ("", view.uuid)])

    found = await asyncio.gather(*(look(view) for view in running))
    return {view.uuid: known for view, known in zip(running, found, strict=True) if known is not None}


def _activity_of(jobs: list[JobView]) -> Activity:
    ended = [job for job in jobs if job.state in JOB_ENDED]
    active = [job for job in jobs if job.state not in JOB_ENDED]
    last = max((job.since for job in ended if job.since is not None), default=None)
    return Activity(active_jobs=len(active), last_job_ended=last)


async def _delete(client: DataprocDaskClient, finding: Finding, now: datetime) -> Reply:
    settings = client.settings
    where = ClusterSpec(project=settings.project, region=settings.region)
    # A sweep is a request of its own: under an id from before, Google would answer with what became of that one.
    again = names.request_id(finding.uuid, "janitor", 1, now.isoformat())
    request = delete_request(where, name=finding.name, uuid=finding.uuid) | {"request_id": again}
    return await client.send(Call(CallKind.DELETE, request))


__all__ = ["SweepReport", "Swept", "sweep_clusters"]
