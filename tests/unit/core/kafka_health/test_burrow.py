# SPDX-License-Identifier: Apache-2.0
"""The rules of Burrow, in its order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import airflow_dataops.core.kafka_health as area
from airflow_dataops.core.kafka_health import WindowStatus, evaluate_window, group_status
from tests.unit.core.kafka_health.literal_burrow import literal_group, literal_status

S = 1000
Commit = tuple[int, int, int | None]


def commits(*pairs: tuple[int, int | None]) -> list[Commit]:
    """Return a commit every 10 seconds."""
    return [(offset, 10 * S * n, lag) for n, (offset, lag) in enumerate(pairs, 1)]


def status(samples: list[Commit], *, after: int = 10, lag: int | None = 100, ends: Any = (), allowed: int = 0) -> str:
    """Return what the rules say so many seconds after the last commit."""
    now = (samples[-1][1] if samples else 0) + after * S
    return str(evaluate_window(samples, end_offsets=ends, current_lag=lag, now_ms=now, allowed_lag=allowed))


BEHIND = commits((10, 50), (20, 60), (30, 70), (40, 80))  # advances, and falls behind: 30 seconds long
STILL = commits((10, 50), (10, 60), (10, 70), (10, 80))


@pytest.mark.parametrize(
    ("wanted", "got"),
    [
        ("OK", status(STILL, lag=0)),
        ("OK", status(STILL, lag=5, allowed=5)),
        ("STALL", status(STILL, lag=6, allowed=5)),
        # STOP: longer ago than the window is long, to the millisecond
        ("WARN", status(BEHIND, after=30)),
        ("STOP", status(BEHIND, after=31)),
        ("STOP", status(STILL, after=31)),
        ("STOP", status(commits((10, 0), (20, 0)), after=11, lag=1)),  # whatever the lag was before
        ("STOP", status(commits((20, 9), (10, 9)), after=11)),  # before REWIND
        ("STOP", status(BEHIND, after=31, ends=[41, 99])),
        ("WARN", status(BEHIND, after=31, ends=[99, 40])),  # a stored end shows that all had been read: not stopped yet
        ("REWIND", status(commits((20, 9), (10, 9)), after=11, ends=[10])),
        # REWIND: not regained, and before the look at lags
        ("REWIND", status(commits((10, 0), (30, 0), (20, 9)))),
        ("REWIND", status(commits((10, 5), (30, 5), (20, 9), (29, 9)))),
        ("OK", status(commits((10, 5), (30, 6), (20, 9), (30, 8)))),
        ("WARN", status(commits((10, 5), (30, 6), (20, 7), (30, 8)))),
        ("WARN", status(commits((10, 5), (30, 6), (20, 7), (31, 8), (12, 9)))),  # the first drop only
        # any known lag allowed
        ("OK", status(commits((10, 50), (10, 0), (10, 70)))),
        ("OK", status(commits((10, 50), (10, 5), (10, 70)), allowed=5)),
        ("STALL", status(commits((10, 50), (10, 6), (10, 70)), allowed=5)),
        # STALL, WARN, and what neither is
        ("STALL", status(STILL)),
        ("STALL", status(commits((10, 50), (10, 40), (10, 30)))),
        ("WARN", status(BEHIND)),
        ("WARN", status(commits((10, 50), (20, 50), (30, 50)))),
        ("OK", status(commits((10, 50), (20, 60), (30, 59)))),
        # lags that nobody knows are left out
        ("STALL", status(commits((10, None), (10, None)))),
        ("WARN", status(commits((10, None), (20, None)))),
        ("WARN", status(commits((10, 50), (20, None), (30, 60)))),
        ("OK", status(commits((10, 50), (20, None), (30, 40)))),
        ("OK", status(commits((10, None), (10, 0), (10, None)))),
    ],
)
def test_the_first_rule_that_holds_counts(wanted: str, got: str) -> None:
    assert got == wanted


@pytest.mark.parametrize("after", [0, 10, 10_000])
@pytest.mark.parametrize("samples", [[], commits((10, 50)), commits((10, None)), [(-1, 5, 1), (10, 9, 9)]])
def test_of_fewer_than_two_commits_no_trend_can_be_told(samples: list[Commit], after: int) -> None:
    assert status(samples, after=after, lag=100) == "OK"
    assert status(samples, after=after, lag=None) == "OK"


def test_an_unknown_lag_is_never_taken_for_none() -> None:
    for samples in (STILL, BEHIND, commits((20, 9), (10, 9))):
        for after in (10, 1000):
            assert status(samples, after=after, lag=None) == status(samples, after=after, lag=10**9)
    assert status(STILL, lag=None) == "STALL"
    assert status(STILL, lag=None, allowed=1000) == "OK"  # each lag of the window is known, and allowed


def test_a_negative_offset_is_no_commit_and_a_negative_end_is_no_end() -> None:
    assert status([(-1001, 5, 0), *STILL]) == "STALL"
    assert status(BEHIND, after=31, ends=[-1001, -1]) == "STOP"


def test_an_iterator_will_do() -> None:
    got = evaluate_window(iter(STILL), end_offsets=iter([99]), current_lag=1, now_ms=41 * S)
    assert got is WindowStatus.STALL


@pytest.mark.parametrize(
    ("partitions", "group"),
    [
        ([], "OK"),
        (["OK", "OK"], "OK"),
        (["OK", "WARN"], "WARN"),
        (["WARN", "STOP"], "ERR"),
        (["STALL"], "ERR"),
        (["OK", "REWIND"], "ERR"),
        (["ERR"], "ERR"),
    ],
)
def test_a_group_is_as_bad_as_its_worst_partition(partitions: list[str], group: str) -> None:
    assert group_status(WindowStatus(one) for one in partitions) == group


def test_what_the_area_exports() -> None:
    assert set(area.__all__) == {"Sample", "WindowStatus", "evaluate_window", "group_status"}
    assert [status.value for status in WindowStatus] == ["OK", "WARN", "STOP", "STALL", "REWIND", "ERR"]


lags = st.one_of(st.none(), st.integers(0, 6))
steps = st.integers(0, 4)


@st.composite
def windows(draw: st.DrawFn) -> list[Commit]:
    """Commits with few different values, so that all rules come to their turn."""
    at, found = draw(st.integers(0, 5)), []
    for _ in range(draw(st.integers(2, 8))):
        found.append((draw(st.integers(0, 5)), at, draw(lags)))
        at += draw(steps)
    return found


@settings(max_examples=300)
@given(windows(), st.lists(st.integers(0, 7), max_size=4), st.integers(0, 7), st.integers(0, 20), st.integers(0, 3))
@example(samples=[(4, 0, 3), (2, 1, 3), (4, 2, 3), (1, 3, 4)], ends=[], lag=5, later=0, allowed=0)
@example(samples=[(1, 0, 1), (1, 5, 1)], ends=[1], lag=5, later=6, allowed=0)
def test_the_rules_are_those_of_burrow(
    samples: list[Commit], ends: list[int], lag: int, later: int, allowed: int
) -> None:
    now = samples[-1][1] + later
    ours = evaluate_window(samples, end_offsets=ends, current_lag=lag, now_ms=now, allowed_lag=allowed)
    assert ours == literal_status(samples, ends, lag, now, allowed)


@given(st.lists(st.sampled_from(["OK", "WARN", "STOP", "STALL", "REWIND"]), max_size=6))
def test_a_group_is_that_of_burrow(partitions: list[str]) -> None:
    assert group_status(WindowStatus(one) for one in partitions) == literal_group(partitions)


def test_the_oracle_comes_to_every_status() -> None:
    cases = [STILL, BEHIND, commits((30, 1), (20, 2)), commits((10, 5), (20, 4))]
    found = {literal_status(case, [], 9, case[-1][1] + after, 0) for case in cases for after in (0, 1_000_000)}
    assert found == {"OK", "WARN", "STOP", "STALL", "REWIND"}
