# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from airflow_dataops.clients.kafka_health.answer import EARLIEST, HIGH_WATERMARK, LAST_STABLE, GroupReading
from airflow_dataops.clients.kafka_health.cluster import Commit, Described, End, Kind, Record, Waiting, member
from airflow_dataops.core.kafka_health.asking import GroupAsk
from airflow_dataops.core.kafka_health.causes import Told
from airflow_dataops.core.kafka_health.snapshot import GroupSnapshot, GroupState, PartitionView, read_snapshot

KEY = ("t", 0)
AGE = Kind("read_committed", 1000)


def reading(**ends: Any) -> GroupReading:
    """A group with one partition: committed 2, start 0, end 5, markers up to 6."""
    found = GroupReading(GroupAsk("g", ages_ms=(1000,), peek=1), 7)
    found.commits = {KEY: Commit(2, 1)}
    found.topics = {"t": "uuid"}
    found.partitions = [KEY]
    known = {"start": End(0, 0), "stable": End(5, 1), "high": End(6, 1), "young": End(-1, None), **ends}
    kinds = {"start": EARLIEST, "stable": LAST_STABLE, "high": HIGH_WATERMARK, "young": AGE}
    found.ends = {kinds[name]: {KEY: end} for name, end in known.items()}
    return found


def snapshot(found: GroupReading) -> GroupSnapshot:
    """Return it as the other end of the pipe reads it."""
    told = read_snapshot("g", 0, found.document())
    assert told.error is None or told.error.code != "PROBE_GARBAGE", told.error
    return told


def view(found: GroupReading) -> PartitionView:
    return snapshot(found).partitions[0]


def test_all_that_was_read_is_told() -> None:
    found = reading()
    found.records = {KEY: Record(3, 99)}
    assert view(found) == PartitionView(
        topic="t",
        partition=0,
        committed=2,
        committed_epoch=1,
        log_start=0,
        high_watermark=6,
        last_stable=5,
        leader_epoch=1,
        next_offset=3,
        next_at_ms=99,
        younger={1000: -1},
    )
    assert (found.lags(), found.waiting(KEY)) == ({KEY: 3}, Waiting(2, 5))


@pytest.mark.parametrize("name", ["stable", "high"])
def test_an_end_that_is_not_known_is_an_error_and_no_lag(name: str) -> None:
    told = view(reading(**{name: Told("NO_ANSWER", "nothing")}))
    assert told.error
    assert told.error.code == "NO_ANSWER"


def test_a_commit_that_is_not_known_is_an_error_and_not_a_missing_one() -> None:
    found = reading()
    found.commits = {KEY: Told("TOPIC_AUTHORIZATION_FAILED")}
    told = view(found)
    assert told.committed is None
    assert told.error
    assert found.lags() == {}
    found.commits = {}
    assert view(found).error


def test_what_is_only_nice_to_know_is_left_out() -> None:
    told = view(reading(start=Told("_TIMED_OUT"), young=Told("_TIMED_OUT")))
    assert (told.error, told.log_start, told.younger) == (None, None, {})


def test_where_records_were_deleted_the_first_one_is_looked_for_behind_them() -> None:
    assert reading(start=End(4, 0)).waiting(KEY) == Waiting(4, 5)


def test_who_may_not_see_the_group_is_told_so_once_for_all() -> None:
    found = reading()
    found.describe(Told("GROUP_AUTHORIZATION_FAILED", "no"))
    told = snapshot(found)
    assert told.error
    assert told.state_error
    assert (told.error.code, told.partitions) == ("GROUP_AUTHORIZATION_FAILED", ())


def test_a_state_that_is_not_known_hinders_nothing_else() -> None:
    found = reading()
    found.describe(Told("_TIMED_OUT"))
    told = snapshot(found)
    assert told.error is None
    assert told.members is None
    assert told.state_error
    assert len(told.partitions) == 1


def test_a_group_that_is_not_there_is_dead() -> None:
    found = reading()
    found.describe(Told("GROUP_ID_NOT_FOUND"))
    assert (snapshot(found).state, snapshot(found).members) == (GroupState.DEAD, ())


def test_topics_that_only_members_read_count() -> None:
    found = reading()
    found.describe(Described("STABLE", [member("m", None, None, [("new", 1), ("new", 0)])]))
    assert found.used() == {"t", "new"}
    assert [one.assigned for one in snapshot(found).members or ()] == [{"new": (0, 1)}]
    found.commits = {KEY: Commit(-1)}
    assert found.used() == {"new"}
