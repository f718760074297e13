# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from airflow_dataops.core.durations import Duration, text, told

ADAPTER: TypeAdapter[timedelta] = TypeAdapter(Duration)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("90s", 90), ("30m", 1800), (" 2 h ", 7200), ("1d", 86_400), (5, 5), (0.5, 0.5), (timedelta(minutes=1), 60)],
)
def test_a_length_is_read_as_people_write_it(written: Any, seconds: float) -> None:
    read = ADAPTER.validate_python(written)
    assert read.total_seconds() == seconds
    assert ADAPTER.dump_python(read) == seconds
    assert read < timedelta(days=2)
    assert datetime(2026, 1, 1, tzinfo=UTC) + read


@pytest.mark.parametrize(
    "written",
    ["", "m", "1w", "-5m", "1h30m", "99999999999d", "40000d", -5, float("inf"), float("nan"), 10**20, True, None, [],
     timedelta(seconds=-1), timedelta.max],
)  # fmt: skip
def test_what_is_none_is_told_with_what_to_write(written: Any) -> None:
    with pytest.raises(ValidationError, match="is no length of time; write 90s, 30m, 2h or 1d"):
        ADAPTER.validate_python(written)


@pytest.mark.parametrize(
    ("seconds", "told"), [(0, "0s"), (90, "90s"), (5400, "90m"), (7200, "2h"), (14 * 86_400, "14d")]
)
def test_a_length_is_told_in_its_largest_whole_unit(seconds: float, told: str) -> None:
    assert text(timedelta(seconds=seconds)) == told


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0s"),
        (90, "90s"),
        (5400, "90m"),
        (7200, "2h"),
        (151 * 60, "2h 31m"),
        (28_831 * 60, "20d 31m"),
        (86_401, "1d 1s"),
        (400 * 86_400, "400d"),
    ],
)
def test_a_length_is_told_to_people_without_great_numbers(seconds: float, said: str) -> None:
    assert told(timedelta(seconds=seconds)) == said
