# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading
from pathlib import Path

import pytest

from airflow_dataops.clients.job_files import JobFiles
from airflow_dataops.core.errors import InputError, StorageDenied, StorageError
from tests.services.fixtures import gcs
from tests.services.gcs_server import GcsServer
from tests.services.ports import free_port

__all__ = ["gcs"]


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder of this machine, and one in a bucket of a real GCS server."""
    if request.param == "folder":
        return f"file://{tmp_path}/new/folder"
    pytest.importorskip("google.cloud.storage", reason="needs google-cloud-storage: pip install 'airflow-dataops[gcp]'")
    server: GcsServer = request.getfixturevalue("gcs")
    return f"gs://{server.bucket()}/new/folder"


def test_what_is_written_can_be_read_and_replaced(place: str) -> None:
    files = JobFiles()
    for content in (b"one", b"two"):
        files.write(f"{place}/a.json", content)
        assert files.read(f"{place}/a.json") == content


def test_what_is_written_once_stays(place: str) -> None:
    files = JobFiles()
    assert files.write_once(f"{place}/a.json", b"one") is True
    assert files.write_once(f"{place}/a.json", b"two") is False
    assert files.read(f"{place}/a.json") == b"one"


def test_of_many_who_write_once_one_wins(place: str) -> None:
    files, won = JobFiles(), []
    files.write(f"{place}/warm", b"")
    threads = [
        threading.Thread(target=lambda n=n: won.append(n) if files.write_once(f"{place}/a", str(n).encode()) else None)  # type: ignore[misc]
        for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [str(n).encode() for n in won] == [files.read(f"{place}/a")]


def test_what_is_not_there_is_named(place: str) -> None:
    with pytest.raises(InputError, match="missing is not there") as caught:
        JobFiles().read(f"{place}/missing")
    assert caught.value.code == "FILE_MISSING"


def test_a_file_is_fetched_under_its_name(place: str, tmp_path: Path) -> None:
    files = JobFiles()
    files.write(f"{place}/abc.zip", b"zip")
    found = files.fetch(f"{place}/abc.zip", tmp_path)
    assert (found.name, found.read_bytes()) == ("abc.zip", b"zip")


def test_a_page_in_a_bucket_opens_in_the_browser(request: pytest.FixtureRequest) -> None:
    pytest.importorskip("google.cloud.storage", reason="needs google-cloud-storage: pip install 'airflow-dataops[gcp]'")
    from airflow_dataops.clients.storage_gcs import gcs_storage

    server: GcsServer = request.getfixturevalue("gcs")
    page = f"gs://{server.bucket()}/report.html"
    JobFiles().write(page, b"<p>")
    assert gcs_storage()._get(page).content_type == "text/html"


def test_a_place_that_cannot_be_written_is_an_error_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        JobFiles().write(f"{tmp_path}/file/a", b"")


def test_a_permission_that_lacks_is_not_worth_a_retry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(StorageDenied, match="Permission denied"):
        JobFiles().read(str(tmp_path / "a"))


def test_a_store_that_does_not_answer_may_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("google.cloud.storage", reason="needs google-cloud-storage: pip install 'airflow-dataops[gcp]'")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setattr("airflow_dataops.clients.storage_gcs._SECONDS", 0.2)
    with pytest.raises(StorageError) as caught:
        JobFiles().read("gs://bucket/a")
    assert caught.value.retryable
