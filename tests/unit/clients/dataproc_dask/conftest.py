# SPDX-License-Identifier: Apache-2.0
"""A server in this process, a client of it, and a run."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_dataops.clients.dataproc_dask.client import DataprocDaskClient
from airflow_dataops.clients.gcs import Gcs
from airflow_dataops.clients.google import GoogleSettings
from airflow_dataops.core.dataproc_dask.run import DaskRun

if TYPE_CHECKING:
    from tests.unit.clients.dataproc_dask.server import Server


NEEDS = "needs Google's libraries: pip install 'airflow-dataops[gcp]'"


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine, on a loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    given = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    asyncio.run(pyfuncitem.obj(**given))
    return True


@dataclass(frozen=True)
class Token:
    """Credentials with a token that never ends."""

    text: str = "token-of-the-test"

    def __call__(self) -> Any:
        from google.oauth2.credentials import Credentials

        return Credentials(self.text)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    from tests.unit.clients.dataproc_dask.server import Server

    made = Server(tmp_path)
    monkeypatch.setenv("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", str(made.roots))
    yield made
    made.close()


@pytest.fixture
def settings(server: Server) -> GoogleSettings:
    return GoogleSettings(
        "test-project",
        "europe-west1",
        credentials=Token(),
        dataproc_endpoint=server.endpoint,
        storage_endpoint="http://127.0.0.1:1",
    )


@pytest.fixture
def client(settings: GoogleSettings) -> Iterator[DataprocDaskClient]:
    made = DataprocDaskClient(settings)
    yield made
    made.close()


@pytest.fixture
def run() -> DaskRun:
    return DaskRun.model_validate(
        {
            "cluster": {
                "project": "test-project",
                "region": "europe-west1",
                "subnetwork": "projects/test-project/regions/europe-west1/subnetworks/s",
                "init_actions": [{"uri": "gs://bucket/init.sh"}],
                "secondary": {"count": 2, "choices": [{"machine_types": ["n2-standard-4"]}], "standard_base": 1},
                "kms_key": "projects/p/locations/l/keyRings/r/cryptoKeys/k",
            },
            "job": {
                "function": "module:function",
                "bootstrap_uri": "gs://bucket/driver.py",
                "spec_uri": "gs://bucket/dd-x/job-0.json",
                "spec_hash": "0" * 64,
            },
            "policy": {"keep_failed_for": "30m"},
        }
    )


@pytest.fixture(scope="session")
def gcs_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A real GCS server; the tests that need it are skipped where it is not installed."""
    from tests.services.gcs_server import HOW_TO_GET_IT, binary, gcs_server

    pytest.importorskip("google.cloud.storage", reason=NEEDS)
    if binary() is None:
        pytest.skip(HOW_TO_GET_IT)
    with gcs_server(tmp_path_factory.mktemp("gcs")) as made:
        yield made


@pytest.fixture
def bucket(gcs_url: Any) -> str:
    return str(gcs_url.bucket())


@pytest.fixture
def gcs(gcs_url: Any) -> Iterator[Gcs]:
    made = Gcs(GoogleSettings("test-project", "europe-west1", storage_endpoint=gcs_url.url))
    yield made
    made.close()
