# SPDX-License-Identifier: Apache-2.0
"""A run in a real project of Google's, with what it costs; skipped where ``SYSTEM_TESTS_GCP_PROJECT`` is not set.

Besides: ``SYSTEM_TESTS_GCP_REGION`` (europe-west1), ``SYSTEM_TESTS_GCP_SUBNET`` (name of a subnetwork with Private Google Access; ``dataproc``),
``SYSTEM_TESTS_GCP_BUCKET`` (holds ``dataops/init.sh`` and ``dataops/environment.tar.gz``; PROJECT-dataops) and
``SYSTEM_TESTS_GCP_ACCOUNT`` (the machines' service account). Credentials are the shell's: ``gcloud auth application-default login``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_dataops.clients.gcs import Gcs
from airflow_dataops.clients.google import GoogleSettings
from airflow_dataops.operators.dataproc_dask import DataprocDaskJanitorOperator, DataprocDaskJobOperator

PROJECT = os.environ.get("SYSTEM_TESTS_GCP_PROJECT", "")
REGION = os.environ.get("SYSTEM_TESTS_GCP_REGION", "europe-west1")
SUBNET = os.environ.get("SYSTEM_TESTS_GCP_SUBNET", "dataproc")
BUCKET = os.environ.get("SYSTEM_TESTS_GCP_BUCKET", f"{PROJECT}-dataops")

CODE = f"gs://{BUCKET}/dataops/system_job.py"
FUNCTION = b"""
def total(client, count):
    return client.submit(sum, client.map(abs, range(count))).result()
"""

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not PROJECT, reason="needs a project of Google's: set SYSTEM_TESTS_GCP_PROJECT"),
]

with DAG("system_dataproc_dask", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False) as dag:
    job = DataprocDaskJobOperator(
        task_id="square",
        cluster={
            "project": PROJECT,
            "region": REGION,
            "subnetwork": f"projects/{PROJECT}/regions/{REGION}/subnetworks/{SUBNET}",
            "service_account": os.environ.get("SYSTEM_TESTS_GCP_ACCOUNT"),
            "staging_bucket": BUCKET,
            "init_actions": [{"uri": f"gs://{BUCKET}/dataops/init.sh"}],
            "environment_uri": f"gs://{BUCKET}/dataops/environment.tar.gz",
        },
        job={"function": "system_job:total", "args": {"count": 1000}, "python_file_uris": [CODE]},
        policy={"deadlines": {"run": "15m"}},
        gcp_conn_id=None,
        deferrable=True,
        instance="system-tests",
    )
    sweep = DataprocDaskJanitorOperator(
        task_id="sweep",
        project=PROJECT,
        region=REGION,
        gcp_conn_id=None,
        instance="system-tests",
        trigger_rule="all_done",
    )
    job >> sweep


def test_a_real_cluster_comes_works_and_goes(run_dag: Callable[..., Any]) -> None:
    with closing(Gcs(GoogleSettings(PROJECT, REGION))) as gcs:
        gcs.write(CODE, FUNCTION, content_type="text/x-python")
    run = run_dag(dag)
    states = {ti.task_id: ti.state for ti in run.get_task_instances()}
    assert states == {"square": "success", "sweep": "success"}
    assert run.get_task_instance("square").xcom_pull(task_ids="square")["result"] == sum(range(1000))
    swept = run.get_task_instance("sweep").xcom_pull(task_ids="sweep")
    assert swept["clusters"] == []
