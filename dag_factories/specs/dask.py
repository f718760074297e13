# SPDX-License-Identifier: Apache-2.0
"""Clusters as authors write them: in ``dataops.yaml`` the shapes of a target, in a pipeline one of them, or what differs from it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from airflow_dataops.core.dataproc_dask.spec import (
    Autoscaling,
    InitAction,
    Master,
    NfsMount,
    SecondaryWorkers,
    Workers,
)
from dag_factories.specs.arguments import AuthorModel
from dag_factories.specs.values import Money, Names, Seconds

DEFAULT_SHAPE = "default"


class Shape(AuthorModel):
    """The machines of a cluster. Project, region and whether it is ``secure`` are the target's to say.

    Attributes:
        zones: Zones to try in order; empty lets Google choose one for each attempt.
        subnetwork: URI of the subnetwork, ``projects/P/regions/R/subnetworks/S``; it has Private Google Access.
        internal_ip_only: No machine has a public address.
        service_account: Account of the machines.
        scopes: Its OAuth scopes.
        tags: Network tags that the firewall's rules name.
        master: The node with the scheduler and the driver.
        workers: Primary workers.
        secondary: Secondary workers, usually spot machines; null for none.
        image_version: Dataproc's image.
        init_actions: Scripts that each node runs when it starts.
        environment_uri: Environment tarball in a bucket, where it is not that of the target.
        kms_key: Full name of the key that encrypts disks and the cluster's data.
        shielded: Secure boot, vTPM and integrity monitoring.
        metadata: Metadata of the machines.
        nfs: Filestore share that every node mounts.
        runtime: ``standalone`` (a scheduler of our own, fixed workers) or ``yarn``.
        autoscaling: A Dataproc autoscaling policy; only with ``yarn``.
        idle_delete_ttl: Google deletes the cluster after so long without a job.
        auto_delete_ttl: Google deletes it at this age, whatever happens; without it at the sum of all deadlines.
        labels: Labels of the cluster, beside our own.
        properties: Properties of the image's software, ``prefix:name`` -> value.
        component_gateway: Dashboards through Google's proxy.
        staging_bucket: Bucket of logs and job files, without ``gs://``; Dataproc's own without it.
        temp_bucket: Bucket of temporary files, without ``gs://``; Dataproc's own without it.
    """

    zones: list[str] = []
    subnetwork: str | None = None
    internal_ip_only: bool = True
    service_account: str | None = None
    scopes: list[str] = ["https://www.googleapis.com/auth/cloud-platform"]
    tags: list[str] = []
    master: Master = Master()
    workers: Workers = Workers()
    secondary: SecondaryWorkers | None = None
    image_version: str = "2.2-debian12"
    init_actions: list[InitAction] = []
    environment_uri: str | None = None
    kms_key: str | None = None
    shielded: bool = True
    metadata: dict[str, str] = {}
    nfs: NfsMount | None = None
    runtime: Literal["standalone", "yarn"] = "standalone"
    autoscaling: Autoscaling | None = None
    idle_delete_ttl: Seconds = 600
    auto_delete_ttl: Seconds | None = None
    labels: dict[str, str] = {}
    properties: dict[str, str] = {}
    component_gateway: bool = True
    staging_bucket: str | None = None
    temp_bucket: str | None = None


class ClusterChoice(Shape):
    """A shape of the target, and what differs from it for this pipeline.

    Attributes:
        shape: Name of the shape; without it ``default``, or the target's only one.
    """

    shape: str | None = None


class DaskDeadlines(AuthorModel):
    """How long each part may take.

    Attributes:
        create: One attempt to make a cluster.
        submit: From sending the job until it runs.
        run: The job; of several on one cluster, all of them together.
        cancel: Grace of a job that was told to stop.
        delete: From the first request to delete until the cluster is gone.
    """

    create: Seconds = 900
    submit: Seconds = 300
    run: Seconds = 7200
    cancel: Seconds = 60
    delete: Seconds = 600


class DaskPolicy(AuthorModel):
    """How patiently, and for how much money, the pipelines of a target are run.

    Attributes:
        deadlines: Longest times.
        attempts: Clusters that may be asked for until one runs.
        poll: Time between two looks.
        backoff: First pause after an error; it doubles.
        backoff_limit: Longest pause after an error.
        quota_backoff: First pause after a refused quota; it doubles.
        heartbeat_stale: A job that gives no sign of life for so long is taken for dead; null for never.
        keep_failed_for: A cluster whose one job failed is left for a look; Google deletes it after so long without a job.
        budget: Most that a run may cost at worst, in the rate card's currency.
        over_budget: What happens when it might cost more.
    """

    deadlines: DaskDeadlines = DaskDeadlines()
    attempts: int = 3
    poll: Seconds = 10
    backoff: Seconds = 2
    backoff_limit: Seconds = 60
    quota_backoff: Seconds = 60
    heartbeat_stale: Seconds | None = 300
    keep_failed_for: Seconds | None = None
    budget: Money | None = None
    over_budget: Literal["fail", "warn"] = "fail"


class DaskTarget(AuthorModel):
    """Dask clusters on Dataproc, made for one run each.

    Attributes:
        project: Project id.
        region: Region.
        bucket: Bucket of the driver and of the jobs' documents and results, without ``gs://``.
        secure: Refuse what would have a public address, disks without a key of your own, or the default service account.
        gcp_conn_id: Airflow connection; it needs no key: without one in it, the worker's own identity is used.
        impersonation_chain: Service account to act as, or a chain of them.
        api_endpoint: ``host:port`` of the Dataproc API, where it is not the region's public one.
        environment_uri: Environment tarball in a bucket, for all shapes.
        init_actions: Scripts that each node runs when it starts, for all shapes.
        code_uris: Archives with the functions' modules, as ``dataops package`` uploads them.
        rate_card: File with prices, from the folder of ``dataops.yaml``; what a run may cost and did cost is told with them.
        deferrable: Wait in the triggerer, without a worker's slot.
        cluster: What all shapes have in common.
        shapes: Name -> machines; what stands in ``cluster`` holds where a shape says nothing.
        policy: Patience and budget, where a pipeline says nothing.
    """

    project: str
    region: str
    bucket: str
    secure: bool = False
    gcp_conn_id: str = "google_cloud_default"
    impersonation_chain: Names = []
    api_endpoint: str | None = None
    environment_uri: str | None = None
    init_actions: list[InitAction] = []
    code_uris: list[str] = []
    rate_card: str | None = None
    deferrable: bool = True
    cluster: Shape = Shape()
    shapes: dict[str, Shape] = Field(default={DEFAULT_SHAPE: Shape()}, min_length=1)
    policy: DaskPolicy = DaskPolicy()

    def shape_of(self, name: str | None) -> str | None:
        """Return the name of the shape that is meant; None where there is none of that name, or it is not clear which."""
        if name is not None:
            return name if name in self.shapes else None
        if DEFAULT_SHAPE in self.shapes:
            return DEFAULT_SHAPE
        return next(iter(self.shapes)) if len(self.shapes) == 1 else None


def overlaid(*documents: dict[str, Any]) -> dict[str, Any]:
    """Return mappings laid over one another: the last one that says something wins, key by key at any depth; lists are replaced."""
    merged: dict[str, Any] = {}
    for document in documents:
        for key, value in document.items():
            below = merged.get(key)
            deeper = isinstance(value, dict) and isinstance(below, dict)
            merged[key] = overlaid(below or {}, value) if deeper else value
    return merged
