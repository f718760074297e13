# SPDX-License-Identifier: Apache-2.0
"""An airflow dag that deletes, every quarter of an hour, the Spark drivers that this Airflow made and nobody waits for any more."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

from airflow.providers.common.compat.sdk import DAG

from airflow_dataops.operators.spark_k8s import SparkKubernetesJanitorOperator

with DAG(
    "spark_k8s_janitor",
    schedule=timedelta(minutes=15),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=["example"],
):
    SparkKubernetesJanitorOperator(
        task_id="sweep",
        namespace=os.environ.get("DATAOPS_SPARK_NAMESPACE", "analytics"),
        retries=2,
        retry_delay=timedelta(minutes=1),
    )
