# SPDX-License-Identifier: Apache-2.0
"""The API's own bounds: what Google refuses with INVALID_ARGUMENT."""

from __future__ import annotations

import re
from typing import Any

from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from tests.services.dataproc_fake.records import Refusal

MINUTE, DAY = 60, 86400
MOST_LABELS = 32
_CLUSTER = re.compile(r"[a-z](?:[-a-z0-9]{0,49}[a-z0-9])?")
_REQUEST = re.compile(r"[A-Za-z0-9_-]{1,40}")
_JOB = re.compile(r"[A-Za-z0-9_-]{1,100}")
_LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")
_KEY = re.compile(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+")


def invalid(text: str) -> Refusal:
    """Return the refusal of a request."""
    return Refusal("INVALID_ARGUMENT", text)


def known_fields(message: Message, where: str = "") -> None:
    """Refuse fields that the API does not know.

    Raises:
        Refusal: There is one.
    """
    if len(UnknownFieldSet(message)):  # type: ignore[arg-type]
        number = UnknownFieldSet(message)[0].field_number
        raise invalid(f"Unknown field number {number} in {where or message.DESCRIPTOR.full_name}")
    for one, value in message.ListFields():
        if one.message_type is None or one.message_type.GetOptions().map_entry:
            continue
        for part in [value] if isinstance(value, Message) else value:  # protobuf 5 and 6 name what repeats in two ways
            known_fields(part, f"{where}.{one.name}".lstrip("."))


def request_id(text: str) -> None:
    """Refuse a request id of another form."""
    if text and not _REQUEST.fullmatch(text):
        raise invalid(f"request_id {text!r}: letters, digits, _ and -, at most 40 characters")


def labels(found: Any) -> None:
    """Refuse labels of another form."""
    if len(found) > MOST_LABELS:
        raise invalid(f"{len(found)} labels; at most {MOST_LABELS}")
    for key, value in found.items():
        if not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
            raise invalid(
                f"label {key!r}: {value!r} does not conform to [a-z][a-z0-9_-]{{0,62}} and [a-z0-9_-]{{0,63}}"
            )


def cluster(body: Any, region: str, now: float) -> None:
    """Refuse a cluster that Dataproc would refuse.

    Raises:
        Refusal: Something is out of its bounds.
    """
    if not _CLUSTER.fullmatch(body.cluster_name):
        raise invalid(f"cluster_name {body.cluster_name!r}: 1 to 51 of a-z, 0-9 and -, a letter first, no - last")
    if body.cluster_uuid or body.HasField("status"):
        raise invalid("cluster_uuid and status are output only")
    labels(body.labels)
    _machines(body.config, region)
    _workers(body.config)
    lifetimes(body.config.lifecycle_config, now)
    _references(body.config)


def lifetimes(life: Any, now: float) -> None:
    """Refuse times to live out of their bounds."""
    for name, shortest in (
        ("idle_delete_ttl", 5 * MINUTE),
        ("auto_delete_ttl", 10 * MINUTE),
        ("idle_stop_ttl", 5 * MINUTE),
    ):
        if life.HasField(name):
            seconds = getattr(life, name).ToTimedelta().total_seconds()
            if not shortest <= seconds <= 14 * DAY:
                raise invalid(f"lifecycle_config.{name} of {seconds:g}s is not between {shortest}s and 14 days")
    if life.HasField("auto_delete_time"):
        seconds = life.auto_delete_time.ToNanoseconds() / 1e9 - now
        if not 10 * MINUTE <= seconds <= 14 * DAY:
            raise invalid("lifecycle_config.auto_delete_time is not between 10 minutes and 14 days ahead")


def job(body: Any) -> None:
    """Refuse a job that Dataproc would refuse.

    Raises:
        Refusal: Something is out of its bounds.
    """
    if body.reference.job_id and not _JOB.fullmatch(body.reference.job_id):
        raise invalid(f"job_id {body.reference.job_id!r}: letters, digits, _ and -, at most 100 characters")
    if not body.placement.cluster_name:
        raise invalid("job.placement.cluster_name is required")
    labels(body.labels)
    if body.WhichOneof("type_job") is None:
        raise invalid("job.type_job: one of pyspark_job and others is required")
    if not 0 <= body.scheduling.max_failures_per_hour <= 10:
        raise invalid(f"scheduling.max_failures_per_hour {body.scheduling.max_failures_per_hour}: 0 to 10")
    if body.WhichOneof("type_job") == "pyspark_job":
        uri = body.pyspark_job.main_python_file_uri
        if not uri.endswith(".py"):
            raise invalid(f"pyspark_job.main_python_file_uri {uri!r} must be a .py file")


def _machines(config: Any, region: str) -> None:
    machines = config.gce_cluster_config
    zone = machines.zone_uri.rpartition("/")[2]
    if zone and not re.fullmatch(rf"{re.escape(region)}-[a-z]", zone):
        raise invalid(f"zone_uri {machines.zone_uri!r} is no zone of region {region}")
    if machines.internal_ip_only and not (machines.subnetwork_uri or machines.network_uri):
        raise invalid("gce_cluster_config.internal_ip_only needs a subnetwork with Private Google Access")
    for tag in machines.tags:
        if not _CLUSTER.fullmatch(tag):
            raise invalid(f"tag {tag!r} is no network tag")


def _workers(config: Any) -> None:
    workers, secondary = config.worker_config, config.secondary_worker_config
    if workers.num_instances != 0 and workers.num_instances < 2:
        raise invalid(f"worker_config.num_instances {workers.num_instances}: at least 2 primary workers")
    if workers.min_num_instances and not 2 <= workers.min_num_instances <= workers.num_instances:
        raise invalid(f"worker_config.min_num_instances {workers.min_num_instances}: from 2 to num_instances")
    if config.HasField("master_config") and config.master_config.num_instances not in (0, 1, 3):
        raise invalid(f"master_config.num_instances {config.master_config.num_instances}: 1 or 3")
    flexible = secondary.instance_flexibility_policy
    if flexible.instance_selection_list and secondary.machine_type_uri:
        raise invalid("secondary_worker_config: machine_type_uri and instance_flexibility_policy exclude one another")
    for group in (config.master_config, workers, secondary):
        size = group.disk_config.boot_disk_size_gb
        if group.HasField("disk_config") and size and not 10 <= size <= 65536:
            raise invalid(f"disk_config.boot_disk_size_gb {size}: 10 to 65536")


def _references(config: Any) -> None:
    for name in ("config_bucket", "temp_bucket"):
        bucket = getattr(config, name)
        if bucket and not _BUCKET.fullmatch(bucket):
            raise invalid(f"{name} {bucket!r} is no bucket's name; leave gs:// out")
    for key in (config.encryption_config.gce_pd_kms_key_name, config.encryption_config.kms_key):
        if key and not _KEY.fullmatch(key):
            raise invalid(f"encryption_config: {key!r} is no key's name")
    for action in config.initialization_actions:
        if not action.executable_file.startswith("gs://"):
            raise invalid(f"initialization_actions.executable_file {action.executable_file!r} must begin with gs://")
    for name in config.software_config.properties:
        if ":" not in name:
            raise invalid(f"software_config.properties: {name!r} is not prefix:property")
