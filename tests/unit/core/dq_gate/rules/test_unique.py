# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from airflow_dataops.core.errors import SpecError


def test_unique_counts_every_row_of_a_repeated_value(one: Any) -> None:
    outcome = one({"unique": "a"}, {"a": [1, 1, 1, 2, None, None]})
    assert (outcome.evaluated, outcome.missing, outcome.unexpected) == (4, 2, 3)


def test_unique_with_nan_and_row_condition(one: Any) -> None:
    table = {"a": [1.0, 1.0, float("nan"), float("nan"), 2.0, 2.0], "b": [1, 2, 1, 1, 1, 1]}
    assert one({"unique": "a"}, table).unexpected == 4
    assert one({"unique": {"column": "a", "row_condition": "b = 1"}}, table).unexpected == 2


@pytest.mark.parametrize(
    ("ignore", "evaluated", "broken"),
    [("all_values_are_missing", 5, 4), ("any_value_is_missing", 3, 2), ("never", 7, 6)],
)
def test_compound_unique_takes_null_for_null(one: Any, ignore: str, evaluated: int, broken: int) -> None:
    table = {"a": [1, 1, 1, None, None, None, None], "b": ["x", "x", "y", "x", "x", None, None]}
    outcome = one({"compound_unique": {"columns": ["a", "b"], "ignore_row_if": ignore}}, table)
    assert (outcome.evaluated, outcome.unexpected) == (evaluated, broken)


@pytest.mark.parametrize("columns", [["a"], ["a", "a"], []])
def test_compound_unique_needs_two_columns(one: Any, columns: list[str]) -> None:
    with pytest.raises(SpecError):
        one({"compound_unique": columns}, {"a": [1]})


@pytest.mark.parametrize(("values", "count"), [([1, 1, 2, None], 2), ([], 0), ([None], 0), ([1.0, float("nan")], 1)])
def test_distinct_count_leaves_missing_values_out(one: Any, values: list[Any], count: int) -> None:
    outcome = one({"distinct_count": ["a", count, count]}, {"a": values})
    assert outcome.passed
    assert outcome.observed == count
    assert not outcome.row_rule


def test_distinct_count_beside_unique_and_under_a_condition(evaluate: Any) -> None:
    rules = [
        {"unique": "a"},
        {"distinct_count": ["a", 3, 3]},
        {"distinct_count": {"column": "a", "max": 1, "row_condition": "b"}},
    ]
    found = evaluate(rules, {"a": [1, 1, 2, 3], "b": [True, True, False, False]})
    assert [outcome.passed for outcome in found] == [False, True, True]
