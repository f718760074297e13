# SPDX-License-Identifier: Apache-2.0
"""Each pinned difference: run on DuckDB, and the text that Spark gets."""

from __future__ import annotations

import math
from typing import Any

import duckdb
import pytest
from sqlglot import exp

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.sql.dialects import PINS, SETTINGS, expand, pin, plain_cast, render
from tests.unit.core.sql.pins import ROWS, number, text

CONNECTION = duckdb.connect()
CONNECTION.execute("set TimeZone = 'UTC'")


def _run(tree: exp.Expression) -> Any:
    for name, value in SETTINGS["duckdb"].items():
        CONNECTION.execute(f"set {name} = '{value}'")
    row = CONNECTION.execute(f"select {render(tree, 'duckdb')}").fetchone()
    assert row is not None
    return row[0]


def test_every_pin_has_a_row_here() -> None:
    assert ROWS.keys() == PINS.keys()


@pytest.mark.parametrize("name", ROWS)
def test_what_duckdb_answers(name: str) -> None:
    arguments, expected, _ = ROWS[name]
    if expected is duckdb.Error:
        with pytest.raises(duckdb.Error, match="stop"):
            _run(pin(name, *arguments))
        return
    answer = _run(pin(name, *arguments))
    assert (str(answer) if name in ("date_trunc", "text_timestamp") else answer) == expected


@pytest.mark.parametrize("name", ROWS)
def test_what_spark_is_told(name: str) -> None:
    arguments, _, spark = ROWS[name]
    assert render(pin(name, *arguments), "spark") == spark


@pytest.mark.parametrize("name", PINS)
def test_every_pin_says_why(name: str) -> None:
    assert PINS[name].why


def test_identifiers_are_quoted_whatever_they_hold() -> None:
    tree = exp.column('a"b`c', quoted=False)
    assert render(tree, "duckdb") == '"a""b`c"'
    assert render(tree, "spark") == '`a"b``c`'


def test_a_text_cannot_leave_its_quotes() -> None:
    evil = "'; drop table x; --\\"
    assert _run(text(evil)) == evil


def test_nan_equals_itself_and_is_not_null() -> None:
    nan = plain_cast(text("nan"), "DOUBLE")
    assert _run(exp.EQ(this=nan, expression=nan.copy())) is True
    assert _run(exp.Is(this=nan.copy(), expression=exp.Null())) is False
    assert math.isnan(_run(nan))


def test_pins_within_pins_are_all_replaced_and_the_tree_is_left_alone() -> None:
    tree = pin("sha256", pin("concat", text("a"), pin("regex_extract", text("b"), text("."), number(0))))
    before = tree.sql()
    assert "dataops_" not in render(tree, "duckdb") + render(tree, "spark")
    assert tree.sql() == before


def test_a_pin_deep_in_a_query_is_replaced() -> None:
    query = exp.select(exp.alias_(pin("length", exp.column("x")), "n")).from_("t").where(pin("is_nan", exp.column("y")))
    assert "dataops_" not in expand(query, "spark").sql()


def test_an_unknown_dialect_or_pin_is_an_error() -> None:
    with pytest.raises(SpecError, match="duckdb, spark"):
        render(text("a"), "oracle")  # type: ignore[arg-type]
    with pytest.raises(KeyError):
        pin("lenght")


def test_a_mean_of_exact_numbers_is_summed_exactly_on_spark() -> None:
    mean = exp.Avg(this=pin("exact", pin("wide", exp.column("i"))))
    where = exp.Filter(this=mean.copy(), expression=exp.Where(this=exp.column("b")))
    assert render(mean, "duckdb") == 'AVG("i")'
    wide = "CAST(`i` AS DECIMAL(38, 0))"
    assert render(mean, "spark") == f"(CAST(SUM({wide}) AS DOUBLE) / NULLIF(COUNT({wide}), 0))"
    assert render(where, "spark") == (
        f"(CAST(SUM({wide}) FILTER(WHERE `b`) AS DOUBLE) / NULLIF(COUNT({wide}) FILTER(WHERE `b`), 0))"
    )
