# SPDX-License-Identifier: Apache-2.0
"""What the quick look takes, the expression language takes too, with the same columns."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlglot.dialects.duckdb import DuckDB

from airflow_dataops.core.sql import expressions
from airflow_dataops.core.sql.functions import IMPURE
from airflow_dataops.core.sql.simple import WORDS, columns_of_condition

COLUMNS = {
    "distance": "double",
    "origin": "string",
    "n": "integer",
    "E": "bigint",
    "at": "timestamp",
    "price": "decimal(9, 2)",
    "ok": "boolean",
}

NAMES = st.sampled_from(
    [*COLUMNS, "x", "b", "Distance", "_", "a1", *sorted(WORDS), "count", "left", "values", "row", "no_such"]
)
OPERATORS = st.sampled_from(
    [
        ">",
        "<",
        ">=",
        "<=",
        "=",
        "<>",
        "!=",
        "==",
        "is null",
        "IS NOT NULL",
        "is  not\tnull",
        "is true",
        "like",
        "->",
        "<=>",
    ]
)
LITERALS = st.sampled_from(
    [
        "0",
        "1.5",
        "-1",
        "1e3",
        "1_000",
        "0x1",
        ".5",
        "999999999999999",
        "''",
        "'a b'",
        "'it''s'",
        "'--'",
        "'{{x}}'",
        "'\\'",
        "'ä'",
        "null",
        "1",
    ]
)
SPACES = st.sampled_from(["", " ", "  ", "\n", "\t", "\u00a0", "\f", " -- x\n", "/* */"])
JOINS = st.sampled_from(["and", "OR", ",", ";", "", "xor"])


@st.composite
def conditions(draw: st.DrawFn) -> str:
    parts: list[str] = []
    for number in range(draw(st.integers(1, 4))):
        if number:
            parts += [draw(SPACES), draw(JOINS), draw(SPACES)]
        parts += [draw(NAMES), draw(SPACES), draw(OPERATORS), draw(SPACES), draw(st.one_of(LITERALS, st.just("")))]
    return "".join(parts)


@settings(max_examples=600)
@given(conditions())
@example("E > 1")
@example("n = 'x'")
@example("distance>0 and\norigin<>'JFK' OR at is not null")
def test_what_is_recognised_is_what_the_language_reads(text: str) -> None:
    for columns in (None, COLUMNS):
        found = columns_of_condition(text, columns)
        if found is not None:
            assert expressions.columns_of(expressions.parse_condition(text, columns)) == found


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("distance > 0", ["distance"]),
        ("distance>=0.5 AND origin = 'JFK' or distance < 9", ["distance", "origin"]),
        ("at is not null and ok IS NULL", ["at", "ok"]),
        (" n != 3 ", ["n"]),
    ],
)
def test_plain_conditions_are_recognised(text: str, columns: list[str]) -> None:
    assert columns_of_condition(text, None) == columns
    assert columns_of_condition(text, COLUMNS) == columns


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "distance", "distance > ", "0 < distance", "distance > 0 and", "distance > 0 and ", "distance > 0;", "not ok", "(n > 1)",
        "n > 1 -- x", "random > 0", "date > 1", "n = null", "n > 1" + " and n > 1" * 30, "n + 1 > 2", "lower(origin) = 'a'",
    ],
)  # fmt: skip
def test_all_else_is_left_to_the_language(text: str) -> None:
    assert columns_of_condition(text, None) is None


@pytest.mark.parametrize(
    "text", ["origin > 1", "n > 'a'", "at > '2024-01-01'", "ok = 1", "no_such > 1", "Distance > 1"]
)
def test_what_does_not_fit_its_column_is_left_to_the_language(text: str) -> None:
    assert columns_of_condition(text, COLUMNS) is None


def test_a_chain_as_long_as_is_recognised_can_be_read() -> None:
    text = " and ".join(["n > 1"] * 30)
    assert columns_of_condition(text, COLUMNS) == ["n"]
    assert expressions.parse_condition(text, COLUMNS)


def test_every_word_of_the_grammar_is_known_as_one() -> None:
    phrases = [*DuckDB.tokenizer_class.KEYWORDS, *DuckDB.parser_class.NO_PAREN_FUNCTION_PARSERS]
    words = {word.lower() for phrase in phrases for word in re.findall(r"[A-Za-z_][A-Za-z0-9_]*", phrase)} | IMPURE
    assert words <= WORDS
