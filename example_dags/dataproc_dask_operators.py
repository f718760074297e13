# SPDX-License-Identifier: Apache-2.0
"""Dask on Dataproc without YAML: an airflow dag with a look at the project, one job on a cluster of its own, and two that share one."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from airflow.providers.common.compat.sdk import DAG

from airflow_dataops.operators.dataproc_dask import (
    DataprocDaskJobOperator,
    DataprocDaskPreflightOperator,
    ephemeral_dask_cluster,
)

PROJECT = os.environ.get("DATAOPS_GCP_PROJECT", "my-project")
BUCKET = os.environ.get("DATAOPS_GCP_BUCKET", "my-project-dataops")
LAKE = f"gs://{BUCKET}/lake"
FUNCTION = "dask_jobs.delays:by_carrier_and_month"
CLUSTER = {
    "project": PROJECT,
    "region": "europe-west1",
    "subnetwork": f"projects/{PROJECT}/regions/europe-west1/subnetworks/dataproc",
    "service_account": f"dask@{PROJECT}.iam.gserviceaccount.com",
    "staging_bucket": BUCKET,
    "init_actions": [{"uri": f"gs://{BUCKET}/dataops/init.sh"}],
    "environment_uri": f"gs://{BUCKET}/dataops/environment.tar.gz",
    "workers": {"count": 2, "machine_type": "n2-standard-8"},
}
JOB = {"function": FUNCTION, "args": {"flights": f"{LAKE}/bronze/flights", "output": f"{LAKE}/gold/delays"}}

with DAG(
    "dataproc_dask_operators",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    tags=["example"],
):
    look = DataprocDaskPreflightOperator(task_id="preflight", cluster=CLUSTER, job=JOB)
    alone = DataprocDaskJobOperator(task_id="delays", cluster=CLUSTER, job=JOB)
    with ephemeral_dask_cluster("dask", cluster=CLUSTER, policy={"deadlines": {"run": "1h"}}) as dask:
        for month in ("01", "02"):
            dask.submit(
                f"month_{month}",
                job={
                    "function": FUNCTION,
                    "args": {"flights": f"{LAKE}/bronze/flights/2013/{month}", "output": f"{LAKE}/gold/delays_{month}"},
                },
            )
    look >> alone >> dask.create
