# SPDX-License-Identifier: Apache-2.0
"""What a user asks for: a cluster, a job, and how patiently and dearly it may be tried.

The types say what a value is; :mod:`~airflow_dataops.core.dataproc_dask.rules` says which values Google takes, and which go together.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal

from pydantic import Field

from airflow_dataops.core.durations import Duration
from airflow_dataops.core.model import Model

MINUTE = timedelta(minutes=1)


class Disk(Model):
    """The boot disk of a machine.

    Attributes:
        type: ``pd-standard``, ``pd-balanced``, ``pd-ssd``, ``hyperdisk-balanced``.
        size_gb: Size in GB.
        local_ssds: Number of local SSDs of 375 GB.
    """

    type: str = "pd-balanced"
    size_gb: int = 100
    local_ssds: int = 0


class Master(Model):
    """The one node with the Dask scheduler (``standalone``) or YARN's resource manager, and the driver of every job.

    Attributes:
        machine_type: Its machine type.
        disk: Its boot disk.
    """

    machine_type: str = "n2-standard-4"
    disk: Disk = Disk()


class Workers(Model):
    """Primary workers.

    Attributes:
        count: Number of machines.
        minimum: Fewest with which a cluster still counts as made; None wants all of them.
        machine_type: Their machine type.
        disk: The boot disk of each.
    """

    count: int = 2
    minimum: int | None = None
    machine_type: str = "n2-standard-4"
    disk: Disk = Disk()


class MachineChoice(Model):
    """Machine types that are equally welcome.

    Attributes:
        machine_types: The types.
        rank: A lower one is tried first.
    """

    machine_types: list[str] = Field(min_length=1)
    rank: int = 0


class SecondaryWorkers(Model):
    """Workers without HDFS, usually spot machines.

    Attributes:
        count: Number of machines.
        preemptibility: ``SPOT``, ``PREEMPTIBLE`` or ``NON_PREEMPTIBLE``.
        choices: Machine types in order; empty takes the primary workers' type.
        standard_base: Machines that are bought at the standard price before spot ones; with ``choices`` only.
        disk: The boot disk of each.
    """

    count: int
    preemptibility: Literal["SPOT", "PREEMPTIBLE", "NON_PREEMPTIBLE"] = "SPOT"
    choices: list[MachineChoice] = []
    standard_base: int = 0
    disk: Disk = Disk()


class InitAction(Model):
    """A script that each node runs when it starts.

    Attributes:
        uri: Where it lies in a bucket.
        timeout: How long it may take.
    """

    uri: str
    timeout: Duration = 10 * MINUTE


class NfsMount(Model):
    """A Filestore share that every node mounts.

    Attributes:
        server: Its address, within the subnetwork's VPC.
        export: Name of the share, ``vol1`` or ``/vol1``.
        mount_point: Folder on every node.
    """

    server: str
    export: str
    mount_point: str = "/mnt/data"


class Autoscaling(Model):
    """A Dataproc autoscaling policy; it knows YARN only.

    Attributes:
        policy_uri: ``projects/P/regions/R/autoscalingPolicies/ID``.
        max_workers: Most primary workers that the policy allows; the budget counts with them.
        max_secondary_workers: The same for secondary workers.
    """

    policy_uri: str
    max_workers: int
    max_secondary_workers: int = 0


class ClusterSpec(Model):
    """The cluster, private and guarded unless said otherwise.

    Attributes:
        project: Project id.
        region: Region.
        zones: Zones to try in order; empty lets Google choose one for each attempt.
        subnetwork: URI of the subnetwork, ``projects/P/regions/R/subnetworks/S``.
        internal_ip_only: No machine has a public address.
        secure: Refuse a public address, and disks without a key of one's own.
        service_account: Account of the machines.
        scopes: Its OAuth scopes.
        tags: Network tags that the firewall's rules name.
        master: The master.
        workers: Primary workers.
        secondary: Secondary workers; None for none.
        image_version: Dataproc's image.
        init_actions: Scripts that set Dask up.
        environment_uri: Environment tarball in a bucket.
        kms_key: Full name of the key that encrypts disks and the cluster's data.
        shielded: Secure boot, vTPM and integrity monitoring.
        metadata: Metadata of the machines.
        nfs: Filestore share.
        runtime: ``standalone`` (a scheduler of our own, fixed workers) or ``yarn``.
        autoscaling: Only with ``yarn``.
        idle_delete_ttl: Google deletes the cluster after so long without a job.
        auto_delete_ttl: Google deletes it at this age, whatever happens; None takes the sum of all deadlines.
        labels: Labels of the user's.
        properties: Properties of the image's software, ``prefix:name`` -> value.
        component_gateway: Dashboards through Google's proxy.
        staging_bucket: Bucket of logs and job files; None takes Dataproc's own.
        temp_bucket: Bucket of temporary files; None takes Dataproc's own.
    """

    project: str
    region: str
    zones: list[str] = []
    subnetwork: str | None = None
    internal_ip_only: bool = True
    secure: bool = False
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
    idle_delete_ttl: Duration = 10 * MINUTE
    auto_delete_ttl: Duration | None = None
    labels: dict[str, str] = {}
    properties: dict[str, str] = {}
    component_gateway: bool = True
    staging_bucket: str | None = None
    temp_bucket: str | None = None

    @property
    def nodes(self) -> int:
        """Most workers that the cluster can have, primary and secondary."""
        if self.autoscaling is not None:
            return self.autoscaling.max_workers + self.autoscaling.max_secondary_workers
        return self.workers.count + (self.secondary.count if self.secondary else 0)


class Adapt(Model):
    """As many Dask workers as there is work for, within two bounds.

    Attributes:
        minimum: Never fewer.
        maximum: Never more.
    """

    minimum: int
    maximum: int


class DaskJob(Model):
    """A function to run on the cluster.

    Attributes:
        name: Tells the jobs of one run apart.
        function: ``module:function``; it is called with the Dask client and ``args``.
        args: Keyword arguments, JSON.
        workers: A number, bounds, or None for all that the cluster has.
        bootstrap_uri: The driver's Python file in a bucket.
        spec_uri: The job's document in a bucket, which the driver reads.
        spec_hash: SHA-256 of that document, in hex; the driver compares it.
        python_file_uris: Files and archives that the driver can import from.
        properties: Properties of the driver.
    """

    name: str = "job"
    function: str
    args: dict[str, Any] = {}
    workers: int | Adapt | None = None
    bootstrap_uri: str | None = None
    spec_uri: str | None = None
    spec_hash: str | None = None
    python_file_uris: list[str] = []
    properties: dict[str, str] = {}


class Deadlines(Model):
    """How long each part may take.

    Attributes:
        create: One attempt to make a cluster.
        submit: From sending the job until it runs.
        run: The job; of a shared cluster, all of its jobs.
        cancel: Grace of a job that was told to stop.
        delete: From the first request to delete until the cluster is gone.
    """

    create: Duration = 15 * MINUTE
    submit: Duration = 5 * MINUTE
    run: Duration = 120 * MINUTE
    cancel: Duration = MINUTE
    delete: Duration = 10 * MINUTE


class Policy(Model):
    """How patiently, and for how much money.

    Attributes:
        deadlines: Longest times.
        attempts: Clusters that may be asked for until one runs.
        poll: Time between two looks.
        backoff: First pause after an error; it doubles.
        backoff_limit: Longest pause after an error.
        quota_backoff: First pause after a refused quota; it doubles.
        heartbeat_stale: A job that gives no sign of life for so long is taken for dead; None never.
        keep_failed_for: A cluster whose job failed is left for a look; Google deletes it after so long without a job.
        budget: Most that a cluster of the run may cost at worst, in the rate card's currency: its dearest hour as long as it may live. An
            attempt that fails comes on top.
        over_budget: What happens when it might cost more.
    """

    deadlines: Deadlines = Deadlines()
    attempts: int = 3
    poll: Duration = timedelta(seconds=10)
    backoff: Duration = timedelta(seconds=2)
    backoff_limit: Duration = MINUTE
    quota_backoff: Duration = MINUTE
    heartbeat_stale: Duration | None = 5 * MINUTE
    keep_failed_for: Duration | None = None
    budget: Decimal | None = None
    over_budget: Literal["fail", "warn"] = "fail"


class RunParts(Model):
    """All that is asked for, well typed, with no rule looked at."""

    cluster: ClusterSpec
    job: DaskJob | None = None
    policy: Policy = Policy()

    @property
    def lifetime(self) -> timedelta:
        """Age at which Google deletes the cluster: as written, or the sum of all that may happen to it."""
        return self.cluster.auto_delete_ttl or max(self.needed_lifetime, 10 * MINUTE)

    @property
    def needed_lifetime(self) -> timedelta:
        """Shortest age at which the cluster may be deleted without cutting anything short, in whole minutes."""
        limits = self.policy.deadlines
        parts = (limits.create, limits.submit, limits.run, limits.cancel, limits.delete, self.policy.keep_failed_for)
        needed = sum((part for part in parts if part), timedelta())
        return -(-needed // MINUTE) * MINUTE


__all__ = [
    "Adapt",
    "Autoscaling",
    "ClusterSpec",
    "DaskJob",
    "Deadlines",
    "Disk",
    "InitAction",
    "MachineChoice",
    "Master",
    "NfsMount",
    "Policy",
    "RunParts",
    "SecondaryWorkers",
    "Workers",
]
