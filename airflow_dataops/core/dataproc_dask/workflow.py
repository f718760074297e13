# SPDX-License-Identifier: Apache-2.0
"""The other way: Google owns the cluster's life, as the managed cluster of an inline workflow template."""

from __future__ import annotations

from datetime import timedelta

from airflow_dataops.core.dataproc_dask import names
from airflow_dataops.core.dataproc_dask.durations import text
from airflow_dataops.core.dataproc_dask.request import Request, cluster_config, driver_of
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.errors import SpecError

SHORTEST, LONGEST = timedelta(minutes=10), timedelta(hours=24)
_LONGEST_PREFIX = 35


def workflow_request(run: DaskRun, *, base: str, labels: dict[str, str], execution: int = 1) -> Request:
    """Return an ``InstantiateInlineWorkflowTemplateRequest``: one cluster, one job, and no cluster any more.

    Google makes the cluster, runs the job and deletes the cluster, also when the job fails or takes longer than ``policy.deadlines.run``.
    There is one zone, no second attempt, nothing is adopted or kept, and the times to live are the workflow's.

    Args:
        run: What is wanted.
        base: :func:`~airflow_dataops.core.dataproc_dask.names.base_name` of the run.
        labels: Labels of the run.
        execution: Number of the execution; the same one is known again by Google.

    Raises:
        SpecError: There is no job, it has no driver or document (``JOB_INCOMPLETE``), or the workflow cannot wait so long or so briefly
            (``WORKFLOW_TIMEOUT``).
    """
    cluster, limit = run.cluster, run.policy.deadlines.run
    if run.job is None:
        raise SpecError("there is no job to run", hint="add job: {function: module:function}", code="JOB_INCOMPLETE")
    if not SHORTEST <= limit <= LONGEST:
        raise SpecError(
            f"policy.deadlines.run is {text(limit)}; a workflow waits between {text(SHORTEST)} and {text(LONGEST)}",
            hint=f"write run: {text(min(max(limit, SHORTEST), LONGEST))}, or do not leave the cluster to a workflow",
            code="WORKFLOW_TIMEOUT",
        )
    own = {**cluster.labels, **labels}
    # Google adds a suffix of its own, so the run is found by its labels.
    prefix = base[:_LONGEST_PREFIX].rstrip("-")
    config = cluster_config(run, cluster.zones[0] if cluster.zones else None)
    del config["lifecycle_config"]
    step = {
        "step_id": f"job-{run.job.name}",
        "labels": own | {names.JOB: run.job.name, names.SPEC: names.job_hash(run.job)},
        "scheduling": {"max_failures_per_hour": 0},
        "pyspark_job": driver_of(run.job),
    }
    managed = {"cluster_name": prefix, "labels": own | {names.SPEC: names.cluster_hash(cluster)}, "config": config}
    return {
        "parent": f"projects/{cluster.project}/regions/{cluster.region}",
        "request_id": names.request_id(base, "workflow", execution),
        "template": {
            "placement": {"managed_cluster": managed},
            "jobs": [step],
            "dag_timeout": {"seconds": int(limit.total_seconds())},
        },
    }
