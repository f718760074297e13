# SPDX-License-Identifier: Apache-2.0
"""Durations, dates, zones and sizes: what is taken, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from dag_factories.specs.values import moment, seconds, size, timezone


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5m", 300),
        ("5 minutes", 300),
        ("1 minute", 60),
        ("1h30m", 5400),
        ("1 hour 30 minutes", 5400),
        ("1 hour, 30 minutes", 5400),
        ("1 hour and 30 minutes", 5400),
        ("90s", 90),
        ("2 days", 172800),
        ("1w", 604800),
        ("1H", 3600),
        ("0s", 0),
    ],
)
def test_a_duration(text: str, value: int) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize(
    "value", ["", " ", "5", 300, 1.5, "5x", "m", "1h30", "-5m", "1.5h", None, True, ["5m"], "5m!", "minutes 5", "s"]
)
def test_what_is_no_duration(value: Any) -> None:
    with pytest.raises(PydanticCustomError):
        seconds(value)


@given(st.integers(0, 999), st.integers(0, 59))
def test_parts_of_a_duration_add_up(hours: int, minutes: int) -> None:
    assert seconds(f"{hours}h{minutes}m") == hours * 3600 + minutes * 60


@pytest.mark.parametrize(
    "text", ["2024-01-31", "2024-01-31T06:00", "2024-01-31 06:00:30", "2024-01-31T06:00Z", "2024-01-31T06:00+02:00"]
)
def test_a_date(text: str) -> None:
    assert moment(text) == text


@pytest.mark.parametrize(
    "text", ["", "2024-02-30", "2024-1-1", "20240131", "31.01.2024", "2024-01-31T25:00", "today", "2024-W05"]
)
def test_what_is_no_date(text: str) -> None:
    with pytest.raises(PydanticCustomError):
        moment(text)


@pytest.mark.parametrize("name", ["UTC", "Europe/Paris", "America/Argentina/Buenos_Aires"])
def test_a_time_zone(name: str) -> None:
    assert timezone(name) == name


@pytest.mark.parametrize("name", ["", "Paris", "../../etc/passwd", "/etc/localtime", "Europe/Pari", "Europe"])
def test_what_is_no_time_zone(name: str) -> None:
    with pytest.raises(PydanticCustomError):
        timezone(name)


@pytest.mark.parametrize(
    ("value", "bytes_"),
    [("512MB", 512 * 2**20), ("4GiB", 4 * 2**30), ("1.5 gb", 3 * 2**29), (1024, 1024), ("64K", 65536)],
)
def test_a_size(value: Any, bytes_: int) -> None:
    assert size(value) == bytes_


@pytest.mark.parametrize("value", ["", "lots", "4 XB", "-4GB", None, True, [1]])
def test_what_is_no_size(value: Any) -> None:
    with pytest.raises(PydanticCustomError):
        size(value)
