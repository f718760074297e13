# SPDX-License-Identifier: Apache-2.0
"""Buckets, against a real GCS server where it is installed, and a server that answers with errors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("google.cloud.storage")

from airflow_dataops.clients.gcs import Gcs
from airflow_dataops.clients.google import AUTHS, CloudError, GoogleSettings, import_google
from tests.services.gcs_server import HOW_TO_GET_IT, GcsServer, binary, gcs_server
from tests.services.rest import RestServer


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GcsServer]:
    if binary() is None:
        pytest.skip(HOW_TO_GET_IT)
    with gcs_server(tmp_path_factory.mktemp("gcs")) as made:
        yield made


@pytest.fixture
def bucket(real: GcsServer) -> str:
    return real.bucket()


@pytest.fixture
def gcs(real: GcsServer) -> Iterator[Gcs]:
    made = at(real.url)
    yield made
    made.close()


def at(url: str) -> Gcs:
    return Gcs(GoogleSettings("p", "europe-west1", storage_endpoint=url))


def test_what_is_written_is_read(gcs: Gcs, bucket: str) -> None:
    uri = f"gs://{bucket}/a/b ü?#.bin"
    assert gcs.write(uri, b"0123456789")
    assert gcs.read(uri) == b"0123456789"
    assert gcs.read(uri, start=2, size=3) == b"234"
    assert gcs.read(uri, start=8, size=100) == b"89"
    assert gcs.read(uri, start=7) == b"789"
    assert gcs.read(uri, start=10, size=5) == b""
    assert gcs.read(uri, size=0) == b""
    assert gcs.size(uri) == 10


def test_an_object_is_written_once_where_that_is_asked(gcs: Gcs, bucket: str) -> None:
    uri = f"gs://{bucket}/once"
    assert gcs.write(uri, b"first", if_absent=True)
    assert not gcs.write(uri, b"second", if_absent=True)
    assert gcs.read(uri) == b"first"
    assert gcs.write(uri, b"third")
    assert gcs.read(uri) == b"third"


def test_a_file_is_uploaded_once(gcs: Gcs, bucket: str, tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"x" * 300_000)
    uri = f"gs://{bucket}/big"
    assert gcs.upload(uri, file)
    assert not gcs.upload(uri, file)
    assert gcs.size(uri) == 300_000
    with pytest.raises(OSError, match="missing"):
        gcs.upload(f"gs://{bucket}/other", tmp_path / "missing")


def test_sizes_of_what_begins_so(gcs: Gcs, bucket: str) -> None:
    for name in ("log.000", "log.001", "other"):
        gcs.write(f"gs://{bucket}/{name}", name.encode())
    assert gcs.sizes(f"gs://{bucket}/log.") == {f"gs://{bucket}/log.000": 7, f"gs://{bucket}/log.001": 7}
    assert gcs.sizes(f"gs://{bucket}/nothing") == {}


def test_what_is_not_there(gcs: Gcs, bucket: str) -> None:
    uri = f"gs://{bucket}/none"
    with pytest.raises(CloudError, match="none") as raised:
        gcs.read(uri)
    assert raised.value.code == "NOT_FOUND"
    assert gcs.size(uri) is None
    assert not gcs.delete(uri)
    with pytest.raises(CloudError) as raised:
        gcs.write("gs://no-such-bucket-anywhere/x", b"")
    assert raised.value.code == "NOT_FOUND"


@pytest.mark.parametrize("uri", ["bucket/name", "s3://bucket/name", "gs://bucket", "gs:///name", "gs://bucket/", ""])
def test_an_address_that_is_none(uri: str) -> None:
    with pytest.raises(CloudError, match="gs://bucket/path") as raised:
        at("http://127.0.0.1:1").read(uri)
    assert raised.value.code == "INVALID_ARGUMENT"


class Broken(RestServer):
    """Answers every request with one status; some it leaves without an answer first."""

    def __init__(self) -> None:
        self.status, self.closes = 503, 0
        super().__init__()

    @property
    def count(self) -> int:
        """How many requests came."""
        return len(self.seen)

    def answer(self, path: str) -> tuple[int, Any]:
        """See :class:`RestServer`."""
        if self.count <= self.closes:
            raise ConnectionError(path)
        return self.status, {"error": {"message": "words of the server"}}


@pytest.fixture
def broken() -> Iterator[Broken]:
    made = Broken()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "INVALID_ARGUMENT"),
        (401, "UNAUTHENTICATED"),
        (403, "PERMISSION_DENIED"),
        (404, "NOT_FOUND"),
        (408, "DEADLINE_EXCEEDED"),
        (429, "RESOURCE_EXHAUSTED"),
        (500, "INTERNAL"),
        (502, "UNAVAILABLE"),
        (503, "UNAVAILABLE"),
        (504, "DEADLINE_EXCEEDED"),
    ],
)
def test_errors_have_the_names_of_grpc_and_are_asked_once(broken: Broken, status: int, code: str) -> None:
    broken.status = status
    gcs = at(broken.url)
    for ask in (
        lambda: gcs.read("gs://b/x"),
        lambda: gcs.read("gs://b/x", start=1, size=2),
        lambda: gcs.sizes("gs://b/x"),
    ):
        before = broken.count
        with pytest.raises(CloudError) as raised:
            ask()
        assert raised.value.code == code
        assert broken.count == before + 1


def test_a_read_over_a_connection_that_was_closed_meanwhile_is_done_again(broken: Broken) -> None:
    broken.closes, broken.status = 1, 404
    with pytest.raises(CloudError) as raised:
        at(broken.url).read("gs://b/x")
    assert (raised.value.code, broken.count) == ("NOT_FOUND", 2)


def test_nobody_there_is_unavailable() -> None:
    with pytest.raises(CloudError) as raised:
        at("http://127.0.0.1:1").read("gs://b/x")
    assert raised.value.code == "UNAVAILABLE"
    assert raised.value.to_dict()["retryable"] is True


def test_no_token_goes_to_an_emulator(broken: Broken, monkeypatch: pytest.MonkeyPatch) -> None:
    def never() -> Any:
        raise RuntimeError("credentials were asked for")

    monkeypatch.setenv("STORAGE_EMULATOR_HOST", broken.url)
    with pytest.raises(CloudError):
        Gcs(GoogleSettings("p", "europe-west1", credentials=never)).read("gs://b/x")
    assert [authorization for *_, authorization in broken.seen] == [None]


def test_a_client_that_cannot_be_made_holds_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    def credentials() -> Any:
        return import_google("google.auth.credentials").AnonymousCredentials()

    def broken(_gcs: Gcs, _credentials: Any) -> Any:
        raise RuntimeError("no client")

    settings = GoogleSettings("p", "r", credentials=credentials, storage_endpoint="https://127.0.0.1:1")
    monkeypatch.setattr(Gcs, "_connect", broken)
    with pytest.raises(RuntimeError):
        Gcs(settings).read("gs://bucket/a")
    assert not any(settings.identity == key[1:] for key in AUTHS._held)
