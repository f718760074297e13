# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.clients.lease import Lease, is_live, me
from airflow_dataops.clients.storage import LocalStorage
from airflow_dataops.core.errors import RunConflict, StorageError
from airflow_dataops.core.lease import LeaseState

STORE = LocalStorage()


def lease(path: Path, **more: Any) -> Lease:
    return Lease(STORE, f"{path}/lease.json", table="/t", what="mine", **{"wait_seconds": 0.0, **more})


def state(path: Path) -> LeaseState:
    return LeaseState.model_validate_json((path / "lease.json").read_bytes())


def test_the_token_grows_at_every_change_of_hands(tmp_path: Path) -> None:
    tokens = []
    for _ in range(3):
        with lease(tmp_path) as held:
            tokens.append(held.token)
            assert is_live(state(tmp_path))
    assert tokens == [1, 2, 3]
    assert state(tmp_path).holder is None


def test_a_second_one_waits(tmp_path: Path) -> None:
    first = lease(tmp_path)
    first.__enter__()
    threading.Timer(0.3, lambda: first.__exit__(None, None, None)).start()
    with lease(tmp_path, wait_seconds=120) as second:
        assert second.token == 2


def test_a_second_one_fails_and_names_the_holder(tmp_path: Path) -> None:
    with lease(tmp_path), pytest.raises(RunConflict, match="mine") as caught, lease(tmp_path):
        pass
    assert caught.value.details["token"] == 1


def test_one_that_is_not_renewed_is_taken_over(tmp_path: Path) -> None:
    first = lease(tmp_path, seconds=0.2)
    first.__enter__()
    first._stop.set()  # as if its process stood still
    time.sleep(0.3)
    with lease(tmp_path) as second:
        assert second.token == 2
        with pytest.raises(RunConflict, match="taken over"):
            first.check()
        with pytest.raises(RunConflict):
            first.mark("commit.json")
        first.__exit__(None, None, None)
        second.check()
    assert state(tmp_path).pending is None


def test_it_is_renewed_while_it_is_held(tmp_path: Path) -> None:
    with lease(tmp_path, seconds=0.6) as held:
        renewed(tmp_path)
        held.mark("/a/commit.json")
        renewed(tmp_path)
        assert state(tmp_path).pending == "/a/commit.json"
        held.check()


def renewed(path: Path) -> None:
    """Wait until a lease ends later than it does now."""
    before, deadline = state(path).expires_at, time.monotonic() + 120
    while state(path).expires_at <= before:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_pending_commit_is_handed_on(tmp_path: Path) -> None:
    with lease(tmp_path) as first:
        first.mark("/a/commit.json")
    with lease(tmp_path) as second:
        assert second.pending == "/a/commit.json"
        second.mark(None)
    assert state(tmp_path).pending is None


def test_a_process_of_the_same_number_is_another_one(tmp_path: Path) -> None:
    dead = me("dead").model_copy(update={"started": "1"})
    held = LeaseState(table="/t", token=4, holder=dead, expires_at="2999-01-01T00:00:00Z")  # type: ignore[arg-type]
    (tmp_path / "lease.json").write_text(held.model_dump_json())
    with lease(tmp_path) as taken:
        assert taken.token == 5


def test_a_holder_on_another_host_is_believed(tmp_path: Path) -> None:
    far = me("far").model_copy(update={"host": "elsewhere", "process": 1})
    held = LeaseState(table="/t", token=4, holder=far, expires_at="2999-01-01T00:00:00Z")  # type: ignore[arg-type]
    (tmp_path / "lease.json").write_text(held.model_dump_json())
    with pytest.raises(RunConflict, match="on elsewhere"), lease(tmp_path):
        pass


def test_a_lease_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "lease.json").write_text("{")
    with pytest.raises(RunConflict, match="not readable"), lease(tmp_path):
        pass


class Undecided(LocalStorage):
    """Lets everybody win who has looked before the other wrote, as an endpoint without conditional writes does."""

    decides = False

    def replace_if(self, path: str, expected: bytes | None, data: bytes) -> bool:
        self.write_bytes(path, data)
        return True


def test_two_that_both_believe_that_they_won_have_not_one_token(tmp_path: Path) -> None:
    store, path = Undecided(), f"{tmp_path}/lease.json"
    one, two = (Lease(store, path, table="/t", what="a try of one run", wait_seconds=0) for _ in range(2))
    for lease in (one, two):  # both look
        lease._load()
    for lease in (one, two):  # and then both write
        lease._load = lambda: None  # type: ignore[method-assign]
        assert lease._try() == "free"
    assert one.token != two.token
    assert min(one.token, two.token) >= 1


class FullDisk(LocalStorage):
    """Refuses every write once it is full."""

    full = False

    def replace_if(self, path: str, expected: bytes | None, data: bytes) -> bool:
        if self.full:
            raise StorageError("no space left on device", code="DISK_FULL")
        return super().replace_if(path, expected, data)


def test_a_lease_that_could_not_be_given_back_is_held_by_nobody(tmp_path: Path) -> None:
    path, disk = f"{tmp_path}/lease.json", FullDisk()
    with Lease(disk, path, table="/t", what="first"):
        disk.full = True
    disk.full = False
    with Lease(disk, path, table="/t", what="second", wait_seconds=0) as second:
        assert second.token == 2
