# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from airflow_dataops.core.errors import SpecError

TABLE = {"a": [1, 2], "b": ["x", None]}


@pytest.mark.parametrize(
    ("bounds", "passed"), [({"min": 2}, True), ({"max": 1}, False), ({"min": 2, "max": 2}, True), ({"min": 3}, False)]
)
def test_row_count(one: Any, bounds: dict[str, int], passed: bool) -> None:
    outcome = one({"row_count": bounds}, TABLE)
    assert outcome.passed == passed
    assert outcome.observed == 2


def test_row_count_of_some_rows_and_of_none(one: Any) -> None:
    assert one({"row_count": {"max": 1, "row_condition": "b = 'x'"}}, TABLE).passed
    assert not one({"row_count": {"min": 1}}, {"a": []}).passed


@pytest.mark.parametrize(
    ("rule", "passed"),
    [
        ({"column_exists": "a"}, True),
        ({"column_exists": "c"}, False),
        ({"column_exists": {"column": "b", "index": 1}}, True),
        ({"column_exists": {"column": "b", "index": 0}}, False),
        ({"columns_match_set": ["b", "a"]}, True),
        ({"columns_match_set": ["a"]}, False),
        ({"columns_match_set": {"columns": ["a"], "exact": False}}, True),
        ({"columns_match_set": {"columns": ["c"], "exact": False}}, False),
        ({"columns_in_order": ["a", "b"]}, True),
        ({"columns_in_order": ["b", "a"]}, False),
        ({"column_type": ["a", "bigint"]}, True),
        ({"column_type": ["a", ["integer", "int64"]]}, True),
        ({"column_type": ["b", "bigint"]}, False),
    ],
)
def test_schema(one: Any, rule: Any, passed: bool) -> None:
    assert one(rule, TABLE).passed == passed


def test_missing_and_extra_columns_are_named(one: Any) -> None:
    message = one({"columns_match_set": ["a", "c"]}, TABLE).message
    assert "missing are 'c'" in message
    assert "not expected are 'b'" in message


def test_type_of_a_decimal(one: Any) -> None:
    table = {"a": [Decimal("1.50")]}
    assert one({"column_type": ["a", "decimal"]}, table).passed
    assert one({"column_type": ["a", "decimal(3, 2)"]}, table).passed
    assert not one({"column_type": ["a", "decimal(9, 2)"]}, table).passed


def test_a_rule_on_the_schema_has_no_rows_to_pick(one: Any) -> None:
    with pytest.raises(SpecError, match="row_condition"):
        one({"column_exists": {"column": "a", "row_condition": "a = 1"}}, TABLE)
