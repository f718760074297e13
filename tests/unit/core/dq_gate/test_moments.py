# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from airflow_dataops.core.dq_gate.moments import duration, duration_text, utc


@pytest.mark.parametrize(
    ("text", "length"),
    [("90s", timedelta(seconds=90)), ("2h", timedelta(hours=2)), ("1 d", timedelta(days=1)), ("1w", timedelta(days=7))],
)
def test_lengths_of_time(text: str, length: timedelta) -> None:
    assert duration(text) == length


@pytest.mark.parametrize("text", ["", "h", "1.5h", "2 hours", "99999999999d"])
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"length of time|too long"):
        duration(text)


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(0), "0 s"),
        (timedelta(hours=2), "2 h"),
        (timedelta(days=1, hours=3, minutes=5), "1 d 3 h"),
        (timedelta(seconds=-65), "-1 min 5 s"),
    ],
)
def test_lengths_as_a_person_says_them(length: timedelta, text: str) -> None:
    assert duration_text(length) == text


def test_what_has_no_zone_is_utc() -> None:
    assert utc(datetime.fromisoformat("2024-01-01")) == datetime(2024, 1, 1, tzinfo=UTC)
    assert utc(date(2024, 1, 1)) == datetime(2024, 1, 1, tzinfo=UTC)
