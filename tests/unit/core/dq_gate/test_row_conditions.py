# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.dq_gate.row_conditions import compile_row_condition
from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.sql.dialects import render

COLUMNS = {"a": "bigint", "b": "string", "my col": "bigint", "t": "timestamp", "f": "boolean"}
ROWS = "(VALUES (1, 'x', 7, TIMESTAMP '2024-01-01', true), (5, 'y & z', 8, TIMESTAMP '2024-02-01', false), (NULL, NULL, NULL, NULL, NULL))"
COMPARE = {"type": "comparison", "column": {"name": "a"}, "operator": "==", "parameter": 5}
NULL = {"type": "nullity", "column": {"name": "b"}, "is_null": True}


def picked(connection: duckdb.DuckDBPyConnection, condition: Any, parser: str) -> list[Any]:
    test = render(compile_row_condition(condition, parser, COLUMNS), "duckdb")
    names = ", ".join(f'"{name}"' for name in COLUMNS)
    return [row[0] for row in connection.execute(f"SELECT a FROM {ROWS} AS t({names}) WHERE {test}").fetchall()]


@pytest.mark.parametrize(
    ("condition", "parser", "rows"),
    [
        ('col("a") == 5', "great_expectations", [5]),
        ('col("a")!=5', "great_expectations", [1]),
        ("col(\"b\") == 'x'", "great_expectations__experimental__", [1]),
        ('col("b") == "y & z"', "great_expectations", [5]),
        ('col("a") == "5"', "great_expectations", [5]),
        ('col("a") < 1.5e0', "great_expectations", [1]),
        ('col("b").notnull()', "great_expectations", [1, 5]),
        ('col("b").NOTNULL()', "great_expectations", [1, 5]),
        ('col("t") > date("2024-01-15")', "great_expectations", [5]),
        ("a = 5 AND b LIKE 'y%'", "spark", [5]),
        ('"my col" >= 8', "sql", [5]),
        ("a == 5", "pandas", [5]),
        ("`my col` == 7 and b == 'x'", "pandas", [1]),
        ("(a > 1) & ~(b == 'x') | a == 1", "pandas", [1, 5]),
        ("b == 'y & z'", "pandas", [5]),
        ("a in [1, 2]", "pandas", [1]),
        ("a not in (1, 2)", "pandas", [5]),
        ("1 < a <= 5", "pandas", [5]),
        ("5 == a", "pandas", [5]),
        ("a == -5 or not a.isnull() and a < `my col`", "pandas", [1, 5]),
        ("b.isna()", "pandas", [None]),
        ("f == True", "pandas", [1]),
        ("t >= '2024-01-15'", "pandas", [5]),
        (COMPARE, "great_expectations", [5]),
        (NULL, "sql", [None]),
        ({"type": "or", "conditions": [COMPARE, NULL]}, "great_expectations", [5, None]),
        ({"type": "and", "conditions": [COMPARE, {**NULL, "is_null": False}]}, "great_expectations", [5]),
        ({**COMPARE, "operator": "IN", "parameter": [1, 5]}, "great_expectations", [1, 5]),
        ({**COMPARE, "operator": "NOT_IN", "parameter": [1]}, "great_expectations", [5]),
        ({**COMPARE, "operator": "IN", "parameter": []}, "great_expectations", []),
        ({"type": "pass_through", "pass_through_filter": "a > 1 AND b = 'y & z'"}, "spark", [5]),
        ({"type": "pass_through", "pass_through_filter": "a > 1 and b == 'y & z'"}, "pandas", [5]),
    ],
)
def test_rows_that_are_picked(connection: Any, condition: Any, parser: str, rows: list[Any]) -> None:
    assert picked(connection, condition, parser) == rows


@pytest.mark.parametrize(
    ("condition", "parser"),
    [
        ('col("a") ~ 5', "great_expectations"),
        ('col("a") == 5 and col("a") == 6', "great_expectations"),
        ('a == "5"', "great_expectations"),
        ('col("f") == 5 extra', "great_expectations"),
        ("a ==", "pandas"),
        ("__import__('os').system('true')", "pandas"),
        ("a.str.contains('x')", "pandas"),
        ("a.isnull(1)", "pandas"),
        ("@local > 1", "pandas"),
        ("1 == 2", "pandas"),
        ("a + 1 > 2", "pandas"),
        ("a > [1]", "pandas"),
        ("a in b", "pandas"),
        ("a is None", "pandas"),
        ("t > 'soon'", "pandas"),
        ("lambda: 1", "pandas"),
        ({}, "sql"),
        ({"type": "and", "conditions": []}, "sql"),
        ({"type": "nullity"}, "sql"),
        ({**COMPARE, "operator": "LIKE"}, "sql"),
        ({**COMPARE, "parameter": None}, "sql"),
        ({**COMPARE, "parameter": [1]}, "sql"),
        ({"type": "pass_through"}, "spark"),
    ],
)
def test_what_cannot_be_read_says_so(condition: Any, parser: str) -> None:
    with pytest.raises(SpecError) as caught:
        compile_row_condition(condition, parser, COLUMNS)
    assert caught.value.code == "BAD_EXPRESSION"


@pytest.mark.parametrize(
    ("condition", "parser"), [('col("aa") == 5', "great_expectations"), ("aa == 1", "pandas"), ("aa = 1", "sql")]
)
def test_an_unknown_column(condition: str, parser: str) -> None:
    with pytest.raises(SpecError) as caught:
        compile_row_condition(condition, parser, COLUMNS)
    assert caught.value.code == "UNKNOWN_COLUMN"


@given(text=st.text(max_size=40) | st.text("ab ()[]=<>!&|~`'\"0123.,notandri", max_size=40))
@pytest.mark.parametrize("parser", ["pandas", "great_expectations", "sql"])
def test_any_text_is_read_or_refused(text: str, parser: str) -> None:
    try:
        tree = compile_row_condition(text, parser, None)
    except SpecError:
        return
    assert render(tree, "duckdb")
