# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.dq_gate.parse import check_columns, parse_all, parse_rules
from airflow_dataops.core.dq_gate.registry import REGISTRY
from airflow_dataops.core.dq_gate.rule import RowRule


def yaml(text: str) -> Any:
    """Read YAML as pipeline files are read."""
    import ryaml

    return ryaml.loads(text)  # type: ignore[attr-defined]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(sorted(REGISTRY)),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=8) | st.sampled_from(["column", "min", "max", "mostly"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_the_example_of_every_rule_can_be_typed(name: str) -> None:
    rules, problems = parse_rules(None, [yaml(REGISTRY[name].example)])
    assert problems == []
    assert rules[0].kind == name
    assert rules[0].describe()


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_every_rule_takes_what_all_rules_take(name: str) -> None:
    written = {**yaml(REGISTRY[name].example), "severity": "info", "id": "mine", "description": "why"}
    rules, problems = parse_rules(None, [written])
    assert problems == []
    assert (rules[0].id, rules[0].severity, rules[0].description) == ("mine", "info", "why")


@pytest.mark.parametrize("name", sorted(name for name, cls in REGISTRY.items() if issubclass(cls, RowRule)))
def test_row_rules_take_mostly_beside_or_inside(name: str) -> None:
    rules, problems = parse_rules(None, [{**yaml(REGISTRY[name].example), "mostly": 0.5}])
    assert problems == []
    assert isinstance(rules[0], RowRule)
    assert rules[0].mostly == 0.5


def test_the_ways_to_write_a_rule() -> None:
    written: list[Any] = [
        {"not_null": "a"},
        {"between": ["a", 1, 5]},
        {"between": {"column": "a", "max": 5, "severity": "info"}},
        {"compound_unique": ["a", "b"]},
        {"row_count": {"min": 1}},
    ]
    rules, problems = parse_rules(None, written)
    assert problems == []
    assert [rule.id for rule in rules] == [
        "not_null(a)",
        "between(a)",
        "between(a)#2",
        "compound_unique(a, b)",
        "row_count",
    ]
    assert rules[2].arguments() == {"column": "a", "max": 5}


@pytest.mark.parametrize(
    ("written", "code", "path"),
    [
        ("not_null", "BAD_RULE", ("rules", 0)),
        ({}, "BAD_RULE", ("rules", 0)),
        ({"not_null": "a", "is_null": "a"}, "BAD_RULE", ("rules", 0)),
        ({"severity": "info"}, "BAD_RULE", ("rules", 0)),
        ({"not_nul": "a"}, "UNKNOWN_RULE", ("rules", 0, "not_nul")),
        ({"not_null": "a", "severty": "info"}, "UNKNOWN_RULE", ("rules", 0, "severty")),
        ({"not_null": ["a", "b"]}, "BAD_ARGUMENT", ("rules", 0, "not_null")),
        ({"not_null": {"column": "a", "min": 1}}, "UNKNOWN_ARGUMENT", ("rules", 0, "not_null", "min")),
        ({"not_null": {}}, "MISSING_ARGUMENT", ("rules", 0, "not_null")),
        ({"not_null": {"column": "a", "mostly": 90}}, "BAD_ARGUMENT", ("rules", 0, "not_null", "mostly")),
        ({"row_count": {"min": 1, "mostly": 0.9}}, "UNKNOWN_ARGUMENT", ("rules", 0, "row_count", "mostly")),
        ({"in_set": ["a", ["x", None]]}, "BAD_ARGUMENT", ("rules", 0, "in_set", "values", 1)),
        ({"condition": "a >"}, "BAD_EXPRESSION", ("rules", 0, "condition", "expression")),
        ({"not_null": "a", "row_condition": "b ="}, "BAD_EXPRESSION", ("rules", 0, "not_null", "row_condition")),
    ],
)
def test_a_fault_has_a_place_and_a_code(written: Any, code: str, path: tuple[Any, ...]) -> None:
    rules, problems = parse_rules(None, [written])
    assert rules == []
    assert (problems[0].code, problems[0].path[: len(path)]) == (code, path)


def test_a_misspelt_name_gets_the_nearest_one() -> None:
    _, problems = parse_rules(None, [{"betwen": ["a", 1]}, {"between": {"colum": "a", "min": 1}}])
    hints = [problem.suggestion for problem in problems if problem.code.startswith("UNKNOWN")]
    assert hints == ["did you mean 'between'?", "did you mean 'column'?"]


@pytest.mark.parametrize("written", [{"is_null": "a"}, {"null": "a"}, yaml("{null: a}")])
def test_a_bare_null_is_a_rule_too(written: Any) -> None:
    rules, problems = parse_rules(None, [written])
    assert problems == []
    assert [rule.id for rule in rules] == ["is_null(a)"]


def test_an_id_of_the_author_is_used_once() -> None:
    rules, problems = parse_rules(None, [{"not_null": "a", "id": "x"}, {"not_null": "b", "id": "x"}])
    assert len(rules) == 1
    assert [(problem.code, problem.path) for problem in problems] == [
        ("DUPLICATE_RULE", ("rules", 1, "not_null", "id"))
    ]


def test_rules_that_are_no_list() -> None:
    assert [problem.code for problem in parse_rules(None, "x")[1]] == ["BAD_RULE"]


@given(rules=st.lists(JSON, max_size=3), suite=st.none() | JSON)
def test_whatever_is_written_gives_rules_or_problems(rules: Any, suite: Any) -> None:
    found, problems = parse_rules(suite, rules)
    ids = [rule.id for rule in found]
    assert len(set(ids)) == len(ids)
    assert all(problem.message and problem.code.isupper() for problem in problems)
    if suite is None:
        assert len(found) + len({problem.path[1] for problem in problems}) == len(rules)


@given(name=st.sampled_from(sorted(REGISTRY)), arguments=JSON)
def test_whatever_the_arguments_no_rule_is_lost(name: str, arguments: Any) -> None:
    found, problems = parse_rules(None, [{name: arguments}])
    assert bool(found) != bool(problems)


def test_unknown_columns_are_told_with_their_places_and_neighbours() -> None:
    parsed = parse_all(None, [{"not_null": "tailnm"}, {"compound_unique": ["a", "x"]}])
    problems = check_columns(parsed.rules, {"tailnum": "string", "a": "bigint"}, parsed.paths)
    assert [(problem.code, problem.path) for problem in problems] == [
        ("UNKNOWN_COLUMN", ("rules", 0, "not_null")),
        ("UNKNOWN_COLUMN", ("rules", 1, "compound_unique")),
    ]
    assert problems[0].suggestion == "did you mean 'tailnum'?"


def test_a_rule_that_asks_for_a_column_needs_none() -> None:
    rules, _ = parse_rules(None, [{"column_exists": "x"}, {"columns_match_set": ["x"]}])
    assert check_columns(rules, {"a": "bigint"}) == []


@pytest.mark.parametrize("where", ["row_condition", "expression"])
def test_conditions_are_checked_against_the_columns(where: str) -> None:
    written = {"condition": "b = 1"} if where == "expression" else {"not_null": "a", "row_condition": "b = 1"}
    rules, _ = parse_rules(None, [written])
    problems = check_columns(rules, {"a": "bigint"})
    assert [(problem.code, problem.path[-1]) for problem in problems] == [("UNKNOWN_COLUMN", where)]


def test_rules_without_sql_load_no_sql_library() -> None:
    code = (
        "import sys; from airflow_dataops.core.dq_gate.parse import parse_rules, check_columns;"
        "rules, problems = parse_rules({'expectations': []}, [{'not_null': 'a'}, {'regex': ['a', 'x']}, {'column_type': ['a', 'bigint']}]);"
        "check_columns(rules, {'a': 'string'}); assert not problems;"
        "sys.exit('sqlglot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
