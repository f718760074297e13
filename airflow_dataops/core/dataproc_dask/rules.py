# SPDX-License-Identifier: Apache-2.0
"""Which requests Google would take, and which make sense: all faults of a document at once, before anything is asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta

from airflow_dataops.core.dataproc_dask.durations import text
from airflow_dataops.core.dataproc_dask.spec import Adapt, RunParts

LONGEST_TTL = timedelta(days=14)
SHORTEST_IDLE_TTL = timedelta(minutes=5)
SHORTEST_AUTO_TTL = timedelta(minutes=10)
MOST_LABELS = 32
OWN_LABELS = 8
OWN_PREFIX = "dataops-"

_PROJECT = re.compile(r"([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]")
_REGION = re.compile(r"[a-z]+-[a-z]+\d+")
_ZONE = re.compile(r"([a-z]+-[a-z]+\d+)-[a-z]")
_NETWORK_TAG = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
_OBJECT = re.compile(r"gs://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]/\S+")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_KEY = re.compile(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+")
_POLICY = re.compile(r"(https://\S+/)?projects/[^/]+/(regions|locations)/[^/]+/autoscalingPolicies/[^/]+")
_ACCOUNT = re.compile(r"[^@\s]+@[^@\s]+\.gserviceaccount\.com")
_FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_JOB_NAME = re.compile(r"[a-z]([a-z0-9-]{0,28}[a-z0-9])?")
_PROPERTY = re.compile(r"[a-z][a-z0-9-]*:\S+")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Attributes:
        path: Where, dotted: ``cluster.idle_delete_ttl``.
        code: Stable name in capitals.
        message: What was received and what is valid.
        hint: What to type instead; None where the message says it all.
    """

    path: str
    code: str
    message: str
    hint: str | None = None

    def to_dict(self) -> dict[str, str | None]:
        """Return the fault as JSON."""
        return asdict(self)


def broken_rules(run: RunParts) -> list[Fault]:
    """Return the rules that a well-typed run breaks, in the order of the document."""
    return [fault for rule in _RULES for fault in rule(run)]


def _place(run: RunParts) -> Iterator[Fault]:
    cluster = run.cluster
    yield from _form("cluster.project", "BAD_PROJECT", cluster.project, _PROJECT, "a project id: my-project-123")
    yield from _form("cluster.region", "BAD_REGION", cluster.region, _REGION, "a region: europe-west1")
    for position, zone in enumerate(cluster.zones):
        found = _ZONE.fullmatch(zone)
        if found is None or found[1] != cluster.region:
            message = f"{zone!r} is no zone of region {cluster.region!r}"
            yield Fault(
                f"cluster.zones.{position}", "BAD_ZONE", message, f"write {cluster.region}-b, or leave zones out"
            )
    if len(set(cluster.zones)) < len(cluster.zones):
        yield Fault("cluster.zones", "ZONE_TWICE", "a zone is named twice; each is tried in turn anyway")
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
    yield from _form("cluster.kms_key", "BAD_KEY", cluster.kms_key, _KEY, key)
    account = "NAME@PROJECT.iam.gserviceaccount.com"
    yield from _form("cluster.service_account", "BAD_ACCOUNT", cluster.service_account, _ACCOUNT, account)
    for position, tag in enumerate(cluster.tags):
        valid = "1 to 63 of a-z, 0-9 and -, a letter first"
        yield from _form(f"cluster.tags.{position}", "BAD_TAG", tag, _NETWORK_TAG, valid)
    for name in ("staging_bucket", "temp_bucket"):
        valid = "the name of a bucket, without gs://"
        yield from _form(f"cluster.{name}", "BAD_BUCKET", getattr(cluster, name), _BUCKET, valid)
    uris = {"cluster.environment_uri": cluster.environment_uri}
    uris |= {f"cluster.init_actions.{n}.uri": action.uri for n, action in enumerate(cluster.init_actions)}
    if job is not None:
        uris |= {"job.bootstrap_uri": job.bootstrap_uri, "job.spec_uri": job.spec_uri}
        uris |= {f"job.python_file_uris.{n}": uri for n, uri in enumerate(job.python_file_uris)}
    for path, uri in uris.items():
        yield from _form(path, "BAD_URI", uri, _OBJECT, "an object in a bucket: gs://bucket/path")


def _machines(run: RunParts) -> Iterator[Fault]:
    cluster = run.cluster
    workers, secondary = cluster.workers, cluster.secondary
    if workers.count < 2:
        message = f"{workers.count} is too few: a cluster has at least 2 primary workers"
        yield Fault("cluster.workers.count", "TOO_FEW_WORKERS", message, "write count: 2")
    if workers.minimum is not None and not 2 <= workers.minimum <= workers.count:
        message = f"{workers.minimum} is not between 2 and count, which is {workers.count}"
        yield Fault("cluster.workers.minimum", "BAD_MINIMUM", message)
    disks = {"master": cluster.master.disk, "workers": workers.disk}
    if secondary is not None:
        disks["secondary"] = secondary.disk
        if secondary.count < 0:
            yield Fault("cluster.secondary.count", "BAD_COUNT", f"{secondary.count} is less than 0")
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
    for role, disk in disks.items():
        if not 30 <= disk.size_gb <= 65536:
            message = f"{disk.size_gb} GB is not between 30 (the image) and 65536"
            yield Fault(f"cluster.{role}.disk.size_gb", "BAD_DISK", message)


def _scaling(run: RunParts) -> Iterator[Fault]:
    cluster, job = run.cluster, run.job
    scaling = cluster.autoscaling
    if scaling is not None:
        valid = "projects/P/regions/R/autoscalingPolicies/ID"
        yield from _form("cluster.autoscaling.policy_uri", "BAD_POLICY", scaling.policy_uri, _POLICY, valid)
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
            yield Fault("cluster.autoscaling.max_workers", "BAD_MAXIMUM", message)
    workers = job.workers if job else None
    if isinstance(workers, Adapt):
        if not 0 <= workers.minimum <= workers.maximum or workers.maximum < 1:
            message = f"minimum {workers.minimum} and maximum {workers.maximum}: 0 <= minimum <= maximum, and maximum at least 1"
            yield Fault("job.workers", "BAD_ADAPT", message)
        if cluster.runtime == "standalone":
            message = "the standalone runtime has one Dask worker a machine, and cannot adapt"
            yield Fault("job.workers", "STANDALONE_ADAPT", message, "write runtime: yarn, or workers: a number")
    elif workers is not None and workers < 1:
        yield Fault("job.workers", "BAD_WORKERS", f"{workers} is less than 1")
    elif workers is not None and cluster.runtime == "standalone" and workers > cluster.nodes:
        message = f"{workers} Dask workers are more than the {cluster.nodes} machines of the cluster, one each"
        yield Fault("job.workers", "TOO_MANY_WORKERS", message)


def _lifetimes(run: RunParts) -> Iterator[Fault]:
    cluster, policy = run.cluster, run.policy
    keep, written = policy.keep_failed_for, cluster.auto_delete_ttl
    yield from _within("cluster.idle_delete_ttl", "BAD_IDLE_TTL", cluster.idle_delete_ttl, SHORTEST_IDLE_TTL)
    if written is not None:
        yield from _within("cluster.auto_delete_ttl", "BAD_AUTO_TTL", written, SHORTEST_AUTO_TTL)
        if SHORTEST_AUTO_TTL <= written < run.needed_lifetime:
            message = (
                f"{text(written)} is shorter than all deadlines together, {text(run.needed_lifetime)}: "
                "Google would delete the cluster in the middle of the work"
            )
            hint = f"write {text(run.needed_lifetime)} or leave it out, or shorten policy.deadlines"
            code = "KEEP_OVER_TTL" if keep and run.needed_lifetime - keep <= written else "TTL_OVER_DEADLINES"
            path = "policy.keep_failed_for" if code == "KEEP_OVER_TTL" else "cluster.auto_delete_ttl"
            yield Fault(path, code, message, hint)
    elif run.needed_lifetime > LONGEST_TTL:
        message = f"all deadlines together are {text(run.needed_lifetime)}; a cluster can live {text(LONGEST_TTL)}"
        yield Fault("policy.deadlines", "DEADLINES_OVER_TTL", message, "shorten policy.deadlines.run")
    if keep is not None:
        yield from _within("policy.keep_failed_for", "BAD_KEEP", keep, SHORTEST_IDLE_TTL)
    for position, action in enumerate(cluster.init_actions):
        if not timedelta() < action.timeout < policy.deadlines.create:
            message = (
                f"{text(action.timeout)} is not between 0 and policy.deadlines.create, {text(policy.deadlines.create)}"
            )
            yield Fault(f"cluster.init_actions.{position}.timeout", "BAD_INIT_TIMEOUT", message)


def _patience(run: RunParts) -> Iterator[Fault]:
    policy = run.policy
    lengths = {f"deadlines.{name}": getattr(policy.deadlines, name) for name in type(policy.deadlines).model_fields}
    lengths |= {name: getattr(policy, name) for name in ("poll", "backoff", "backoff_limit", "quota_backoff")}
    for name, length in lengths.items():
        if length < timedelta(seconds=1):
            yield Fault(f"policy.{name}", "TOO_SHORT", f"{length.total_seconds():g}s is shorter than 1s")
    if not 1 <= policy.attempts <= 20:
        yield Fault("policy.attempts", "BAD_ATTEMPTS", f"{policy.attempts} is not between 1 and 20")
    if policy.heartbeat_stale is not None and policy.heartbeat_stale < timedelta(minutes=1):
        message = f"{text(policy.heartbeat_stale)} is shorter than 1m: a busy driver would be taken for a dead one"
        yield Fault("policy.heartbeat_stale", "HEARTBEAT_TOO_SHORT", message)
    if policy.budget is not None and policy.budget <= 0:
        yield Fault("policy.budget", "BAD_BUDGET", f"{policy.budget} is not more than 0")


def _texts(run: RunParts) -> Iterator[Fault]:
    for key, value in run.cluster.labels.items():
        path = f"cluster.labels.{key}"
        valid = "1 to 63 of a-z, 0-9, _ and -, a letter first"
        yield from _form(path, "BAD_LABEL_KEY", key, _LABEL_KEY, valid)
        yield from _form(path, "BAD_LABEL_VALUE", value, _LABEL_VALUE, "at most 63 of a-z, 0-9, _ and -")
        if key == "managed-by" or key.startswith((OWN_PREFIX, "goog-")):
            yield Fault(
                path,
                "RESERVED_LABEL",
                f"managed-by and labels that start with {OWN_PREFIX} or goog- are not yours to set",
            )
    if len(run.cluster.labels) > MOST_LABELS - OWN_LABELS:
        message = f"{len(run.cluster.labels)} labels; a cluster has {MOST_LABELS}, and {OWN_LABELS} of them are ours"
        yield Fault("cluster.labels", "TOO_MANY_LABELS", message)
    for name in run.cluster.properties:
        valid = "prefix:name, such as spark:spark.executor.memory"
        yield from _form(f"cluster.properties.{name}", "BAD_PROPERTY", name, _PROPERTY, valid)


def _job(run: RunParts) -> Iterator[Fault]:
    job = run.job
    if job is None:
        return
    valid = "1 to 30 of a-z, 0-9 and -, a letter first"
    yield from _form("job.name", "BAD_JOB_NAME", job.name, _JOB_NAME, valid)
    yield from _form(
        "job.function", "BAD_FUNCTION", job.function, _FUNCTION, "module:function, such as flights.delays:by_carrier"
    )
    yield from _form("job.spec_hash", "BAD_HASH", job.spec_hash, _SHA256, "64 hex digits in small letters")
    if (job.spec_uri is None) != (job.spec_hash is None):
        yield Fault(
            "job.spec_uri", "HASH_WITHOUT_SPEC", "spec_uri and spec_hash come together: the driver compares them"
        )
    try:
        json.dumps(job.args, allow_nan=False)
    except (TypeError, ValueError) as error:
        yield Fault(
            "job.args",
            "ARGS_NOT_JSON",
            f"not JSON: {error}",
            "give texts, numbers, true, false, null, lists and mappings",
        )


def _form(path: str, code: str, value: str | None, form: re.Pattern[str], valid: str) -> Iterator[Fault]:
    if value is not None and form.fullmatch(value) is None:
        yield Fault(path, code, f"{value!r} is not {valid}" if ":" in valid or "/" in valid else f"{value!r}: {valid}")


def _within(path: str, code: str, length: timedelta, shortest: timedelta) -> Iterator[Fault]:
    if not shortest <= length <= LONGEST_TTL:
        message = f"{text(length)} is not between {text(shortest)} and {text(LONGEST_TTL)}"
        yield Fault(path, code, message, f"write {text(min(max(length, shortest), LONGEST_TTL))}")


_RULES: tuple[Callable[[RunParts], Iterator[Fault]], ...] = (
    _place,
    _secure,
    _references,
    _machines,
    _scaling,
    _lifetimes,
    _patience,
    _texts,
    _job,
)
