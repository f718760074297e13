# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.dq_gate.literals import json_safe, shown, value_fault


@pytest.mark.parametrize(
    ("value", "safe"),
    [
        (Decimal("2.00"), 2),
        (Decimal("2.5"), 2.5),
        (Decimal("NaN"), "NaN"),
        (float("inf"), "inf"),
        (datetime(2024, 1, 1, tzinfo=UTC), "2024-01-01T00:00:00+00:00"),
        (date(2024, 1, 1), "2024-01-01"),
        (time(5), "05:00:00"),
        (timedelta(hours=1), 3600.0),
        (b"\x00\xff", "00ff"),
        ({"a": [Decimal(1), None]}, {"a": [1, None]}),
        (10**30, 10**30),
    ],
)
def test_values_of_an_engine_fit_into_json(value: Any, safe: Any) -> None:
    assert json_safe(value) == safe


@given(
    st.recursive(
        st.none() | st.floats() | st.decimals() | st.datetimes() | st.binary() | st.integers(), st.lists, max_leaves=5
    )
)
def test_whatever_comes_can_be_written(value: Any) -> None:
    assert json.dumps(json_safe(value), allow_nan=False)


@pytest.mark.parametrize(
    ("kind", "value", "fits"),
    [
        ("bigint", 5, True),
        ("bigint", 5.5, True),
        ("bigint", True, False),
        ("bigint", "5", False),
        ("decimal(9, 2)", 1, True),
        ("string", "5", True),
        ("string", 5, False),
        ("boolean", True, True),
        ("boolean", 1, False),
        ("date", "2024-01-31", True),
        ("timestamptz", "2024-01-31T10:00:00Z", True),
        ("timestamp", "tomorrow", False),
        ("timestamp", 5, False),
        ("list<bigint>", 5, False),
        ("double", float("nan"), False),
    ],
)
def test_what_compares_with_what(kind: str, value: Any, fits: bool) -> None:
    assert (value_fault("a", kind, value) is None) == fits


def test_a_truth_value_is_no_end_of_a_range() -> None:
    assert value_fault("a", "boolean", True, ordered=True)


def test_long_lists_are_cut() -> None:
    assert shown(list(range(12)), 2) == "0, 1 … (12 values)"
