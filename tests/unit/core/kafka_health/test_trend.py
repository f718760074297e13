# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from itertools import permutations

import pytest

from airflow_dataops.core.kafka_health.burrow import Sample
from airflow_dataops.core.kafka_health.trend import gone_back, grows, stuck_looks, waited_ms


def lags(*values: int | None) -> list[Sample]:
    return [Sample(n, n, lag) for n, lag in enumerate(values)]


@pytest.mark.parametrize(
    ("samples", "allowed", "looks"),
    [
        ([], 0, 0),
        ([(5, 3)], 0, 1),
        ([(5, 3), (5, 4), (5, 9)], 0, 3),
        ([(4, 3), (5, 4), (5, 9)], 0, 2),
        ([(5, 3), (5, 0), (5, 9)], 0, 1),
        ([(5, 3), (5, 4), (5, 9)], 3, 2),
        ([(5, 3), (5, None), (5, 9)], 0, 3),
        ([(5, 3), (5, 4), (5, 0)], 0, 0),
    ],
)
def test_for_how_many_looks_a_commit_stands_still(
    samples: list[tuple[int, int | None]], allowed: int, looks: int
) -> None:
    assert stuck_looks([Sample(offset, n, lag) for n, (offset, lag) in enumerate(samples)], allowed) == looks


@pytest.mark.parametrize(
    ("offsets", "back"), [([], 0), ([5], 0), ([5, 9], 0), ([9, 5], 4), ([9, 5, 7], 2), ([9, 5, 9], 0)]
)
def test_how_far_a_commit_went_back(offsets: list[int], back: int) -> None:
    assert gone_back([Sample(offset, n, None) for n, offset in enumerate(offsets)]) == back


@pytest.mark.parametrize(
    ("samples", "allowed", "growth"),
    [
        (lags(1, 2, 3, 4, 5, 6, 7, 8), 0, True),
        (lags(1, 2, 3, 4, 5, 6, 7), 0, False),  # too few
        (lags(1, 2, 3, 4, 5, 0, 7, 8), 0, True),
        (lags(1, 2, 3, 4, 0, 0, 7, 8), 0, False),
        (lags(0, 2, 0, 4, 5, 6, 7, 8), 0, True),
        (lags(1, 2, 3, 4, 5, 6, 7, 4), 0, False),  # the lag now is none of the highest
        (lags(1, 2, 9, 4, 5, 6, 7, 8), 0, False),
        (lags(1, 2, 3, 4, 5, 6, 7, 8), 6, False),
        (lags(1, 2, 3, 4, 5, 6, 7, 8), 5, True),
        (lags(1, None, 2, 3, 4, 5, 6, 7, 8), 0, True),
        (lags(1, None, 2, 3, 4, 5, 6, 7), 0, False),
    ],
)
def test_what_grows(samples: list[Sample], allowed: int, growth: bool) -> None:
    assert grows(samples, samples[-1].lag or 0, allowed) is growth


def test_lags_in_any_order_seldom_grow() -> None:
    orders = list(permutations(range(8)))
    assert sum(grows(lags(*order), order[-1], -1) for order in orders) / len(orders) == pytest.approx(2 / 35)


@pytest.mark.parametrize(
    ("ends", "first", "waited"),
    [
        ([], 5, (0, None)),
        ([(10, 5)], 5, (0, 90)),
        ([(10, 6)], 5, (90, None)),
        ([(10, 5), (20, 6), (30, 9)], 5, (80, 90)),
        ([(10, 5), (20, 6), (30, 9)], 6, (70, 80)),
        ([(10, 9), (20, 5), (30, 9)], 5, (90, None)),  # a log that was cut off tells nothing later
        ([(110, 9)], 5, (0, None)),
    ],
)
def test_how_long_a_record_has_been_seen_to_wait(
    ends: list[tuple[int, int]], first: int, waited: tuple[int, int | None]
) -> None:
    assert waited_ms(ends, first, 100) == waited
