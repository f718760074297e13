# SPDX-License-Identifier: Apache-2.0
"""The job's document: all that the driver on the cluster is told. It travels by a bucket under its own hash, and holds no secret."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Any, Literal

from pydantic import Field, ValidationError

from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.dataproc_dask.spec import Adapt, ClusterSpec, DaskJob, Policy
from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.model import Model

Runtime = Literal["standalone", "yarn", "local"]

_MACHINES_ARE_THERE = timedelta(minutes=5)  # a worker's process starts; no machine has to be made
_BEAT, _CLOSE = 30.0, 30.0


class JobDocument(Model):
    """What to run, on what, and how long to wait for what. All times are in seconds.

    Attributes:
        schema_version: Version of this document.
        name: Name of the job, for the log.
        function: ``module:function``, called with the Dask client and ``args``.
        args: Keyword arguments.
        code: Zip archives (``gs://…`` or a path) that the driver and the workers import from.
        runtime: Where the scheduler and the workers come from.
        workers: A number, bounds, or None for all that there are.
        at_least: Workers that must be there before the function is called.
        worker_threads: Threads of one worker; None takes the runtime's own choice.
        worker_memory: Memory of one worker in bytes; None takes the runtime's own choice.
        wait_for_workers: Longest wait for ``at_least`` workers.
        no_workers_timeout: So long may work wait without any worker at all.
        heartbeat: Between two signs of life.
        close: Longest time for letting go of everything.
    """

    schema_version: Literal[1] = 1
    name: str = "job"
    function: str = Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    args: dict[str, Any] = {}
    code: list[str] = []
    runtime: Runtime = "standalone"
    workers: int | Adapt | None = None
    at_least: int = Field(default=1, ge=1)
    worker_threads: int | None = Field(default=None, ge=1)
    worker_memory: int | None = Field(default=None, ge=1)
    wait_for_workers: float = Field(default=300.0, gt=0)
    no_workers_timeout: float = Field(default=360.0, gt=0)
    heartbeat: float = Field(default=_BEAT, gt=0)
    close: float = Field(default=_CLOSE, gt=0)


def document_of(run: DaskRun, job: DaskJob) -> bytes:
    """Return the job's document as canonical JSON.

    Args:
        run: The cluster and the policy; the runtime, the numbers of machines and all times come from them.
        job: What to run; it need not be ``run.job`` where several jobs share a cluster.
    """
    wait = _provisioning(run.cluster, run.policy, job)
    return encode(
        JobDocument(
            name=job.name,
            function=job.function,
            args=job.args,
            code=job.python_file_uris,
            runtime=run.cluster.runtime,
            workers=job.workers,
            at_least=at_least(run.cluster, job),
            wait_for_workers=wait,
            no_workers_timeout=round(1.2 * wait, 3),
            heartbeat=_beat(run.policy.heartbeat_stale),
            close=min(_CLOSE, run.policy.deadlines.cancel.total_seconds() / 2),
        )
    )


def local_document(
    job: DaskJob, *, at_most: int, worker_threads: int | None = None, worker_memory: int | None = None
) -> bytes:
    """Return the document of the same job for the Dask of one machine, which has no heartbeat to be missed.

    Args:
        job: What to run.
        at_most: Worker processes that the machine has room for; a job that wants more gets these.
        worker_threads: Threads of one worker; None shares the cores out.
        worker_memory: Memory of one worker in bytes; None shares out what the process may use.
    """
    wanted = job.workers.maximum if isinstance(job.workers, Adapt) else job.workers or at_most
    count = max(1, min(wanted, at_most))
    return encode(
        JobDocument(
            name=job.name,
            function=job.function,
            args=job.args,
            code=job.python_file_uris,
            runtime="local",
            workers=count,
            at_least=count,
            worker_threads=worker_threads,
            worker_memory=worker_memory,
            wait_for_workers=60,
            no_workers_timeout=72,
            close=10,
        )
    )


def at_least(cluster: ClusterSpec, job: DaskJob) -> int:
    """Return how many Dask workers a job cannot start without.

    The number or lower bound that it names; else as many machines as make a cluster count as made. Spot machines are not waited for.
    """
    if isinstance(job.workers, Adapt):
        return max(1, job.workers.minimum)
    if job.workers is not None:
        return job.workers
    fewest = cluster.workers.count if cluster.workers.minimum is None else cluster.workers.minimum
    return max(1, fewest)


def encode(document: JobDocument) -> bytes:
    """Return the document as canonical JSON: the same content is always the same bytes."""
    whole = document.model_dump(mode="json")
    return json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest(data: bytes) -> str:
    """Return the hash by which a document is named and compared: SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def parse_document(data: bytes, sha256: str | None = None) -> JobDocument:
    """Return the document.

    Args:
        data: What was read.
        sha256: The hash that it must have; None where it did not travel.

    Raises:
        SpecError: It is not what was uploaded (``DOCUMENT_CHANGED``), or not such a document (``DOCUMENT_INVALID``).
    """
    if sha256 is not None and digest(data) != sha256.lower():
        raise SpecError(
            f"the job's document has the hash {digest(data)}, expected was {sha256}: somebody has changed it",
            hint="run the task again; it is uploaded anew",
            code="DOCUMENT_CHANGED",
        )
    try:
        return JobDocument.model_validate_json(data)
    except ValidationError as bad:
        # Values are left out: an argument may be what nobody should read in a log.
        found = bad.errors(include_input=False, include_url=False)
        faults = [f"{'.'.join(map(str, one['loc'])) or 'document'}: {one['msg']}" for one in found]
        raise SpecError(
            f"the job's document is not valid: {'; '.join(faults)}",
            hint="the environment on the cluster may hold another version of airflow-dataops: build it anew with `dataops package`",
            code="DOCUMENT_INVALID",
            details={"faults": faults},
        ) from None


def _provisioning(cluster: ClusterSpec, policy: Policy, job: DaskJob) -> float:
    limits = policy.deadlines
    machines_come = cluster.autoscaling is not None or isinstance(job.workers, Adapt) or cluster.secondary is not None
    longest = limits.create if machines_come else min(_MACHINES_ARE_THERE, limits.create)
    return min(longest, limits.run / 2).total_seconds()


def _beat(stale: timedelta | None) -> float:
    return _BEAT if stale is None else min(_BEAT, stale.total_seconds() / 4)


__all__ = ["JobDocument", "at_least", "digest", "document_of", "encode", "local_document", "parse_document"]
