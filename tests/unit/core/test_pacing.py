# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from itertools import accumulate, pairwise

from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.pacing import LINE, PIECE, Pace, Piece, cuts

PACE = Pace(rate=100, burst=50)
ASKED = st.lists(st.tuples(st.floats(0, 3), st.integers(0, 120)), min_size=1, max_size=40)


def served(asked: list[tuple[float, int]]) -> list[tuple[float, int]]:
    """Return when each was served, with its cost, of who comes so many seconds after the one before."""
    full_at, found = 0.0, []
    for now, cost in zip(accumulate(pause for pause, _ in asked), (cost for _, cost in asked), strict=True):
        wait, full_at = PACE.take(full_at, cost, now)
        found.append((now + wait, cost))
    return found


@given(ASKED)
def test_no_stretch_of_time_has_more_than_the_rate_and_one_burst(asked: list[tuple[float, int]]) -> None:
    found = served(asked)
    for begin in range(len(found)):
        for end in range(begin, len(found)):
            spent = sum(cost for _, cost in found[begin : end + 1])
            seconds = found[end][0] - found[begin][0]
            assert spent <= PACE.burst + PACE.rate * seconds + max(0, found[end][1] - PACE.burst) + 1e-6


@given(ASKED)
def test_who_comes_first_is_served_first(asked: list[tuple[float, int]]) -> None:
    times = [time for time, _ in served(asked)]
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(times))


def test_nobody_waits_while_there_is_something_in_the_bucket() -> None:
    assert [time for time, _ in served([(1, 20), (0, 30)])] == [1, 1]


def test_what_is_larger_than_the_bucket_passes_when_it_is_full_and_is_paid_for_by_the_next() -> None:
    assert served([(1, 500)]) == [(1, 500)]
    assert served([(1, 500), (0, 50)]) == [(1, 500), (6, 50)]


@given(st.lists(st.integers(0, 2 * PIECE), max_size=60))
def test_a_piece_is_small_or_one_line_and_none_is_left_out(sizes: list[int]) -> None:
    ends = cuts(sizes)
    assert ends[-1] == len(sizes)
    for begin, end in zip([0, *ends], ends, strict=False):
        assert begin < end or not sizes
        assert end - begin <= 1 or sum(sizes[begin:end]) + LINE * (end - begin) <= PIECE


def test_a_line_costs_what_the_log_adds_to_it_too() -> None:
    assert Piece(("one", "three"), None).cost == 8 + 2 * LINE
