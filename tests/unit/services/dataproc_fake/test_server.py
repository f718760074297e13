# SPDX-License-Identifier: Apache-2.0
"""The server itself: what survives SIGKILL, who may call, and that nothing is left running."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.dataproc_fake.running import FakeDataproc, Project, fake_dataproc
from tests.services.gcs_server import GcsServer
from tests.unit.services.google import Google

exceptions = pytest.importorskip("google.api_core.exceptions")


@pytest.fixture
def own(tmp_path: Path, gcs: GcsServer, dataproc_server: FakeDataproc) -> Iterator[FakeDataproc]:
    """A server that a test may kill; it has the certificates of the session's, which gRPC has read already."""
    options = (
        "--tls",
        str(dataproc_server.folder / "tls"),
        "--dask-workers",
        "0",
        "--fault",
        "create_quota_refused:3x1",
    )
    with fake_dataproc(tmp_path / "own", gcs, options) as fake:
        yield fake


def running(text: str) -> list[int]:
    """Return the processes whose command line has a text in it."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and text in (entry / "cmdline").read_text().replace("\0", " "):
                found.append(int(entry.name))
        except OSError:
            continue
    return [pid for pid in found if pid != os.getpid()]


def test_all_that_was_answered_is_there_after_sigkill(own: FakeDataproc) -> None:
    google = Google(own.project(create=0.1))
    first = google.create(request_id="same").operation.name
    cluster = google.until("c1", "RUNNING")
    google.submit("print(1)", job_id="short")
    done = google.job_until("DONE", job_id="short")
    google.submit("import time; time.sleep(60)", job_id="long")
    google.job_until("RUNNING", job_id="long")
    billed = google.project.bill()["clusters"][0]
    own.kill()
    own.start()
    google.project.wait(lambda: reached(google))
    assert google.get() == cluster
    assert google.job("short") == done
    assert google.job("long").status.state.name == "ERROR"
    assert google.create(request_id="same").operation.name == first
    assert google.project.bill()["clusters"][0]["created"] == billed["created"]
    with pytest.raises(exceptions.InvalidArgument, match="quota"):  # the third create, counted over both lives
        google.create("c2")
    google.create("c3")
    google.delete().result(timeout=120)
    numbers = [call["number"] for call in own.calls()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_nothing_is_left_running(own: FakeDataproc) -> None:
    google = Google(own.project())
    google.made()
    google.submit("import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])")
    google.job_until("RUNNING")
    google.project.wait(lambda: running(f"{own.folder}/run/jobs"))
    own.kill()
    google.project.wait(lambda: not running(str(own.folder)))


def test_a_call_without_a_token_of_ours_is_refused(dataproc: Project) -> None:
    from google.api_core.client_options import ClientOptions
    from google.cloud import dataproc_v1
    from google.oauth2.credentials import Credentials

    own = {"client_options": ClientOptions(api_endpoint=dataproc.fake.endpoint), "credentials": Credentials("another")}
    clusters = dataproc_v1.ClusterControllerClient(**own)
    with pytest.raises(exceptions.Unauthenticated):
        clusters.get_cluster(project_id=dataproc.id, region=dataproc.region, cluster_name="c1")


@pytest.mark.parametrize("account", [None, "dask@test.iam.gserviceaccount.com"])
def test_credentials_come_from_a_workload_token_without_any_key(dataproc: Project, account: str | None) -> None:
    from google.auth.transport.requests import Request

    credentials = dataproc.fake.credentials(account)
    credentials.refresh(Request())
    assert credentials.token.startswith("fake-account-" if account else "fake-federated-")


def test_a_wrong_workload_token_gives_none(dataproc: Project, tmp_path: Path) -> None:
    from google.auth import exceptions as auth
    from google.auth import identity_pool
    from google.auth.transport.requests import Request

    (tmp_path / "token").write_text("forged")
    document = dataproc.fake.credential_document() | {"credential_source": {"file": str(tmp_path / "token")}}
    with pytest.raises(auth.OAuthError):
        identity_pool.Credentials.from_info(document).refresh(Request())


def test_unknown_fields_are_refused(google: Google) -> None:
    import grpc
    from google.cloud import dataproc_v1

    request = dataproc_v1.ListClustersRequest.pb()(
        project_id=google.project.id, region="europe-west1"
    ).SerializeToString()
    unknown = request + b"\xfa\x3f\x01x"  # field 1023
    fake = google.project.fake
    with grpc.secure_channel(fake.endpoint, grpc.ssl_channel_credentials(fake.authority.read_bytes())) as channel:
        call = channel.unary_unary("/google.cloud.dataproc.v1.ClusterController/ListClusters")
        with pytest.raises(grpc.RpcError) as refused:
            call(unknown, metadata=[("authorization", "Bearer fake-token")], timeout=120)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "1023" in refused.value.details()


def reached(google: Google) -> bool:
    try:
        google.listed()
    except exceptions.ServiceUnavailable:
        return False
    return True
