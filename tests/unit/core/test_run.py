# SPDX-License-Identifier: Apache-2.0
"""Which name a run gets: the same for the same data, whoever started it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from airflow_dataops.core.run import run_key

DAY = datetime(2024, 1, 31, tzinfo=UTC)
NEXT = DAY + timedelta(days=1)


def key(**said: Any) -> str:
    return run_key(**{"partition_key": None, "logical_date": None, "run_id": "manual__1", **said})


def test_a_run_by_hand_is_the_scheduled_run_of_its_interval() -> None:
    scheduled = key(interval_start=DAY, interval_end=NEXT, logical_date=DAY, run_id="scheduled__x")
    by_hand = key(interval_start=DAY, interval_end=NEXT, logical_date=NEXT + timedelta(hours=9, seconds=7))
    assert scheduled == by_hand == "2024-01-31T000000"


def test_a_partition_key_comes_first() -> None:
    assert key(partition_key="eu-west", interval_start=DAY, interval_end=NEXT, logical_date=NEXT) == "eu-west"


@pytest.mark.parametrize(("start", "end"), [(DAY, DAY), (None, None), (DAY, None)])
def test_an_interval_without_length_says_nothing(start: datetime | None, end: datetime | None) -> None:
    assert key(interval_start=start, interval_end=end, logical_date=NEXT) == "2024-02-01T000000"
    assert key(interval_start=start, interval_end=end) == "manual__1"


def test_the_hour_that_happens_twice_has_two_names() -> None:
    zone = ZoneInfo("Europe/Paris")
    first = datetime(2024, 10, 27, 2, tzinfo=zone)
    again = first.replace(fold=1)
    keys = [
        key(interval_start=at, interval_end=at.astimezone(UTC) + timedelta(hours=1), logical_date=at)
        for at in (first, again)
    ]
    assert keys == ["2024-10-27T000000", "2024-10-27T010000"]


@pytest.mark.parametrize("run_id", ["a b", "../..", "x" * 130, "", "é"])
def test_a_text_that_had_to_be_changed_carries_a_digest(run_id: str) -> None:
    name = key(run_id=run_id)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*-[0-9a-f]{10}", name)
    assert len(name) <= 120
    assert name != key(run_id=run_id + "?")
