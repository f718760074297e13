# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the servers that stand in for Google's, and of a real S3 server: import them into a ``conftest.py``.

``seaweedfs``: a real S3 server for the whole session. ``gcs``: a real GCS server for the session. ``dataproc_server``: a fake Dataproc beside it,
for the session. ``dataproc``: a new project of that Dataproc, with a bucket, for one test.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.services import gcs_server, s3_servers
from tests.services.dataproc_fake.running import ROOTS, FakeDataproc, Project, fake_dataproc
from tests.services.gcs_server import GcsServer
from tests.services.s3_servers import S3Server

# Read when gcsfs is imported: without it, each look at a bucket first tries gRPC for a minute.
os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")


@pytest.fixture(scope="session")
def gcs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GcsServer]:
    """A GCS server, also in ``STORAGE_EMULATOR_HOST``; ``gcs.bucket()`` makes a new bucket."""
    if gcs_server.binary() is None:
        pytest.skip(gcs_server.HOW_TO_GET_IT)
    with gcs_server.gcs_server(tmp_path_factory.mktemp("gcs")) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("STORAGE_EMULATOR_HOST", server.url)
        yield server


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An S3 server that does all that is asked of S3; ``seaweedfs.bucket()`` makes a new bucket."""
    pytest.importorskip("boto3", reason="needs boto3: pip install 'airflow-dataops[s3]'")
    reason = s3_servers.missing("seaweedfs")
    if reason:
        pytest.skip(reason)
    with s3_servers.s3_server("seaweedfs", tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture(scope="session")
def dataproc_server(gcs: GcsServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeDataproc]:
    """A fake Dataproc that this process trusts: all gRPC channels that are made from now on take its authority for the only one."""
    dataproc_v1 = pytest.importorskip(
        "google.cloud.dataproc_v1", reason="needs google-cloud-dataproc: pip install 'airflow-dataops[gcp]'"
    )
    if not hasattr(dataproc_v1.LifecycleConfig(), "idle_stop_ttl"):
        pytest.skip("the fake speaks a later Dataproc: pip install -U google-cloud-dataproc")
    with fake_dataproc(tmp_path_factory.mktemp("dataproc"), gcs) as fake, pytest.MonkeyPatch.context() as patch:
        patch.setenv(ROOTS, str(fake.authority))
        yield fake


@pytest.fixture
def dataproc(dataproc_server: FakeDataproc) -> Iterator[Project]:
    """A project of its own, with no Dask machines (``dataproc.configure(dask_workers=2)`` gives each cluster some)."""
    project = dataproc_server.project(dask_workers=0)
    yield project
    project.disarm()
    for cluster in project.billing():
        dataproc_server.ask("vanish", uuid=cluster["uuid"])
