# SPDX-License-Identifier: Apache-2.0
"""What an expression gives for an event is what DuckDB gives for a row: the engine is asked, nothing is recorded."""

from __future__ import annotations

import math
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.metadata.evaluate import FUNCTIONS, NotEvaluated, compiled
from airflow_dataops.core.sql.dialects import SETTINGS, render
from airflow_dataops.core.sql.expressions import parse_scalar

COLUMNS = {
    "i": "bigint",
    "j": "bigint",
    "x": "double",
    "y": "double",
    "s": "string",
    "t": "string",
    "b": "boolean",
    "c": "boolean",
}
TYPES = {"bigint": "BIGINT", "double": "DOUBLE", "string": "VARCHAR", "boolean": "BOOLEAN"}
CONNECTION = duckdb.connect()
for name, value in SETTINGS["duckdb"].items():
    CONNECTION.execute(f"SET {name} = '{value}'")

EXPRESSIONS = [
    "i + j * 2 - x", "i / j", "x / y", "i % j", "-i", "(i + 1) % 3", "x % y", "round(x, 1)", "round(y)", "abs(i)", "abs(x)", "floor(x)", "ceil(x)",
    "i = j", "i <> j", "i < x", "x >= y", "s < t", "s = t", "s <= 'b'", "b = c", "i between 0 and j", "x not between y and 1.5",
    "i in (1, 2, j)", "s not in ('a', t)", "s is null", "b is true", "b is not false", "i is not distinct from j", "s is distinct from t",
    "b and c", "b or c", "not b", "b and (c or i > 0)", "i > 0 or x is null",
    "case when b then i when c then j else 0 end", "case when b then s end", "case i when 1 then 'one' when j then 'j' end", "if(b, s, t)",
    "coalesce(s, t, 'none')", "coalesce(i, j)", "greatest(i, j)", "least(x, y)",
    "lower(s)", "upper(t)", "trim(s)", "length(s)", "concat(s, '-', t)", "s || t", "contains(s, 'a')", "starts_with(s, t)", "ends_with(s, t)",
    "substr(s, 2)", "substr(s, 1, 2)", "left(s, 1)", "right(s, 2)", "replace(s, 'a', 'bc')", "split_part(s, 'a', 1)", "split_part(s, ' ', 2)", "sha256(s)",
    "i = 1.0", "1e3 + i", ".5 * x", "'it''s'", "null", "true", "2 + 3 * 4", "(2 + 3) * 4",
]  # fmt: skip

small = st.integers(-5, 5)
floats = st.integers(-40, 40).map(lambda n: n / 8)  # sums and products of these are exact
texts = st.text("abAé  ", max_size=4)
rows = st.fixed_dictionaries(
    {
        name: st.none() | {"bigint": small, "double": floats, "string": texts, "boolean": st.booleans()}[kind]
        for name, kind in COLUMNS.items()
    }
)


RUNS = [compiled(text) for text in EXPRESSIONS]
ASKED = ", ".join(render(parse_scalar(text, COLUMNS), "duckdb") for text in EXPRESSIONS)


def by_duckdb(found: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """The answers to all expressions, a tuple for each row."""
    listed = ", ".join(f"{name} {TYPES[kind]}" for name, kind in COLUMNS.items())
    CONNECTION.execute(f"CREATE OR REPLACE TEMP TABLE event (n BIGINT, {listed})")
    marks = ", ".join(f"({', '.join('?' * (len(COLUMNS) + 1))})" for _ in found)
    values = [value for n, row in enumerate(found) for value in (n, *(row[name] for name in COLUMNS))]
    CONNECTION.execute(f"INSERT INTO event VALUES {marks}", values)
    return CONNECTION.execute(f"SELECT {ASKED} FROM event ORDER BY n").fetchall()


def same(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or isinstance(other, bool) or one is None or other is None or isinstance(one, str):
        return one is other or one == other
    return math.isclose(float(one), float(other), rel_tol=1e-12, abs_tol=1e-12)


@settings(max_examples=40)
@given(st.lists(rows, min_size=1, max_size=20))
def test_an_expression_gives_what_an_engine_gives(found: list[dict[str, Any]]) -> None:
    for row, answers in zip(found, by_duckdb(found), strict=True):
        for text, run, answer in zip(EXPRESSIONS, RUNS, answers, strict=True):
            assert same(run(row), answer), f"{text} of {row}: here {run(row)!r}, there {answer!r}"


def test_every_function_is_among_the_expressions_asked() -> None:
    used = " ".join(EXPRESSIONS)
    assert [name for name in (*FUNCTIONS, "coalesce", "if", "greatest", "least") if f"{name}(" not in used] == []


def test_a_name_is_a_path_in_the_event() -> None:
    event = {"extracted": {"attributes": {"w": 3}, "images": [{}, {}]}, "object": {"size": 10}}
    assert compiled("extracted.attributes.w * object.size")(event) == 30
    assert compiled("length(extracted.images)")(event) == 2
    assert compiled("extracted.attributes.nothing + 1")(event) is None
    assert compiled("object.size.more")(event) is None


@pytest.mark.parametrize(
    ("text", "row"),
    [("s + 1", {"s": "x"}), ("s > 1", {"s": "x"}), ("not i", {"i": 1}), ("lower(i)", {"i": 1}), ("i + 1", {"i": True}), ("o", {"o": {}}),
     ("i * i", {"i": 2**50}), ("x * x", {"x": 1e200}), ("case when i then 1 end", {"i": 1}), ("length(i)", {"i": 1}), ("greatest(i, s)", {"i": 1, "s": "x"})],
)  # fmt: skip
def test_a_value_without_meaning_for_the_expression_is_told(text: str, row: dict[str, Any]) -> None:
    with pytest.raises(NotEvaluated):
        compiled(text)(row)


@pytest.mark.parametrize(
    ("text", "code"),
    [("now()", "UNKNOWN_FUNCTION"), ("sum(i)", "UNKNOWN_FUNCTION"), ("sqrt(x)", "UNKNOWN_FUNCTION"), ("cast(i as string)", "BAD_EXPRESSION"),
     ("i +", "BAD_EXPRESSION"), ("__import__('os')", "UNKNOWN_FUNCTION"), ("(select 1)", "BAD_EXPRESSION"), ("s like 'a%'", "BAD_EXPRESSION")],
)  # fmt: skip
def test_what_is_not_of_the_language_is_refused_before_any_event(text: str, code: str) -> None:
    with pytest.raises(SpecError) as refused:
        compiled(text)
    assert refused.value.code == code
