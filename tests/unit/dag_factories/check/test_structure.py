# SPDX-License-Identifier: Apache-2.0
"""Data against models: messages that say what is valid, and what is left of a file without its wrong parts."""

from __future__ import annotations

from typing import Any

import pytest

from dag_factories.check.structure import fields_at, validate
from dag_factories.specs.bronze_to_silver import BronzeToSilverSpec

DATA: dict[str, Any] = {
    "version": 1,
    "kind": "bronze_to_silver",
    "name": "orders",
    "source": {"path": "a"},
    "target": {"path": "b"},
}


def problems(**changes: Any) -> list[tuple[Any, ...]]:
    return [tuple(problem[:4]) for problem in validate(BronzeToSilverSpec, {**DATA, **changes}).problems]


def test_right_data_becomes_the_model() -> None:
    checked = validate(BronzeToSilverSpec, DATA)
    assert (checked.model.name if checked.model else None, checked.problems) == ("orders", [])


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"sorce": {}}, "did you mean 'source'?"),
        ({"retries": 3}, "it belongs under defaults:"),
        ({"dagrun_timeout": "5m"}, "it belongs under dag:"),
        ({"source": {"path": "a", "format": "parkett"}}, "did you mean 'parquet'?"),
        ({"clean": {"drop_nulls": "id"}}, 'write it as a list: ["id"]'),
        ({"tags": [2024]}, 'write it in quotes: "2024"'),
    ],
)
def test_a_problem_says_what_to_type(changes: dict[str, Any], hint: str) -> None:
    [(_, _, _, told)] = problems(**changes)
    assert told == hint


def test_an_unknown_key_without_a_neighbour_lists_what_is_known() -> None:
    [(_, code, _, hint)] = problems(quality={"xyz": 1})
    assert (code, hint) == ("UNKNOWN_KEY", "known are: bronze, silver")


def test_the_branches_of_a_union_are_one_problem() -> None:
    [(path, code, message, _)] = problems(clean={"cast": {"a": 5}})
    assert (path, code) == (("clean", "cast", "a"), "WRONG_TYPE")
    assert message == "clean.cast.a takes keys and values or a text, not 5"


def test_a_mapping_in_a_union_is_judged_as_a_mapping() -> None:
    found = problems(clean={"cast": {"a": {"typ": "int"}}})
    assert {code for _, code, _, _ in found} == {"MISSING_KEY", "UNKNOWN_KEY"}


def test_what_is_right_is_kept_for_later_checks() -> None:
    checked = validate(BronzeToSilverSpec, {**DATA, "full": "maybe", "clean": {"keep_if": ["a > 1"], "dedup": {}}})
    assert checked.model is not None
    assert checked.model.clean.keep_if == ["a > 1"]
    assert checked.model.clean.dedup is None
    assert sorted(checked.removed) == [("clean", "dedup"), ("full",)]


def test_nothing_is_made_without_what_is_required() -> None:
    assert validate(BronzeToSilverSpec, {"version": 1, "kind": "bronze_to_silver"}).model is None


def test_the_data_is_not_changed() -> None:
    data = {**DATA, "clean": {"dedup": {}}}
    validate(BronzeToSilverSpec, data)
    assert data["clean"] == {"dedup": {}}


def test_fields_are_found_through_optional_and_mappings() -> None:
    assert set(fields_at(BronzeToSilverSpec, ("columns", "email"))) == {"tags", "mask"}
    assert "keys" in fields_at(BronzeToSilverSpec, ("clean", "dedup"))
    assert "schema" in fields_at(BronzeToSilverSpec, ())
