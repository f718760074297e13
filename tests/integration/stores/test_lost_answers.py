# SPDX-License-Identifier: Apache-2.0
"""A store does what it was asked, and the answer gets lost: the commit is there once, whatever the writer was told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from airflow_dataops.clients import delta
from airflow_dataops.clients.s3 import S3Client
from airflow_dataops.clients.storage_s3 import S3Storage
from airflow_dataops.core.errors import StorageError
from airflow_dataops.jobs import publish
from tests.integration.stores.orders import Orders
from tests.services.lossy import LossyProxy
from tests.services.s3_servers import S3Server


@pytest.fixture
def proxy(seaweedfs: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[LossyProxy]:
    made = LossyProxy(seaweedfs.url)
    for name, value in seaweedfs.environ().items():
        monkeypatch.setenv(name, value)
    yield made
    made.close()


@contextmanager
def losing(proxy: LossyProxy, what: str, times: int) -> Iterator[None]:
    """Go through the proxy, and lose the answers to the next writes of an object."""
    proxy.lose = lambda method, path: method == "PUT" and what in path and len(proxy.lost) < times
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("S3_ENDPOINT_URL", proxy.url)
        yield


def test_an_answer_that_got_lost_once_is_no_conflict(proxy: LossyProxy, seaweedfs: S3Server) -> None:
    path = f"s3://{seaweedfs.bucket()}/x"
    with losing(proxy, "/x", 1):
        storage = S3Storage(S3Client.from_env())
        assert storage.replace_if(path, None, b"1")
    assert [status for *_, status in proxy.lost] == [200]
    assert not storage.replace_if(path, None, b"2")
    assert storage.read_bytes(path) == b"1"


def test_a_commit_whose_answer_gets_lost_once_is_there_once(proxy: LossyProxy, seaweedfs: S3Server) -> None:
    orders = Orders(f"s3://{seaweedfs.bucket()}/lake", "delta")
    publish.run(orders.stage(1))
    spec = orders.stage(9)
    with losing(proxy, f"{1:020d}.json", 1):
        assert publish.run(spec).version == 1
    assert [status for *_, status in proxy.lost] == [200]
    assert delta.snapshot(orders.table).version == 1
    assert orders.rows() == orders.expected(9)


def test_a_commit_that_nobody_hears_of_is_found_by_the_next_try(proxy: LossyProxy, seaweedfs: S3Server) -> None:
    orders = Orders(f"s3://{seaweedfs.bucket()}/lake", "delta")
    spec = orders.stage(9)
    with losing(proxy, f"{0:020d}.json", 100), pytest.raises(StorageError):
        publish.run(spec)
    assert [status for *_, status in proxy.lost] == [200, *[412] * (len(proxy.lost) - 1)]
    again = publish.run(spec)
    assert (again.version, again.already_done) == (0, True)
    assert delta.snapshot(orders.table).version == 0
    assert orders.rows() == orders.expected(9)
