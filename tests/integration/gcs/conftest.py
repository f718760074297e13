# SPDX-License-Identifier: Apache-2.0
"""A lake in a bucket of a real GCS server."""

from __future__ import annotations

import pytest

from tests.dask_cluster import dask_cluster, many_parts
from tests.services.fixtures import gcs
from tests.services.gcs_server import GcsServer

pytest.importorskip("google.cloud.storage", reason="needs google-cloud-storage: pip install 'airflow-dataops[gcp]'")
__all__ = ["dask_cluster", "gcs", "many_parts"]


@pytest.fixture
def lake(gcs: GcsServer) -> str:
    """Address of an empty lake."""
    return f"gs://{gcs.bucket()}/lake"
