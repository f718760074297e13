# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

from airflow_dataops.core.kafka_health.facts import PartitionFacts
from airflow_dataops.core.kafka_health.window import Look, PartitionWindow, Window, observe

S = 1000
KEY = ("t", 0)


def fact(committed: int | None = 0, end: int | None = 10, **changes: Any) -> PartitionFacts:
    known = committed is not None and end is not None
    found = {"topic": "t", "partition": 0, "committed": committed, "end": end, "first": committed}
    return PartitionFacts(**{**found, "waiting": max(0, (end or 0) - (committed or 0)) if known else None, **changes})


def see(
    window: Window, at: int, *facts: PartitionFacts, size: int = 4, distance: int = 10 * S, **changes: Any
) -> Window:
    """Return the window after a look at so many seconds."""
    return observe(window, Look(at * S, facts, **changes), size=size, min_distance_ms=distance)


def offsets(window: Window) -> list[tuple[int, int, int | None]]:
    """Return commits with their time in seconds."""
    return [(one.offset, one.timestamp_ms // S, one.lag) for one in window.of(KEY).samples]


def test_the_last_looks_are_kept() -> None:
    window = Window()
    for n in range(6):
        window = see(window, 60 * n, fact(n, 10 + n), unsettled=n == 5)
    assert offsets(window) == [(2, 120, 10), (3, 180, 10), (4, 240, 10), (5, 300, 10)]
    assert window.of(KEY).ends == ((120 * S, 12), (180 * S, 13), (240 * S, 14), (300 * S, 15))
    assert window.looks == (120 * S, 180 * S, 240 * S, 300 * S)
    assert window.unsettled == (False, False, False, True)


def test_a_shorter_window_is_cut_and_a_longer_one_grows() -> None:
    window = Window()
    for n in range(4):
        window = see(window, 60 * n, fact(n))
    assert len(offsets(see(window, 300, fact(9), size=2))) == 2
    assert len(offsets(see(window, 300, fact(9), size=9))) == 5


def test_a_look_that_is_not_newer_is_dropped() -> None:
    window = see(see(Window(), 60, fact(1)), 120, fact(2))
    assert see(window, 120, fact(3)) == window
    assert see(window, 90, fact(3)) == window


def test_looks_near_each_other_are_one_at_the_first_ones_time() -> None:
    window = see(Window(), 60, fact(1, 10))
    for at in (62, 64, 69):
        window = see(window, at, fact(at, 100), unsettled=at == 64)
    assert offsets(window) == [(69, 60, 31)]
    assert window.looks == (60 * S,)
    assert window.unsettled == (True,)
    assert window.of(KEY).ends == ((60 * S, 10),)  # at that time the end was there; the later one was not
    assert len(offsets(see(window, 70, fact(70, 100)))) == 2  # however fast the looks, the window grows


def test_equal_commits_are_kept_while_somebody_can_have_made_them() -> None:
    window = Window()
    for n in range(4):
        window = see(window, 60 * n, fact(5, 10 + n))
    assert offsets(window) == [(5, 0, 5), (5, 60, 6), (5, 120, 7), (5, 180, 8)]


def test_without_members_an_equal_commit_is_the_old_one() -> None:
    window = see(see(Window(), 0, fact(4)), 60, fact(5))
    for n in (2, 3):
        window = see(window, 60 * n, fact(5, 20), gone=True)
    assert offsets(window) == [(4, 0, 6), (5, 60, 5)]
    assert len(window.looks) == 4
    assert offsets(see(window, 240, fact(6, 20), gone=True))[-1] == (
        6,
        240,
        14,
    )  # who reads without joining commits, too


def test_a_single_commit_is_seen_twice_so_that_there_is_a_length_of_time() -> None:
    window = Window()
    for n in range(4):
        window = see(window, 60 * n, fact(5), gone=True)
    assert offsets(window) == [(5, 0, 5), (5, 60, 5)]


def test_what_is_not_known_is_not_remembered() -> None:
    window = see(see(Window(), 0, fact(5)), 60, fact(None, None))
    assert offsets(window) == [(5, 0, 5)]
    window = see(window, 120, fact(6, None))
    assert offsets(window) == [(5, 0, 5), (6, 120, None)]
    assert window.of(KEY).ends == ((0, 10),)


def test_a_partition_that_goes_is_forgotten_after_as_many_looks_as_are_kept() -> None:
    other = fact(1, topic="u")
    window = see(Window(), 0, fact(5), other)
    for n in range(1, 4):
        window = see(window, 60 * n, other)
        assert window.of(KEY).absent == n
        assert offsets(window) == [(5, 0, 5)]
    assert KEY not in see(window, 240, other).partitions
    back = see(window, 240, fact(7), other)
    assert (back.of(KEY).absent, offsets(back)) == (0, [(5, 0, 5), (7, 240, 3)])


def test_a_topic_that_was_made_anew_begins_again() -> None:
    window = see(see(Window(), 0, fact(5), topic_ids={"t": "a"}), 60, fact(6), topic_ids={"t": "a"})
    assert len(offsets(window)) == 2
    assert offsets(see(window, 120, fact(0), topic_ids={"t": "b"})) == [(0, 120, 10)]
    assert len(offsets(see(window, 120, fact(6)))) == 3  # an id that is not told says nothing


def test_a_log_that_is_cut_off_begins_again() -> None:
    window = see(see(Window(), 0, fact(5, 50)), 60, fact(6, 60))
    window = see(window, 120, fact(0, 3))
    assert offsets(window) == [(0, 120, 3)]
    assert window.of(KEY).ends == ((120 * S, 3),)


def test_offsets_that_were_reset_stay_in_sight() -> None:
    window = see(see(Window(), 0, fact(9)), 60, fact(2))
    assert offsets(window) == [(9, 0, 1), (2, 60, 8)]


def test_commits_that_are_gone_are_forgotten_and_ends_are_not() -> None:
    window = see(see(Window(), 0, fact(5)), 60, fact(None, 20, no_commit=True))
    assert window.of(KEY) == PartitionWindow(ends=((0, 10), (60 * S, 20)))
    assert window.topics == frozenset()


def test_where_something_can_be_read_is_remembered_with_its_commit() -> None:
    window = see(Window(), 0, fact(5, 9, first=9, waiting=0))
    assert window.first_behind("t", 0, 5) == 9
    assert window.first_behind("t", 0, 6) is None
    assert see(window, 60, fact(9, 9)).of(KEY).first is None


def test_the_ids_of_topics_go_with_them() -> None:
    window = see(Window(), 0, fact(5), topic_ids={"t": "a", "stranger": "b"})
    assert window.topic_ids == {"t": "a"}
