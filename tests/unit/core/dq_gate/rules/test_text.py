# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from airflow_dataops.core.errors import SpecError


def test_regex_is_searched_for_unless_it_is_tied_to_the_ends(one: Any) -> None:
    values = {"a": ["xab", "ab", "b", None]}
    assert one({"regex": ["a", "ab"]}, values).unexpected == 1
    assert one({"regex": ["a", "^ab$"]}, values).unexpected == 2
    assert one({"not_regex": ["a", "ab"]}, values).unexpected == 2


def test_regex_on_numbers_looks_at_their_text(one: Any) -> None:
    assert one({"regex": ["a", "^[0-9]{2}$"]}, {"a": [10, 7]}).unexpected == 1


@pytest.mark.parametrize("pattern", ["(", "(?=a)", r"(a)\1", "a++", "[z-a]"])
def test_patterns_that_not_every_engine_understands(one: Any, pattern: str) -> None:
    with pytest.raises(SpecError) as caught:
        one({"regex": ["a", pattern]}, {"a": ["x"]})
    assert caught.value.code == "BAD_ARGUMENT"
    assert caught.value.details["problems"][0]["path"] == ["rules", 0, "regex", "pattern"]


@pytest.mark.parametrize(
    ("bounds", "broken"),
    [
        ({"min": 2, "max": 2}, 3),
        ({"min": 2}, 2),
        ({"max": 1}, 2),
        ({"max": 2, "strict_max": True}, 2),
        ({"min": 1, "strict_min": True}, 2),
    ],
)
def test_length_counts_characters(one: Any, bounds: dict[str, Any], broken: int) -> None:
    values = {"a": ["ab", "日本語", "é", "", None]}
    assert one({"length_between": {"column": "a", **bounds}}, values).unexpected == broken


def test_a_list_has_no_text(one: Any) -> None:
    with pytest.raises(SpecError, match="has no text"):
        one({"length_between": ["a", 1, 2]}, {"a": [[1], [2]]})
