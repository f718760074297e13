# SPDX-License-Identifier: Apache-2.0
"""A lake in a bucket of a real S3 server."""

from __future__ import annotations

import pytest

from airflow_dataops.clients.s3 import S3Client
from tests.faults.fixtures import walk_in_s3
from tests.services.fixtures import seaweedfs
from tests.services.s3_servers import S3Server

pytest.importorskip("boto3", reason="needs boto3: pip install 'airflow-dataops[s3]'")
__all__ = ["seaweedfs", "walk_in_s3"]


@pytest.fixture
def lake(seaweedfs: S3Server) -> str:
    """Address of an empty lake."""
    return f"s3://{seaweedfs.bucket()}/lake"


@pytest.fixture
def client(seaweedfs: S3Server) -> S3Client:
    """A client that may do everything."""
    return S3Client.from_env(seaweedfs.environ())
