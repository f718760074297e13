# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.errors import InputError, TransientError
from airflow_dataops.core.metadata import drain
from airflow_dataops.core.metadata.drain import Bounds, Finding, Offsets

A, B = ("gpu-metadata", 0), ("gpu-metadata", 1)


@pytest.mark.parametrize(
    ("seen", "finding", "begin", "stop", "lost"),
    [
        (Offsets(None, 0, 0), Finding.EMPTY, 0, 0, 0),
        (Offsets(None, 0, 9), Finding.FIRST, 0, 9, 0),
        (Offsets(None, 4, 9), Finding.FIRST, 4, 9, 0),
        (Offsets(None, 9, 9), Finding.EMPTY, 9, 9, 0),
        (Offsets(0, 0, 9), Finding.WORK, 0, 9, 0),
        (Offsets(3, 0, 9), Finding.WORK, 3, 9, 0),
        (Offsets(3, 3, 9), Finding.WORK, 3, 9, 0),
        (Offsets(9, 0, 9), Finding.DONE, 9, 9, 0),
        (Offsets(9, 9, 9), Finding.EMPTY, 9, 9, 0),
        (Offsets(3, 4, 9), Finding.LOST, 4, 9, 1),
        (Offsets(3, 9, 9), Finding.LOST, 9, 9, 6),
        (Offsets(10, 0, 9), Finding.BEHIND_END, 9, 9, 0),
    ],
)
def test_what_a_drain_reads(seen: Offsets, finding: Finding, begin: int, stop: int, lost: int) -> None:
    assert drain.bounds_of(A, seen) == Bounds(finding, begin, stop, lost)


@pytest.mark.parametrize(
    "seen", [Offsets(-1001, 0, 9), Offsets(3, -1001, 9), Offsets(3, 0, -1001), Offsets(None, 0, -1), Offsets(3, 9, 4)]
)
def test_an_unknown_offset_is_never_taken_for_one(seen: Offsets) -> None:
    with pytest.raises(TransientError, match="gpu-metadata/0 are not known") as told:
        drain.bounds_of(A, seen)
    assert told.value.code == "OFFSETS_UNKNOWN"
    assert told.value.retryable


@given(st.none() | st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_a_drain_stays_within_the_log_and_never_goes_back(committed: int | None, start: int, length: int) -> None:
    bounds = drain.bounds_of(A, Offsets(committed, start, start + length))
    assert start <= bounds.begin <= bounds.stop == start + length
    assert bounds.begin >= min(committed or 0, bounds.stop)
    assert bounds.lost == (max(0, start - committed) if committed is not None else 0)
    assert bounds.has_work == (bounds.begin < bounds.stop)


def test_a_drain_ends_by_position_since_markers_bring_no_record() -> None:
    """Records 0, 1, 2, then a commit marker at 3: the last stable offset is 4, and no record ever has offset 3."""
    bounds = drain.bounds_of(A, Offsets(None, 0, 4))
    assert not bounds.is_over(position=3)  # behind the last record
    assert bounds.is_over(position=4)  # the consumer has gone over the marker
    assert bounds.commit(4) == 4


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 80))
def test_what_is_committed_lies_within_the_bounds(begin: int, length: int, position: int) -> None:
    bounds = Bounds(Finding.WORK, begin, begin + length)
    assert begin <= bounds.commit(position) <= bounds.stop
    assert bounds.commit(bounds.stop + 5) == bounds.stop
    assert [offset for offset in range(80) if bounds.holds(offset)] == list(range(begin, bounds.stop))


@given(st.lists(st.integers(0, 40), unique=True, max_size=20).map(sorted), st.data())
def test_no_record_that_is_not_acknowledged_is_ever_behind_the_commit(offsets: list[int], data: st.DataObject) -> None:
    done = data.draw(st.lists(st.sampled_from(offsets), unique=True) if offsets else st.just([]))
    position = 50
    committed = drain.prefix(offsets, done, position)
    assert all(offset in done for offset in offsets if offset < committed)
    assert committed == position or committed in set(offsets) - set(done)


def test_a_plan_ends_when_every_partition_has() -> None:
    plan = drain.plan({B: Offsets(5, 0, 9), A: Offsets(None, 0, 0)})
    assert list(plan) == [A, B]
    assert not drain.is_over(plan, {})
    assert drain.remaining(plan, {B: 7}) == {B: 2}
    assert drain.is_over(plan, {B: 9})
    assert drain.is_over(plan, {A: 3, B: 12})


def test_a_loss_is_never_gone_over_in_silence() -> None:
    drain.check(drain.plan({A: Offsets(None, 5, 9), B: Offsets(5, 5, 9)}))
    with pytest.raises(
        InputError, match="up to 7 records were deleted before they were read, in: gpu-metadata/0, gpu-metadata/1"
    ) as lost:
        drain.check(drain.plan({A: Offsets(3, 5, 9), B: Offsets(0, 5, 5)}))
    assert (lost.value.code, lost.value.details) == (
        "DATA_LOST",
        {"partitions": {"gpu-metadata/0": 2, "gpu-metadata/1": 5}, "lost": 7},
    )
    with pytest.raises(InputError) as replaced:
        drain.check(drain.plan({A: Offsets(10, 0, 9)}))
    assert replaced.value.code == "TOPIC_REPLACED"


def test_a_loss_may_be_accepted_and_a_topic_that_was_made_anew_may_not() -> None:
    drain.check(drain.plan({A: Offsets(3, 5, 9)}), accept_loss=True)
    with pytest.raises(InputError) as replaced:
        drain.check(drain.plan({A: Offsets(10, 0, 9)}), accept_loss=True)
    assert replaced.value.code == "TOPIC_REPLACED"


@pytest.mark.parametrize(
    ("seen", "lost", "begin"),
    [
        (Offsets(None, 2, 20), 0, 5),  # deleted before this run
        (Offsets(7, 7, 20), 0, 7),
        (Offsets(7, 9, 20), 2, 9),
        (Offsets(None, 9, 20), 4, 9),
        (Offsets(5, 20, 20), 15, 20),
        (Offsets(30, 9, 40), 0, 10),  # another run has gone on from there
    ],
)
def test_what_is_deleted_between_two_tries_is_lost(seen: Offsets, lost: int, begin: int) -> None:
    known = Bounds(Finding.WORK, 5, 10)
    made = drain.widened(known, seen)
    assert (made.begin, made.lost, made.finding is Finding.LOST) == (5, lost, lost > 0)
    assert drain.left(made, seen).begin == begin
