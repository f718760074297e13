# SPDX-License-Identifier: Apache-2.0
"""Suites of Great Expectations. `gx_1_24.json` was written by Great Expectations 1.24.1; `gx_0_18.json` is constructed in 0.18's form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.core.dq_gate.parse import check_columns, parse_rules
from airflow_dataops.core.dq_gate.registry import GX_REGISTRY

SUITES = Path(__file__).parent / "suites"
COLUMNS = {"a": "bigint", "b": "string", "c": "bigint"}


def load(name: str) -> Any:
    return json.loads((SUITES / name).read_text(encoding="utf-8"))


def test_a_recorded_suite_is_read_unchanged() -> None:
    suite = load("gx_1_24.json")
    rules, problems = parse_rules(suite, [])
    assert problems == []
    assert [rule.gx_type for rule in rules] == [expectation["type"] for expectation in suite["expectations"]]
    assert check_columns(rules, COLUMNS) == []


def test_the_recorded_suite_holds_every_expectation_that_is_compiled() -> None:
    assert {expectation["type"] for expectation in load("gx_1_24.json")["expectations"]} == set(GX_REGISTRY)


def test_the_recorded_suite_runs(evaluate: Any) -> None:
    found = evaluate([], {"a": [1, 2, 5], "b": ["x", "yyy", None], "c": [3, 2, 1]}, suite=load("gx_1_24.json"))
    assert {
        outcome.id: (outcome.evaluated, outcome.unexpected, outcome.observed) for outcome in found if not outcome.passed
    } == {
        "not_in_set(a)": (1, 1, None),
        "length_between(b)#2": (2, 1, None),
        "column_a_greater_than_b(a, c)": (3, 1, None),
        "sum(a)": (3, 0, 8),
        "max(a)": (3, 0, 5),
    }


def test_kwargs_come_back_as_great_expectations_names_them() -> None:
    suite = load("gx_1_24.json")
    rules, _ = parse_rules(suite, [])
    for rule, expectation in zip(rules, suite["expectations"], strict=True):
        back = rule.to_gx(rule.gx_type or "", rule.arguments())
        assert back == expectation["kwargs"], rule.id


def test_the_form_of_0_18() -> None:
    rules, problems = parse_rules(load("gx_0_18.json"), [])
    assert problems == []
    assert [(rule.id, rule.severity) for rule in rules] == [
        ("not_null(a)", "warning"),
        ("between(a)", "critical"),
        ("in_set(b)", "critical"),
    ]


def test_an_expectation_that_is_not_compiled_is_named() -> None:
    suite = {"expectations": [{"type": "expect_column_kl_divergence_to_be_less_than", "kwargs": {"column": "a"}}]}
    rules, problems = parse_rules(suite, [])
    assert rules == []
    assert [problem.code for problem in problems] == ["GX_NOT_COMPILED"]
    assert "expect_column_kl_divergence_to_be_less_than" in problems[0].message
    assert problems[0].path == ("suite", "expectations", 0, "type")


def test_a_misspelt_expectation_gets_the_nearest_name() -> None:
    _, problems = parse_rules({"expectations": [{"type": "expect_column_values_to_not_be_nul", "kwargs": {}}]}, [])
    assert problems[0].suggestion == "did you mean 'expect_column_values_to_not_be_null'?"


@pytest.mark.parametrize(
    ("kwargs", "code"),
    [
        ({"column": "a", "min_value": {"$PARAMETER": "low"}, "max_value": 5}, "GX_NOT_COMPILED"),
        ({"column": "a", "min_value": "2024-01-01", "parse_strings_as_datetimes": True}, "GX_NOT_COMPILED"),
        ({"column": "a", "min_value": 0, "colour": "red"}, "UNKNOWN_ARGUMENT"),
        ({"column": "a", "min_value": 0, "mostly": "much"}, "BAD_ARGUMENT"),
        ({"column": "a"}, "BAD_ARGUMENT"),
        ({"min_value": 0}, "MISSING_ARGUMENT"),
        ({"column": "a", "min_value": 0, "row_condition": 'col("a") == 1'}, "BAD_ARGUMENT"),
        ({"column": "a", "min_value": 0, "row_condition": "a ==", "condition_parser": "pandas"}, "BAD_EXPRESSION"),
    ],
)
def test_kwargs_that_cannot_be_meant(kwargs: dict[str, Any], code: str) -> None:
    suite = {"expectations": [{"type": "expect_column_values_to_be_between", "kwargs": kwargs}]}
    rules, problems = parse_rules(suite, [])
    assert rules == []
    assert [problem.code for problem in problems] == [code]
    assert problems[0].path[:3] == ("suite", "expectations", 0)


def test_arguments_are_named_as_the_suite_names_them() -> None:
    suite = {
        "expectations": [{"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "a", "value_set": []}}]
    }
    _, problems = parse_rules(suite, [])
    assert problems[0].path[-1] == "value_set"


@pytest.mark.parametrize(
    "suite",
    [
        {},
        {"expectations": {}},
        {"expectations": [5]},
        {"expectations": [{"kwargs": {}}]},
        {"expectations": [{"type": "expect_column_to_exist", "kwargs": []}]},
        [],
        "text",
    ],
)
def test_what_is_no_suite(suite: Any) -> None:
    _, problems = parse_rules(suite, [])
    assert [problem.code for problem in problems] == ["BAD_SUITE"]


def test_a_severity_that_is_unknown() -> None:
    expectation = {"type": "expect_column_to_exist", "kwargs": {"column": "a"}, "severity": "fatal"}
    _, problems = parse_rules({"expectations": [expectation]}, [])
    assert [(problem.code, problem.path[-1]) for problem in problems] == [("BAD_ARGUMENT", "severity")]


def test_all_faults_are_told_at_once() -> None:
    suite = {
        "expectations": [
            {"type": "expect_nothing", "kwargs": {}},
            {"type": "expect_column_to_exist", "kwargs": {}},
            {"type": "expect_column_to_exist", "kwargs": {"column": "a"}},
        ]
    }
    rules, problems = parse_rules(suite, [{"betwen": 1}])
    assert len(rules) == 1
    assert [problem.path[:3] for problem in problems] == [
        ("suite", "expectations", 0),
        ("suite", "expectations", 1),
        ("rules", 0, "betwen"),
    ]
