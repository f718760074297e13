# SPDX-License-Identifier: Apache-2.0
"""Documents and identities that the tests of this area share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow_dataops.core.dataproc_dask.budget import RateCard
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.identity import RunIdentity

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
IDENTITY = RunIdentity(
    instance="prod", dag_id="delays", task_id="by_carrier", run_id="scheduled__2026-11-21T00:00:00+00:00"
)


CARD = RateCard.model_validate(
    {
        "currency": "USD",
        "machines": {
            "n2-standard-4": {"vcpus": 4, "hourly": "0.20", "spot_hourly": "0.05"},
            "n2-standard-8": {"vcpus": 8, "hourly": "0.40", "spot_hourly": "0.10"},
        },
        "dataproc_vcpu_hour": "0.01",
        "disk_gb_month": {"pd-balanced": "0.073"},
    }
)


def document(**policy: Any) -> dict[str, Any]:
    """Return the document of a private cluster with one job."""
    return {
        "cluster": {
            "project": "my-project-123",
            "region": "europe-west1",
            "zones": ["europe-west1-b", "europe-west1-c"],
            "subnetwork": "projects/my-project-123/regions/europe-west1/subnetworks/dataproc",
            "service_account": "dask@my-project-123.iam.gserviceaccount.com",
            "kms_key": "projects/my-project-123/locations/europe-west1/keyRings/data/cryptoKeys/dataproc",
            "secure": True,
            "tags": ["dataproc", "dask"],
            "labels": {"team": "data"},
            "environment_uri": "gs://code-bucket/env/abc.tar.gz",
            "init_actions": [{"uri": "gs://code-bucket/init.sh", "timeout": "5m"}],
            "nfs": {"server": "10.0.0.2", "export": "/share"},
        },
        "job": {
            "function": "delays.jobs:by_carrier",
            "args": {"month": 11},
            "bootstrap_uri": "gs://code-bucket/bootstrap.py",
            "spec_uri": "gs://code-bucket/specs/1.json",
            "spec_hash": "0" * 64,
        },
        "policy": policy,
    }


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return the sample with the value at the dotted ``path`` replaced."""
    whole = document()
    *parents, last = path.split(".")
    place: Any = whole
    for name in parents:
        place = place[int(name)] if isinstance(place, list) else place.setdefault(name, {})
    place[last] = value
    return whole


def sample(**policy: Any) -> DaskRun:
    """Return the sample as a run."""
    return DaskRun.model_validate(document(**policy))
