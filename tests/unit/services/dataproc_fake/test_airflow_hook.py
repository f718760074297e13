# SPDX-License-Identifier: Apache-2.0
"""Airflow's own hook takes the fake for Dataproc: only the address is another one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.services.google import Google

pytestmark = pytest.mark.airflow
hooks = pytest.importorskip(
    "airflow.providers.google.cloud.hooks.dataproc", reason="needs apache-airflow-providers-google"
)


def test_a_cluster_a_job_and_the_end_through_the_stock_hook(
    google: Google, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = google.project
    (tmp_path / "federated.json").write_text(json.dumps(project.fake.credential_document()))
    connection = {
        "conn_type": "google_cloud_platform",
        "extra": {"credential_config_file": str(tmp_path / "federated.json")},
    }
    monkeypatch.setenv("AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", json.dumps(connection))
    monkeypatch.setattr(hooks.DataprocHook, "_get_api_endpoint", lambda self, region=None: project.fake.endpoint)
    hook, place = hooks.DataprocHook(), {"project_id": project.id, "region": project.region}
    made = hook.create_cluster(cluster_name="c1", cluster_config={"config_bucket": project.bucket}, labels={}, **place)
    assert made.result(timeout=120).status.state.name == "RUNNING"
    google.objects.write(f"gs://{project.bucket}/hello.py", b"print('hello')")
    uri = f"gs://{project.bucket}/hello.py"
    job = {"placement": {"cluster_name": "c1"}, "pyspark_job": {"main_python_file_uri": uri}}
    sent = hook.submit_job(job=job, **place)
    hook.wait_for_job(job_id=sent.reference.job_id, wait_time=0.2, **place)
    assert google.log(google.job(sent.reference.job_id)) == {0: "hello\n"}
    hook.delete_cluster(cluster_name="c1", cluster_uuid=made.metadata.cluster_uuid, **place).result(timeout=120)
    assert project.billing() == []
