# SPDX-License-Identifier: Apache-2.0
"""The other way: Google owns the cluster's life, as the managed cluster of an inline workflow template."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from airflow_dataops.core.checked import Fault
from airflow_dataops.core.dataproc_dask import names
from airflow_dataops.core.dataproc_dask.request import Request, cluster_config, driver_of
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.dataproc_dask.spec import RunParts
from airflow_dataops.core.durations import text, told
from airflow_dataops.core.errors import SpecError

SHORTEST, LONGEST = timedelta(minutes=10), timedelta(hours=24)
REFUSED, TIMEOUT = "WORKFLOW_REFUSES", "WORKFLOW_TIMEOUT"
_HINT = "take it out, or leave the lifecycle to Airflow"
_TTL = "times to live are not the workflow's to give: Google deletes the cluster when the job has ended"
_NOT_THERE = {
    "cluster.idle_delete_ttl": _TTL,
    "cluster.auto_delete_ttl": _TTL,
    "policy.keep_failed_for": "Google deletes a workflow's cluster when its job has failed, too",
    "policy.attempts": "a workflow asks for one cluster; give the task retries instead",
    "policy.quota_backoff": "a workflow asks for one cluster, and does not wait for quota; give the task a retry_delay instead",
}
_AS_IF_NOT_GIVEN: dict[str, tuple[object, ...]] = {"policy.attempts": (None, 1)}


def workflow_faults(run: RunParts) -> list[Fault]:
    """Return what a run asks for that a workflow cannot do (``WORKFLOW_REFUSES``), or not as long (``WORKFLOW_TIMEOUT``).

    Args:
        run: As its author wrote it: what is not written there counts as not asked for.
    """
    given = run.model_dump(exclude_unset=True)
    faults = list(_refused({"cluster": given.get("cluster", {}), "policy": given.get("policy", {})}))
    limit = run.policy.deadlines.run
    if not SHORTEST <= limit <= LONGEST:
        message = f"{told(limit)}: a workflow waits between {text(SHORTEST)} and {text(LONGEST)} for its job"
        faults.append(
            Fault("policy.deadlines.run", TIMEOUT, message, f"write run: {text(min(max(limit, SHORTEST), LONGEST))}")
        )
    return faults


def check_workflow(run: RunParts) -> None:
    """Refuse a run that asks for what a workflow cannot do.

    Args:
        run: As its author wrote it.

    Raises:
        SpecError: There are :func:`workflow_faults`, which ``details["faults"]`` lists; the code is the first one's.
    """
    faults = workflow_faults(run)
    if faults:
        raise SpecError(
            "; ".join(f"{fault.path}: {fault.message}" for fault in faults),
            hint=faults[0].hint,
            code=faults[0].code,
            details={"faults": [fault.to_dict() for fault in faults]},
        )


def workflow_request(run: DaskRun, *, base: str, labels: dict[str, str], execution: int, now: datetime) -> Request:
    """Return an ``InstantiateInlineWorkflowTemplateRequest``: one cluster, one job, and no cluster any more.

    Google makes the cluster, runs the job and deletes the cluster, also when the job fails or takes longer than ``policy.deadlines.run``.
    There is one zone, no second attempt, nothing is kept, and there are no times to live.

    Args:
        run: What is wanted.
        base: :func:`~airflow_dataops.core.dataproc_dask.names.base_name` of the run.
        labels: Labels of the run and of the try.
        execution: Number of the execution; while it goes on, the same one is known again by Google.
        now: When the request is first sent: the label that says when the cluster expires counts from it.

    Raises:
        SpecError: There is no job, or it has no driver or document (``JOB_INCOMPLETE``).
    """
    cluster, job = run.cluster, run.job
    if job is None:
        raise SpecError("there is no job to run", hint="add job: {function: module:function}", code="JOB_INCOMPLETE")
    config = cluster_config(run, cluster.zones[0] if cluster.zones else None)
    del config["lifecycle_config"]
    own = {**cluster.labels, **labels, names.EXECUTION: f"n{execution}"}
    of_cluster = {
        names.SPEC: names.cluster_hash(cluster),
        names.EXPIRES: names.moment_label(now + run.lifetime),
    }
    step = {
        # Google makes the job's id of it; where it ends in the run's hash, so do all names of the run.
        "step_id": base,
        "labels": own | {names.JOB: job.name, names.SPEC: names.job_hash(job)},
        "scheduling": {"max_failures_per_hour": 0},
        "pyspark_job": driver_of(job, names.job_id(base, job.name, execution)),
    }
    without_attempt = {key: value for key, value in own.items() if key != names.ATTEMPT}
    managed = {"cluster_name": names.managed_prefix(base), "labels": without_attempt | of_cluster, "config": config}
    template = {
        "placement": {"managed_cluster": managed},
        "jobs": [step],
        "dag_timeout": {"seconds": int(run.policy.deadlines.run.total_seconds())},
    }
    if cluster.kms_key is not None:
        template["encryption_config"] = {"kms_key": cluster.kms_key}
    return {
        "parent": f"projects/{cluster.project}/regions/{cluster.region}",
        "request_id": names.request_id(base, "workflow", execution),
        "template": template,
    }


def stop_request(operation: str) -> Request:
    """Return a ``CancelOperationRequest``: Google cancels the workflow's job, and deletes its cluster."""
    return {"name": operation}


def _refused(given: Mapping[str, Mapping[str, Any]]) -> Iterator[Fault]:
    for path, message in _NOT_THERE.items():
        part, _, key = path.partition(".")
        value = given[part].get(key)
        if value not in _AS_IF_NOT_GIVEN.get(path, (None,)):
            yield Fault(path, REFUSED, message, _HINT)
    zones = given["cluster"].get("zones")
    if isinstance(zones, list | tuple) and len(zones) > 1:
        message = f"a workflow's cluster is asked for in one zone, and {len(zones)} are named"
        yield Fault("cluster.zones", REFUSED, message, f"write zones: [{zones[0]}], or leave them out: Google chooses")
