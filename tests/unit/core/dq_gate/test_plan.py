# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest
import sqlglot
from sqlglot import exp

from airflow_dataops.core.dq_gate.explain import gate_sql
from airflow_dataops.core.dq_gate.parse import parse_rules
from airflow_dataops.core.dq_gate.plan import GatePlan, build_plan, counted_aside
from airflow_dataops.core.dq_gate.rule import Context
from airflow_dataops.core.run import RunContext
from airflow_dataops.core.sql.dialects import DIALECTS, render

COLUMNS = {"a": "bigint", "b": "string", "x": "double", "t": "timestamp"}
RUN = RunContext(pipeline="p", key="k")


def plan_of(rules: list[Any], **options: Any) -> GatePlan:
    parsed, problems = parse_rules(None, rules)
    assert problems == []
    return build_plan(parsed, Context(COLUMNS), **options)


def test_everything_is_counted_in_one_select() -> None:
    plan = plan_of(
        [{"not_null": "a"}, {"between": ["x", 0, 1]}, {"regex": ["b", "y"]}, {"mean": ["x", 0, 1]}, {"row_count": [1]}]
    )
    tables = list(plan.fused.find_all(exp.Table))
    assert [table.name for table in tables] == ["source"]
    assert plan.keys == ()


def test_equal_aggregates_are_counted_once() -> None:
    rules: list[Any] = [
        {"not_null": "a"},
        {"not_null": "a", "severity": "info"},
        {"between": ["a", 0, 1]},
        {"between": ["a", 0, 1]},
    ]
    plan = plan_of(rules, profile=False)
    # rows, nulls of a, values of a, those outside
    assert len(plan.fused.expressions) == 4


CRITICAL: list[Any] = [{"between": ["a", 0, 1]}, {"regex": ["b", "y"]}, {"unique": "a"}, {"mean": ["x", 0, 1]}]


@pytest.mark.parametrize(
    ("more", "columns", "quarantine", "expected"),
    [
        ([], 4, True, {"between(a)", "regex(b)"}),
        ([{"not_null": "t", "severity": "warning"}], 4, True, {"between(a)", "regex(b)"}),
        ([], 4, False, set()),
        ([], 5, True, set()),  # two of five columns are looked at
    ],
)
def test_bad_rows_are_counted_where_they_are_put_aside_unless_that_reads_much_more(
    more: list[Any], columns: int, quarantine: bool, expected: set[str]
) -> None:
    parsed, _ = parse_rules(None, [*CRITICAL, *more])
    assert counted_aside(parsed, [f"c{n}" for n in range(columns)], quarantine=quarantine) == expected


def test_what_is_counted_aside_is_not_tested_in_the_scan() -> None:
    plan = plan_of(CRITICAL, aside={"between(a)", "regex(b)"})
    assert [check.unexpected for check in plan.checks] == [None, None, None, None]
    assert "regexp" not in render(plan.fused, "duckdb").lower()


def test_aliases_differ_without_regard_to_case() -> None:
    parsed, _ = parse_rules(None, [{"between": ["a", 0, 1]}])
    plan = build_plan(parsed, Context({"a": "bigint", "A_2": "bigint", "a_2": "bigint"}))
    aliases = [column.alias.lower() for column in plan.fused.expressions]
    assert len(set(aliases)) == len(aliases)


def test_one_group_by_a_key_whatever_the_order_of_its_columns() -> None:
    rules = [
        {"compound_unique": ["a", "b"]},
        {"compound_unique": ["b", "a"]},
        {"unique": "a"},
        {"distinct_count": ["a", 1]},
    ]
    plan = plan_of(rules)
    assert [key.columns for key in plan.keys] == [("a",), ("a", "b")]


def test_a_key_is_implied_by_a_part_that_is_unique() -> None:
    plan = plan_of([{"compound_unique": ["a", "b"]}, {"unique": "a"}, {"unique": "b"}])
    alone, other, both = plan.keys
    assert plan.implied(both, [alone])
    assert not plan.implied(other, [alone])
    assert not plan.implied(both, [])


def test_no_window_is_used() -> None:
    texts = gate_sql(parse_rules(None, [{"unique": "a"}, {"compound_unique": ["a", "b"]}])[0], COLUMNS, run=RUN)
    assert not any(tree.find(exp.Window) for text in texts for tree in [sqlglot.parse_one(text, dialect="duckdb")])


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_sql_can_be_shown_in_every_dialect(dialect: Any) -> None:
    rules = [
        {"unique": "a"},
        {"regex": ["b", "^x"]},
        {"quantile": ["x", 0.5, 1, 2]},
        {"median": ["x", 1, 2]},
        {"not_null": "x", "row_condition": "a > 1"},
        {"between": ["t", "2024-01-01", None]},
    ]
    texts = gate_sql(parse_rules(None, rules)[0], COLUMNS, run=RUN, dialect=dialect)
    assert len(texts) == 3
    assert all(sqlglot.parse_one(text, dialect=dialect) for text in texts)
    assert not any("dataops_regex" in text.lower() or "PERCENTILE_APPROX" in text for text in texts)


def test_the_slice_is_cut_in_every_query() -> None:
    slice_test = exp.GT(this=exp.column("a", quoted=True), expression=exp.Literal.number(5))
    plan = plan_of([{"unique": "a"}], slice_test=slice_test)
    assert all('"a" > 5' in render(query, "duckdb") for query in (plan.data, plan.fused, plan.keys[0].query))
