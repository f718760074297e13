# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_dataops.core.errors import SpecError


@pytest.mark.parametrize(
    ("bounds", "broken"),
    [
        ({"min": 2, "max": 3}, 2),
        ({"min": 2}, 1),
        ({"max": 3}, 1),
        ({"min": 2, "strict_min": True}, 2),
        ({"max": 3, "strict_max": True}, 2),
        ({"min": 1, "max": 4, "strict_min": True, "strict_max": True}, 2),
        ({"min": 2.5}, 2),
    ],
)
def test_between_one_or_both_ends_strict_or_not(one: Any, bounds: dict[str, Any], broken: int) -> None:
    assert one({"between": {"column": "a", **bounds}}, {"a": [1, 2, 3, 4, None]}).unexpected == broken


def test_between_does_not_count_nan(one: Any) -> None:
    outcome = one({"between": ["a", 0, 5]}, {"a": [1.0, float("nan"), 6.0, float("inf")]})
    assert (outcome.evaluated, outcome.missing, outcome.unexpected) == (3, 1, 2)


def test_between_of_large_integers_is_exact(one: Any) -> None:
    assert one({"between": ["a", None, 2**53]}, {"a": [2**53, 2**53 + 1]}).unexpected == 1


def test_between_of_texts_and_times(one: Any) -> None:
    assert one({"between": ["a", "b", "c"]}, {"a": ["a", "b", "cc"]}).unexpected == 2
    moments = [datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, 1, tzinfo=UTC)]
    assert one({"between": ["a", None, "2024-01-02"]}, {"a": moments}).unexpected == 1
    assert one({"between": ["a", None, "2024-01-02T03:00:00+02:00"]}, {"a": moments}).unexpected == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["a"],
        ["a", 5, 1],
        ["a", "x", 1],
        ["a", True, 2],
        ["a", float("inf"), None],
        ["a", 1, 2, 3],
        {"column": "a", "min": [1]},
        {"column": 5, "min": 1},
    ],
)
def test_between_that_cannot_be_meant(one: Any, arguments: Any) -> None:
    with pytest.raises(SpecError) as caught:
        one({"between": arguments}, {"a": [1]})
    assert caught.value.code == "BAD_ARGUMENT"
    assert caught.value.hint == "{between: [distance, 1, 6000]}"


@pytest.mark.parametrize(
    ("options", "evaluated", "broken"),
    [
        ({}, 4, 3),
        ({"or_equal": True}, 4, 2),
        ({"ignore_row_if": "either_value_is_missing"}, 3, 2),
        ({"ignore_row_if": "neither"}, 5, 4),
    ],
)
def test_a_greater_than_b_as_great_expectations_counts_it(
    one: Any, options: dict[str, Any], evaluated: int, broken: int
) -> None:
    rule = {"column_a_greater_than_b": {"a": "x", "b": "y", **options}}
    outcome = one(rule, {"x": [2, 1, 1, None, None], "y": [1, 1, 2, 1, None]})
    assert (outcome.evaluated, outcome.unexpected) == (evaluated, broken)


def test_a_greater_than_b_of_two_types(one: Any) -> None:
    with pytest.raises(SpecError, match="cannot be compared"):
        one({"column_a_greater_than_b": ["x", "y"]}, {"x": [1], "y": ["a"]})
