# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(("rule", "broken"), [("not_null", 2), ("is_null", 3)])
def test_nulls_of_any_type_are_counted_over_all_rows(one: Any, rule: str, broken: int) -> None:
    outcome = one({rule: "a"}, {"a": ["x", None, "", None, "y"]})
    assert (outcome.evaluated, outcome.missing, outcome.unexpected) == (5, 0, broken)


def test_nan_is_missing(one: Any) -> None:
    outcome = one({"not_null": "a"}, {"a": [1.0, float("nan"), None]})
    assert outcome.unexpected == 2


def test_mostly_is_a_share_of_all_rows(one: Any) -> None:
    assert one({"not_null": {"column": "a", "mostly": 0.5}}, {"a": [1, None]}).passed
    assert not one({"not_null": {"column": "a", "mostly": 0.6}}, {"a": [1, None]}).passed


def test_no_rows_hold(one: Any) -> None:
    outcome = one({"not_null": "a"}, {"a": []})
    assert outcome.passed
    assert outcome.share is None


def test_row_condition_limits_what_is_looked_at(one: Any) -> None:
    rule = {"not_null": {"column": "a", "row_condition": "kind = 'b'"}}
    outcome = one(rule, {"a": [None, None, 1, 1], "kind": ["a", "b", "b", None]})
    assert (outcome.evaluated, outcome.unexpected) == (2, 1)
