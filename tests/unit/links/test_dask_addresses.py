# SPDX-License-Identifier: Apache-2.0
"""Addresses in Google's console."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit

from airflow_dataops.links._dask_addresses import cluster_url, job_url, logs_url, workflow_url


def test_addresses_name_project_region_and_thing() -> None:
    assert (
        cluster_url("p", "r", "c")
        == "https://console.cloud.google.com/dataproc/clusters/c/monitoring?region=r&project=p"
    )
    assert "/dataproc/jobs/j-x1/" in job_url("p", "r", "j-x1")
    parts = urlsplit(logs_url("p", "dd-base"))
    assert parse_qs(parts.query) == {"project": ["p"]}
    assert 'cluster_name=~"^(dd-base(-g[0-9]+)?|dd-base-[a-z0-9]+)$"' in unquote(parts.path)


def test_a_workflow_is_known_by_its_operation() -> None:
    url = workflow_url("p", "r", "projects/p/regions/r/operations/abc")
    assert url == "https://console.cloud.google.com/dataproc/workflows/instances/r/abc?project=p"
