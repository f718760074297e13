# SPDX-License-Identifier: Apache-2.0
"""Processes that write at once where the endpoint keeps no condition: what docs/how-to/s3.md says of ``S3_CONDITIONAL_WRITES=off``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_dataops.clients.lease import Lease
from airflow_dataops.clients.storage import storage_for
from airflow_dataops.core.errors import RunConflict
from airflow_dataops.core.tables import RunSlice
from tests.integration.s3.two_writers import (
    OBJECTS,
    before_of,
    go,
    heard,
    other,
)
from tests.integration.stores.orders import Orders, at_once, both_formats
from tests.services.s3_servers import S3Server, missing, s3_server


@pytest.fixture(scope="module")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A server that ignores conditions."""
    reason = missing("rclone")
    if reason:
        pytest.skip(reason)
    with s3_server("rclone", tmp_path_factory.mktemp("rclone")) as server:
        yield server


@pytest.fixture
def lake(rclone: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in {**rclone.environ(), "S3_CONDITIONAL_WRITES": "off"}.items():
        monkeypatch.setenv(name, value)
    return f"s3://{rclone.bucket()}/lake"


def test_of_two_processes_in_one_moment_the_last_one_wins(lake: str) -> None:
    storage, names = storage_for(lake), ("one", "two")
    for number in range(OBJECTS):
        if (before := before_of(number)) is not None:
            storage.write_bytes(f"{lake}/{number}", before)
    racers = [other("race", lake, name) for name in names]
    for racer in racers:  # both have looked at all objects before either writes
        heard(racer, "looked")
    for racer in racers:
        go(racer)
    won = [json.loads(racer.communicate()[0]) for racer in racers]
    for number, told in enumerate(zip(*won, strict=True)):
        assert sorted(told) == [False, True]
        assert storage.read_bytes(f"{lake}/{number}") == names[told.index(True)].encode()


def test_one_that_comes_later_is_not_seen_and_the_first_one_learns_of_it_before_it_commits(lake: str) -> None:
    later = other("come_later", lake)
    heard(later, "looked")
    with Lease(storage_for(lake), f"{lake}/lease.json", table="t", what="the first one") as lease:
        lease.check()
        token = lease.token
        go(later)
        heard(later, "held")
        with pytest.raises(RunConflict, match="taken over by the later one"):
            lease.check()
        with pytest.raises(RunConflict, match="taken over by the later one"):
            lease.mark("a record")
    assert int(later.communicate("go\n")[0]) != token
    assert later.returncode == 0
    with Lease(storage_for(lake), f"{lake}/lease.json", table="t", what="the next one") as lease:
        assert lease.pending is None


@both_formats
def test_two_runs_publish_at_once_and_one_of_them_twice(lake: str, tmp_path: Path, table_format: str) -> None:
    orders = Orders(lake, table_format, RunSlice())
    one, two = (orders.stage(number, f"run-{number}") for number in (1, 2))
    done = at_once(tmp_path, [one, two, one])
    assert sorted((result["run"]["key"], result["already_done"]) for result in done) == [
        ("run-1", False), ("run-1", True), ("run-2", False)
    ]  # fmt: skip
    assert orders.rows_by_us() == orders.expected(1, 2)
