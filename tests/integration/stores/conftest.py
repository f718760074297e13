# SPDX-License-Identifier: Apache-2.0
"""A lake in a bucket, of a real S3 server and of a real GCS server in turn: what a store promises, each has to keep."""

from __future__ import annotations

import pytest

from tests.services.fixtures import gcs, seaweedfs
from tests.services.s3_servers import S3Server

__all__ = ["gcs", "seaweedfs"]
NEEDS_GOOGLE = "needs google-cloud-storage: pip install 'airflow-dataops[gcp]'"


@pytest.fixture
def _s3(seaweedfs: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in seaweedfs.environ().items():
        monkeypatch.setenv(name, value)


@pytest.fixture(params=["s3", "gs"])
def lake(request: pytest.FixtureRequest) -> str:
    """Address of an empty lake."""
    if request.param == "s3":
        request.getfixturevalue("_s3")
        return f"s3://{request.getfixturevalue('seaweedfs').bucket()}/lake"
    pytest.importorskip("google.cloud.storage", reason=NEEDS_GOOGLE)
    return f"gs://{request.getfixturevalue('gcs').bucket()}/lake"
