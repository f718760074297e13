# SPDX-License-Identifier: Apache-2.0
"""Numbers and foreign texts."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.report import text


@pytest.mark.parametrize(
    ("part", "shown"),
    [
        (0.0, "0 %"),
        (1.0, "100 %"),
        (0.9755, "97.55 %"),
        (0.00001, "< 0.01 %"),
        (0.999999, "> 99.99 %"),
        (None, "–"),
        (math.nan, "–"),
    ],
)
def test_a_share_is_never_rounded_to_all_or_nothing(part: float | None, shown: str) -> None:
    assert text.share(part).replace("\u00a0", " ") == shown


@given(st.floats(min_value=0, max_value=1, exclude_min=True, exclude_max=True))
def test_only_none_and_all_are_shown_as_none_and_all(part: float) -> None:
    assert text.share(part) not in (text.share(0.0), text.share(1.0))


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (0.0, "0 s"),
        (0.0123, "12 ms"),
        (0.9999, "1.0 s"),
        (4.23, "4.2 s"),
        (59.96, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7801, "2 h 10 min"),
    ],
)
def test_seconds(amount: float, shown: str) -> None:
    assert text.seconds(amount).replace("\u00a0", " ") == shown


@pytest.mark.parametrize(
    ("amount", "shown"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5_248_363, "5.0 MiB"), (2**50, "1,024.0 TiB")],
)
def test_size(amount: int, shown: str) -> None:
    assert text.size(amount) == shown


@pytest.mark.parametrize(
    ("item", "shown"),
    [
        (None, "null"),
        (True, "true"),
        (3, "3"),
        (2013, "2013"),
        (0.5, "0.5"),
        (1e6, "1,000,000"),
        ([1, "a"], "1, a"),
        ({"a": 1}, '{"a": 1}'),
    ],
)
def test_value(item: Any, shown: str) -> None:
    assert text.value(item) == shown


def test_what_a_rule_observed_has_thousands_apart() -> None:
    assert text.figure(336776) == "336,776"


def test_midnight_is_a_date() -> None:
    assert text.moment(datetime(2013, 1, 2, tzinfo=UTC)) == "2013-01-02"
    assert text.moment(datetime(2013, 1, 2, 6, 30, tzinfo=UTC)) == "2013-01-02 06:30 UTC"


@given(st.text(alphabet=st.characters()), st.integers(2, 50))
def test_short_is_short_and_can_be_written(given_text: str, limit: int) -> None:
    shown = text.short(given_text, limit)
    assert len(shown) <= limit
    shown.encode("utf-8")


def test_what_could_mislead_or_break_is_replaced() -> None:
    assert text.clean("a\x00b\u202ec\ud800d") == "a\ufffdb\ufffdc\ufffdd"
