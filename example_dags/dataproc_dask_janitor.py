# SPDX-License-Identifier: Apache-2.0
"""An airflow dag that deletes, every ten minutes, the Dask clusters that this Airflow made and nobody waits for any more."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

from airflow.providers.common.compat.sdk import DAG

from airflow_dataops.operators.dataproc_dask import DataprocDaskJanitorOperator

with DAG(
    "dataproc_dask_janitor",
    schedule=timedelta(minutes=10),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=["example"],
):
    DataprocDaskJanitorOperator(
        task_id="sweep",
        project=os.environ.get("DATAOPS_GCP_PROJECT", "my-project"),
        region=os.environ.get("DATAOPS_GCP_REGION", "europe-west1"),
        retries=2,
        retry_delay=timedelta(minutes=1),
    )
