# SPDX-License-Identifier: Apache-2.0
"""Which requests Google would take, and which make sense: all faults of a document at once, before anything is asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta

from airflow_dataops.core.checked import Fault
from airflow_dataops.core.dataproc_dask.spec import Adapt, RunParts
from airflow_dataops.core.dataproc_dask.text_rules import job_rules, label_rules, of_form, secret_rules
from airflow_dataops.core.durations import text, told

LONGEST_TTL = timedelta(days=14)
SHORTEST_IDLE_TTL = timedelta(minutes=5)
SHORTEST_AUTO_TTL = timedelta(minutes=10)

_PROJECT = re.compile(r"([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]")
_REGION = re.compile(r"[a-z]+-[a-z]+\d+")
_ZONE = re.compile(r"([a-z]+-[a-z]+\d+)-[a-z]")
_NETWORK_TAG = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_OBJECT = re.compile(r"gs://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]/\S+")
BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_KEY = re.compile(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+")
_POLICY = re.compile(r"(https://\S+/)?projects/[^/]+/(regions|locations)/[^/]+/autoscalingPolicies/[^/]+")
_ACCOUNT = re.compile(r"[^@\s]+@[^@\s]+\.gserviceaccount\.com")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
_SHARE = re.compile(r"/?[^\s/,:]\S*")
_FOLDER = re.compile(r"/[^\s/]\S*")
_SHOWN = "gcloud filestore instances list shows address and share"


def broken_rules(run: RunParts) -> list[Fault]:
    """Return the rules that a well-typed run breaks, in the order of the document."""
    return [fault for rule in _RULES for fault in rule(run)]


def _place(run: RunParts) -> Iterator[Fault]:
    cluster = run.cluster
    yield from of_form(
        "cluster.project",
        "BAD_PROJECT",
        cluster.project,
        _PROJECT,
        "a project id: my-project-123",
        "gcloud projects list shows the ids",
    )
    yield from of_form(
        "cluster.region",
        "BAD_REGION",
        cluster.region,
        _REGION,
        "a region: europe-west1",
        "gcloud compute regions list shows them",
    )
    for position, zone in enumerate(cluster.zones):
        found = _ZONE.fullmatch(zone)
        if found is None or found[1] != cluster.region:
            message = f"{zone!r} is no zone of region {cluster.region!r}"
            yield Fault(
                f"cluster.zones.{position}", "BAD_ZONE", message, f"write {cluster.region}-b, or leave zones out"
            )
    if len(set(cluster.zones)) < len(cluster.zones):
        yield Fault(
            "cluster.zones", "ZONE_TWICE", "a zone is named twice; each is tried in turn anyway", "name each once"
        )
    if cluster.internal_ip_only and cluster.subnetwork is None:
        message = "machines without a public address need a subnetwork with Private Google Access"
        hint = "add subnetwork: projects/PROJECT/regions/REGION/subnetworks/NAME"
        yield Fault("cluster.subnetwork", "SUBNETWORK_MISSING", message, hint)


def _secure(run: RunParts) -> Iterator[Fault]:
    cluster = run.cluster
    if cluster.secure and not cluster.internal_ip_only:
        message = "the target is secure, and its machines would have public addresses"
        yield Fault("cluster.internal_ip_only", "PUBLIC_ADDRESS", message, "remove internal_ip_only: false")
    if cluster.secure and cluster.kms_key is None:
        message = "the target is secure, and its disks have no key of your own"
        hint = "add kms_key: projects/P/locations/L/keyRings/R/cryptoKeys/K"
        yield Fault("cluster.kms_key", "KEY_MISSING", message, hint)
    if cluster.secure and not cluster.shielded:
        yield Fault("cluster.shielded", "NOT_SHIELDED", "the target is secure", "remove shielded: false")
    if cluster.secure and cluster.service_account is None:
        message = "the target is secure, and its machines would run as the project's default account"
        yield Fault(
            "cluster.service_account",
            "ACCOUNT_MISSING",
            message,
            "add service_account: NAME@PROJECT.iam.gserviceaccount.com",
        )


def _references(run: RunParts) -> Iterator[Fault]:
    cluster, job = run.cluster, run.job
    key = "projects/P/locations/L/keyRings/R/cryptoKeys/K, without a version"
    yield from of_form(
        "cluster.kms_key", "BAD_KEY", cluster.kms_key, _KEY, key, "gcloud kms keys list shows the full names"
    )
    account = "NAME@PROJECT.iam.gserviceaccount.com"
    yield from of_form(
        "cluster.service_account",
        "BAD_ACCOUNT",
        cluster.service_account,
        _ACCOUNT,
        account,
        "gcloud iam service-accounts list shows them",
    )
    for position, tag in enumerate(cluster.tags):
        valid = "1 to 63 of a-z, 0-9 and -, a letter first"
        yield from of_form(
            f"cluster.tags.{position}", "BAD_TAG", tag, _NETWORK_TAG, valid, "write a tag such as dask-worker"
        )
    for name in ("staging_bucket", "temp_bucket"):
        valid = "the name of a bucket, without gs://"
        yield from of_form(f"cluster.{name}", "BAD_BUCKET", getattr(cluster, name), BUCKET, valid, "write my-bucket")
    uris = {"cluster.environment_uri": cluster.environment_uri}
    uris |= {f"cluster.init_actions.{n}.uri": action.uri for n, action in enumerate(cluster.init_actions)}
    if job is not None:
        uris |= {"job.bootstrap_uri": job.bootstrap_uri, "job.spec_uri": job.spec_uri}
        uris |= {f"job.python_file_uris.{n}": uri for n, uri in enumerate(job.python_file_uris)}
    for path, uri in uris.items():
        yield from of_form(
            path,
            "BAD_URI",
            uri,
            _OBJECT,
            "an object in a bucket: gs://bucket/path",
            "`dataops package` uploads and prints them",
        )


def _share(run: RunParts) -> Iterator[Fault]:
    nfs = run.cluster.nfs
    if nfs is None:
        return
    yield from of_form("cluster.nfs.server", "BAD_NFS", nfs.server, _HOST, "an address or a name: 10.0.0.2", _SHOWN)
    yield from of_form("cluster.nfs.export", "BAD_NFS", nfs.export, _SHARE, "the name of a share: vol1", _SHOWN)
    yield from of_form(
        "cluster.nfs.mount_point", "BAD_NFS", nfs.mount_point, _FOLDER, "an absolute path: /mnt/data", "write /mnt/data"
    )


def _machines(run: RunParts) -> Iterator[Fault]:
    cluster = run.cluster
    workers, secondary = cluster.workers, cluster.secondary
    if workers.count < 2:
        message = f"{workers.count} is too few: a cluster has at least 2 primary workers"
        yield Fault("cluster.workers.count", "TOO_FEW_WORKERS", message, "write count: 2")
    if workers.minimum is not None and not 2 <= workers.minimum <= workers.count:
        message = f"{workers.minimum} is not between 2 and count, which is {workers.count}"
        yield Fault(
            "cluster.workers.minimum",
            "BAD_MINIMUM",
            message,
            f"write minimum: {max(workers.count, 2)}, or leave it out",
        )
    disks = {"master": cluster.master.disk, "workers": workers.disk}
    if secondary is not None:
        disks["secondary"] = secondary.disk
    for role, disk in disks.items():
        if not 30 <= disk.size_gb <= 65536:
            message = f"{disk.size_gb} GB is not between 30 (the image) and 65536"
            yield Fault(f"cluster.{role}.disk.size_gb", "BAD_DISK", message, "write size_gb: 100")
        if disk.local_ssds < 0:
            yield Fault(f"cluster.{role}.disk.local_ssds", "BAD_DISK", f"{disk.local_ssds} is less than 0", "write 0")


def _secondary(run: RunParts) -> Iterator[Fault]:
    secondary = run.cluster.secondary
    if secondary is None:
        return
    if secondary.count < 0:
        yield Fault("cluster.secondary.count", "BAD_COUNT", f"{secondary.count} is less than 0", "write 0")
    if not 0 <= secondary.standard_base <= max(secondary.count, 0):
        message = f"{secondary.standard_base} is not between 0 and count, which is {secondary.count}"
        yield Fault("cluster.secondary.standard_base", "BAD_COUNT", message, f"write {max(secondary.count, 0)} or less")
    if secondary.standard_base and not secondary.choices:
        message = "standard_base needs a list of machine types"
        yield Fault(
            "cluster.secondary.standard_base",
            "CHOICES_MISSING",
            message,
            "add choices: [{machine_types: [n2-standard-4]}]",
        )
    if secondary.choices and secondary.preemptibility == "PREEMPTIBLE":
        message = "a list of machine types goes with SPOT or NON_PREEMPTIBLE only"
        yield Fault("cluster.secondary.preemptibility", "CHOICES_REFUSED", message, "write SPOT")


def _scaling(run: RunParts) -> Iterator[Fault]:
    cluster, job = run.cluster, run.job
    scaling = cluster.autoscaling
    if scaling is not None:
        valid = "projects/P/regions/R/autoscalingPolicies/ID"
        shown = f"gcloud dataproc autoscaling-policies describe ID --region {cluster.region} --format='value(name)'"
        yield from of_form("cluster.autoscaling.policy_uri", "BAD_POLICY", scaling.policy_uri, _POLICY, valid, shown)
        if cluster.runtime == "standalone":
            message = "Dataproc's autoscaling sees YARN only; with the standalone runtime it would take live Dask workers away"
            yield Fault(
                "cluster.autoscaling",
                "STANDALONE_AUTOSCALING",
                message,
                "write runtime: yarn, or leave autoscaling out",
            )
        if scaling.max_workers < cluster.workers.count:
            message = f"{scaling.max_workers} is less than workers.count, which is {cluster.workers.count}"
            yield Fault(
                "cluster.autoscaling.max_workers", "BAD_MAXIMUM", message, f"write {cluster.workers.count} or more"
            )
        if scaling.max_secondary_workers < 0:
            message = f"{scaling.max_secondary_workers} is less than 0"
            yield Fault("cluster.autoscaling.max_secondary_workers", "BAD_COUNT", message, "write 0")
    workers = job.workers if job else None
    if isinstance(workers, Adapt):
        if not 0 <= workers.minimum <= workers.maximum or workers.maximum < 1:
            message = f"minimum {workers.minimum} and maximum {workers.maximum}: 0 <= minimum <= maximum, and maximum at least 1"
            yield Fault("job.workers", "BAD_ADAPT", message, "write {minimum: 1, maximum: 10}")
        if cluster.runtime == "standalone":
            message = "the standalone runtime has one Dask worker a machine, and cannot adapt"
            yield Fault("job.workers", "STANDALONE_ADAPT", message, "write runtime: yarn, or workers: a number")
    elif workers is not None and workers < 1:
        yield Fault(
            "job.workers", "BAD_WORKERS", f"{workers} is less than 1", "write 1 or more, or leave it out for all"
        )
    elif workers is not None and cluster.runtime == "standalone" and workers > cluster.nodes:
        message = f"{workers} Dask workers are more than the {cluster.nodes} machines of the cluster, one each"
        yield Fault(
            "job.workers", "TOO_MANY_WORKERS", message, f"write {cluster.nodes}, or more machines for the cluster"
        )


def _lifetimes(run: RunParts) -> Iterator[Fault]:
    cluster, policy = run.cluster, run.policy
    keep, written = policy.keep_failed_for, cluster.auto_delete_ttl
    yield from _within("cluster.idle_delete_ttl", "BAD_IDLE_TTL", cluster.idle_delete_ttl, SHORTEST_IDLE_TTL)
    if written is not None:
        yield from _within("cluster.auto_delete_ttl", "BAD_AUTO_TTL", written, SHORTEST_AUTO_TTL)
        if SHORTEST_AUTO_TTL <= written < run.needed_lifetime:
            message = (
                f"{told(written)} is shorter than all deadlines together, {told(run.needed_lifetime)}: "
                "Google would delete the cluster in the middle of the work"
            )
            hint = f"write {text(run.needed_lifetime)} or leave it out, or shorten policy.deadlines"
            code = "KEEP_OVER_TTL" if keep and run.needed_lifetime - keep <= written else "TTL_OVER_DEADLINES"
            path = "policy.keep_failed_for" if code == "KEEP_OVER_TTL" else "cluster.auto_delete_ttl"
            yield Fault(path, code, message, hint)
    elif run.needed_lifetime > LONGEST_TTL:
        message = f"all deadlines together are {told(run.needed_lifetime)}; a cluster can live {text(LONGEST_TTL)}"
        yield Fault("policy.deadlines", "DEADLINES_OVER_TTL", message, "shorten policy.deadlines.run")
    if keep is not None:
        yield from _within("policy.keep_failed_for", "BAD_KEEP", keep, SHORTEST_IDLE_TTL)
    for position, action in enumerate(cluster.init_actions):
        if not timedelta() < action.timeout < policy.deadlines.create:
            message = (
                f"{told(action.timeout)} is not between 0 and policy.deadlines.create, {told(policy.deadlines.create)}"
            )
            yield Fault(
                f"cluster.init_actions.{position}.timeout", "BAD_INIT_TIMEOUT", message, "write 5m, or a longer create"
            )


def _patience(run: RunParts) -> Iterator[Fault]:
    policy = run.policy
    lengths = {f"deadlines.{name}": getattr(policy.deadlines, name) for name in type(policy.deadlines).model_fields}
    lengths |= {name: getattr(policy, name) for name in ("poll", "backoff", "backoff_limit", "quota_backoff")}
    for name, length in lengths.items():
        if length < timedelta(seconds=1):
            yield Fault(
                f"policy.{name}", "TOO_SHORT", f"{length.total_seconds():g}s is shorter than 1s", "write 1s or more"
            )
    if not 1 <= policy.attempts <= 20:
        yield Fault("policy.attempts", "BAD_ATTEMPTS", f"{policy.attempts} is not between 1 and 20", "write 3")
    if policy.heartbeat_stale is not None and policy.heartbeat_stale < timedelta(minutes=1):
        message = f"{told(policy.heartbeat_stale)} is shorter than 1m: a busy driver would be taken for a dead one"
        yield Fault("policy.heartbeat_stale", "HEARTBEAT_TOO_SHORT", message, "write 5m, or null for never")
    if policy.budget is not None and policy.budget <= 0:
        yield Fault(
            "policy.budget",
            "BAD_BUDGET",
            f"{policy.budget} is not more than 0",
            "write a sum, or leave it out for none",
        )


def _within(path: str, code: str, length: timedelta, shortest: timedelta) -> Iterator[Fault]:
    if not shortest <= length <= LONGEST_TTL:
        message = f"{told(length)} is not between {text(shortest)} and {text(LONGEST_TTL)}"
        yield Fault(path, code, message, f"write {text(min(max(length, shortest), LONGEST_TTL))}")


_RULES: tuple[Callable[[RunParts], Iterator[Fault]], ...] = (
    _place,
    _secure,
    _references,
    _share,
    _machines,
    _secondary,
    _scaling,
    _lifetimes,
    _patience,
    secret_rules,
    label_rules,
    job_rules,
)
