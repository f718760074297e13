# SPDX-License-Identifier: Apache-2.0
"""Names from which a later try, the janitor and Google itself know whose a cluster is: made of the run, never of the clock or the try."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_dataops.core.dataproc_dask.spec import ClusterSpec, DaskJob
from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.identity import RunIdentity, run_hash, text_hash

LONGEST_CLUSTER_NAME, LONGEST_JOB_ID, LONGEST_REQUEST_ID, LONGEST_LABEL = 51, 100, 40, 63
MOST_GENERATIONS = 99
MANAGED_BY, MANAGER = "managed-by", "airflow-dataops"
INSTANCE, RUN, SPEC, EXPIRES = "dataops-instance", "dataops-run", "dataops-spec", "dataops-expires-at"
TRY, GENERATION, KEEP = "dataops-try", "dataops-generation", "dataops-keep"
JOB, ATTEMPT, EXECUTION = "dataops-job", "dataops-attempt", "dataops-execution"

_HASH_IN_NAME = 20  # 100 bits; the label carries all 256, so that a clash is seen
_LONGEST_PREFIX = 35  # of a managed cluster
_LONGEST_SLUG = LONGEST_CLUSTER_NAME - len("dd-") - 1 - _HASH_IN_NAME - len("-g99")
_NAMESPACE = hashlib.sha256(b"airflow-dataops/dataproc_dask").digest()[:16]
# What does not change the machines: a retry with another of these still takes the cluster as its own.
_NOT_THE_CLUSTER = {"labels", "secure", "idle_delete_ttl", "auto_delete_ttl"}
_NOT_THE_JOB = {"name", "spec_uri"}


def base_name(identity: RunIdentity) -> str:
    """Return ``dd-<slug>-<hash>``: the name of the run's first cluster, and the stem of all others and of its jobs."""
    slug = re.sub(r"[^a-z0-9]+", "-", identity.task_id.lower()).strip("-")[:_LONGEST_SLUG].strip("-")
    return "-".join(part for part in ("dd", slug, run_hash(identity)[:_HASH_IN_NAME]) if part)


def cluster_name(base: str, generation: int) -> str:
    """Return the name of the run's n-th cluster: at most 51 characters.

    Raises:
        SpecError: The run has used up its 99 clusters (``GENERATIONS_USED_UP``).
    """
    if not 1 <= generation <= MOST_GENERATIONS:
        raise SpecError(
            f"cluster number {generation} of {base!r}: a run has at most {MOST_GENERATIONS}",
            hint="find out why its clusters are deleted again and again, then start a new run",
            code="GENERATIONS_USED_UP",
        )
    return base if generation == 1 else f"{base}-g{generation}"


def generation_of(base: str, name: str) -> int | None:
    """Return which cluster of the run bears ``name``; None where it is none of the run's."""
    if name == base:
        return 1
    found = re.fullmatch(rf"{re.escape(base)}-g([2-9]|[1-9]\d)", name)
    return int(found[1]) if found else None


def managed_prefix(base: str) -> str:
    """Return what Google makes the name of a workflow's cluster of, by a suffix of its own: at most 35 characters, with the run's hash."""
    if len(base) <= _LONGEST_PREFIX:
        return base
    return f"{base[: _LONGEST_PREFIX - 1 - _HASH_IN_NAME].rstrip('-')}-{base[-_HASH_IN_NAME:]}"


def is_managed(base: str, name: str) -> bool:
    """Tell whether ``name`` is that of a cluster which Google made for a workflow of the run."""
    return name.startswith(f"{managed_prefix(base)}-") and generation_of(base, name) is None


def job_id(base: str, job: str, execution: int) -> str:
    """Return the id of the n-th execution of a job: at most 100 characters.

    It counts executions, not tries: a new try sends the id of an execution of which it knows no end, so that a request of the dead try
    that is still under way cannot become a second job.
    """
    return f"{base}-{job}-x{execution}"


def job_folder(spec_uri: str, job_id: str) -> str:
    """Return where an execution leaves its files: a folder beside the job's document, so that no two executions write the same object."""
    return f"{spec_uri.rpartition('/')[0]}/{job_id}"


def request_id(name: str, operation: str, generation: int, place: str = "") -> str:
    """Return the UUID (version 5) under which Google knows a request again; 36 characters."""
    asked = json.dumps([name, operation, generation, place])
    digest = bytearray(hashlib.sha1(_NAMESPACE + asked.encode(), usedforsecurity=False).digest()[:16])
    digest[6], digest[8] = digest[6] & 0x0F | 0x50, digest[8] & 0x3F | 0x80
    text = digest.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def cluster_hash(spec: ClusterSpec) -> str:
    """Return the hash of what the machines are made of; labels and times to live do not count."""
    document = spec.model_dump(mode="json", exclude=_NOT_THE_CLUSTER)
    for name in ("tags", "scopes"):
        document[name] = sorted(document[name])
    return "s" + text_hash(_canonical({"version": 1, "cluster": document}))


def job_hash(job: DaskJob) -> str:
    """Return the hash of what the job does; its name and where its document lies do not count."""
    return "s" + text_hash(_canonical({"version": 1, "job": job.model_dump(mode="json", exclude=_NOT_THE_JOB)}))


def run_labels(identity: RunIdentity) -> dict[str, str]:
    """Return the labels that a cluster or job of the run bears, by which it is listed and known as our own."""
    return {MANAGED_BY: MANAGER, INSTANCE: label_value(identity.instance), RUN: f"r{run_hash(identity)}"}


def is_ours(labels: Mapping[str, str], own: Mapping[str, str]) -> bool:
    """Tell whether ``labels`` carries all labels of ``own`` (:func:`run_labels`)."""
    return bool(own) and all(labels.get(key) == value for key, value in own.items())


def label_value(text: str) -> str:
    """Return ``text`` as a label's value: small letters, digits and -, a letter first, at most 63; made unlike others by a hash."""
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if slug == text and len(slug) <= LONGEST_LABEL and slug[:1].isalpha():
        return slug
    return f"x-{slug[:40].strip('-')}-{text_hash(text)[:12]}".replace("--", "-")


def moment_label(moment: datetime) -> str:
    """Return a moment as a label's value: ``t20261121-165000z``."""
    return moment.astimezone(UTC).strftime("t%Y%m%d-%H%M%Sz")


def moment_of(value: str | None) -> datetime | None:
    """Return the moment of :func:`moment_label`; None where it is no such text."""
    try:
        return datetime.strptime(value or "", "t%Y%m%d-%H%M%Sz").replace(tzinfo=UTC)
    except ValueError:
        return None


def seconds_label(length: timedelta) -> str:
    """Return a length of time as a label's value: ``s1800``."""
    return f"s{int(length.total_seconds())}"


def seconds_of(value: str | None) -> timedelta | None:
    """Return the length of :func:`seconds_label`; None where it is no such text."""
    return timedelta(seconds=int(value[1:])) if value and re.fullmatch(r"s\d{1,9}", value) else None


def number_of(labels: Mapping[str, str], key: str) -> int:
    """Return the number in a label such as ``n2``; 0 where there is none."""
    found = re.fullmatch(r"n(\d{1,6})", labels.get(key, ""))
    return int(found[1]) if found else 0


def list_filter(own: Mapping[str, str]) -> str:
    """Return the ``filter`` of a list request for clusters or jobs with these labels."""
    return " AND ".join(f"labels.{key} = {value}" for key, value in own.items())


def _canonical(document: Any) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
