# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_dataops.core.errors import SpecError

END = datetime(2024, 2, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "values",
    [
        [datetime.fromisoformat("2024-01-31T22:00"), datetime.fromisoformat("2024-01-01")],
        [datetime(2024, 1, 31, 23, tzinfo=timezone(timedelta(hours=1)))],
        ["2024-01-31T22:00:00Z", "no time"],
    ],
)
@pytest.mark.parametrize(("max_age", "passed"), [("2h", True), ("119m", False)])
def test_age_is_counted_back_from_the_end_of_the_interval(
    one: Any, values: list[Any], max_age: str, passed: bool
) -> None:
    outcome = one({"freshness": ["t", max_age]}, {"t": values}, run_time=END)
    assert outcome.passed == passed
    assert "2 h old" in outcome.message


def test_a_date_is_its_midnight(one: Any) -> None:
    assert one({"freshness": ["t", "1d"]}, {"t": [date(2024, 1, 31)]}, run_time=END).passed


def test_without_any_time_it_does_not_hold(one: Any) -> None:
    assert not one({"freshness": ["t", "1d"]}, {"t": ["x"]}, run_time=END).passed


def test_a_run_without_an_interval_is_refused(one: Any) -> None:
    with pytest.raises(SpecError) as caught:
        one({"freshness": ["t", "1d"]}, {"t": ["x"]}, run_time=None)
    assert caught.value.code == "RUN_WITHOUT_INTERVAL"


@pytest.mark.parametrize("max_age", ["2", "two hours", "-1h", 5])
def test_a_length_of_time_that_is_none(one: Any, max_age: Any) -> None:
    with pytest.raises(SpecError):
        one({"freshness": ["t", max_age]}, {"t": ["x"]})


def test_a_number_is_no_time(one: Any) -> None:
    with pytest.raises(SpecError, match="not a time"):
        one({"freshness": ["t", "1d"]}, {"t": [1]})
