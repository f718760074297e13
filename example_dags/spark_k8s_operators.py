# SPDX-License-Identifier: Apache-2.0
"""Spark on Kubernetes or OpenShift without YAML: an airflow dag with one program of one's own."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from airflow.providers.common.compat.sdk import DAG

from airflow_dataops.operators.spark_k8s import SparkKubernetesSubmitOperator

BUCKET = os.environ.get("DATAOPS_S3_BUCKET", "lake")

with DAG(
    "spark_k8s_operators",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    tags=["example"],
):
    SparkKubernetesSubmitOperator(
        task_id="delays",
        app={
            "name": "delays",
            "main": f"s3a://{BUCKET}/programs/delays.py",
            "args": [f"s3a://{BUCKET}/bronze/flights", f"s3a://{BUCKET}/gold/delays", "--day", "{{ ds }}"],
            "image": os.environ.get("DATAOPS_SPARK_IMAGE", "registry.example.com/data/spark:3.5.7"),
            "driver": {"cores": "500m", "memory": "1g", "cpu_limit": 1},
            "executor": {"cores": 2, "memory": "4g", "cpu_limit": 2},
            "executors": {"minimum": 0, "maximum": 8},
            "event_log": f"s3a://{BUCKET}/spark-events",
        },
        target={"namespace": "analytics", "service_account": "spark"},
        policy={"run_timeout": "1h", "attempts": 2},
        aws_conn_id=os.environ.get("DATAOPS_AWS_CONNECTION"),
        deferrable=True,
    )
