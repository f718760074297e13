# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from airflow_dataops.core.kafka_health.facts import PartitionFacts, facts_in
from airflow_dataops.core.kafka_health.snapshot import MemberView
from airflow_dataops.core.kafka_health.window import PartitionWindow, Window
from tests.unit.core.kafka_health.samples import MINUTE, START, TOPIC, check_of, snapshot_of, view

UNANSWERED = -1001  # librdkafka's word for an offset that never came


def fact(check: dict[str, Any] | None = None, window: Window | None = None, **changes: Any) -> PartitionFacts:
    """Return what is the case with one partition."""
    found = facts_in(check_of(**(check or {})), snapshot_of(view(**changes)), window or Window())
    return found[0]


def test_what_waits_is_what_lies_behind_the_commit() -> None:
    found = fact(committed=7, end=10, log_start=3)
    assert (found.lag, found.waiting, found.lost, found.first) == (3, 3, 0, 7)
    assert found.unknown is None
    assert not any((found.no_commit, found.replaced, found.phantom))


@pytest.mark.parametrize(
    "changes",
    [
        {"committed": None},
        {"end": None},
        {"end": UNANSWERED},
        {"end": -1},
        {"committed": 5, "error": {"code": "_TIMED_OUT"}},
        {"committed": UNANSWERED, "error": {"code": "TOPIC_AUTHORIZATION_FAILED"}},
        {"committed": UNANSWERED, "end": UNANSWERED},
    ],
)
def test_what_was_not_read_is_unknown_and_never_0(changes: dict[str, Any]) -> None:
    found = fact(**{"committed": 10, "end": 10, **changes})
    assert found.unknown is not None
    assert found.lag is None
    assert found.waiting is None


@pytest.mark.parametrize("committed", [-1, UNANSWERED])
def test_no_commit_is_a_state_of_its_own_and_no_lag(committed: int) -> None:
    found = fact(committed=committed, end=10)
    assert found.no_commit
    assert (found.committed, found.lag, found.waiting, found.unknown) == (None, None, None, None)


def test_records_that_were_deleted_unread_are_counted() -> None:
    assert fact(committed=10, end=100, log_start=25).lost == 15
    assert fact(committed=25, end=25, log_start=25).lost == 0
    assert fact(committed=10, end=100, log_start=None).lost is None
    assert fact(committed=10, end=100, log_start=UNANSWERED).lost is None


def test_an_open_transaction_holds_records_back_from_who_reads_committed_ones() -> None:
    views = {"committed": 5, "high_watermark": 9, "last_stable": 5}
    strict = fact(**views)
    assert (strict.waiting, strict.held_back) == (0, 4)
    assert fact({"isolation": "read_uncommitted"}, **views).waiting == 4
    beyond = fact(
        committed=8, high_watermark=9, last_stable=5
    )  # of consumers that read all: nothing is wrong with the commit
    assert (beyond.waiting, beyond.replaced) == (0, False)


def test_the_end_that_was_not_asked_for_does_not_stand_in_for_the_other() -> None:
    assert fact(committed=5, high_watermark=9, last_stable=None).unknown is not None
    assert fact({"isolation": "read_uncommitted"}, committed=5, last_stable=9, high_watermark=None).unknown is not None


@pytest.mark.parametrize(
    ("next_offset", "waiting", "phantom"),
    [(None, 4, False), (5, 4, False), (8, 1, False), (-1, 0, True), (12, 0, True)],
)
def test_markers_and_compacted_records_do_not_wait(next_offset: int | None, waiting: int, phantom: bool) -> None:
    found = fact(committed=5, end=9, next_offset=next_offset)
    assert (found.lag, found.waiting, found.phantom) == (4, waiting, phantom)


def test_a_phantom_stays_one_until_the_commit_moves_or_records_come() -> None:
    window = Window(partitions={(TOPIC, 0): PartitionWindow(first=(5, 9))})
    assert fact(window=window, committed=5, end=9).phantom
    assert fact(window=window, committed=5, end=11).waiting == 2
    assert fact(window=window, committed=6, end=9).waiting == 3


def test_a_commit_behind_the_end_is_of_another_log() -> None:
    assert fact(committed=11, end=10).replaced
    assert not fact(committed=10, end=10).replaced
    assert fact(committed=5, end=10, committed_epoch=7, leader_epoch=3).other_epoch
    assert not fact(committed=5, end=10, committed_epoch=-1, leader_epoch=3).other_epoch
    assert not fact(committed=5, end=10, committed_epoch=3, leader_epoch=3).other_epoch


def test_ages_are_those_at_the_look_and_never_negative() -> None:
    found = fact(committed=5, end=9, next_at_ms=START - MINUTE, end_at_ms=START + MINUTE)
    assert (found.age_ms, found.newest_ms) == (MINUTE, 0)
    assert fact(committed=5, end=9, next_at_ms=-1).age_ms is None
    assert fact(committed=9, end=9, next_at_ms=START - MINUTE).age_ms is None
    assert fact(committed=5, end=9, younger={300_000: -1001, 60_000: -1}).younger == ((60_000, -1),)


def test_who_reads_a_partition() -> None:
    assert fact(committed=1, end=2).assigned is True
    one = snapshot_of(view(1, 2, 0), view(1, 2, 1), members=(MemberView(member_id="m", assigned={TOPIC: (1,)}),))
    assert [found.assigned for found in facts_in(check_of(), one, Window())] == [False, True]
    unread = snapshot_of(view(1, 2), members=None)
    assert facts_in(check_of(), unread, Window())[0].assigned is None


def test_topics_that_are_not_asked_for_are_left_out() -> None:
    snapshot = snapshot_of(*(view(topic=name) for name in ("clicks", "clicks-eu", "clicks-eu-dlq", "other")))
    found = facts_in(check_of(topics=["clicks*"], exclude_topics=["*-dlq"]), snapshot, Window())
    assert [one.topic for one in found] == ["clicks", "clicks-eu"]
