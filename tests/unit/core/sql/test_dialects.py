# SPDX-License-Identifier: Apache-2.0
"""Each pinned difference: run on DuckDB, and the text that Spark gets."""

from __future__ import annotations

import math
from typing import Any

import duckdb
import pytest
from sqlglot import exp

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.sql.dialects import PINS, SETTINGS, WHITE_SPACE, expand, pin, plain_cast, render

CONNECTION = duckdb.connect()
CONNECTION.execute("set TimeZone = 'UTC'")


def text(value: str) -> exp.Expression:
    return exp.Literal.string(value)


def number(value: float) -> exp.Expression:
    return exp.Literal.number(value)


def moment(value: str, kind: str = "TIMESTAMPNTZ") -> exp.Expression:
    return plain_cast(text(value), kind)


# As sqlglot escapes them for Spark.
_WS = exp.Literal.string(WHITE_SPACE).sql("spark")[1:-1]
_A = "\u3000\\t a b \\n"

# Pin -> (arguments, DuckDB's answer, Spark's text).
ROWS: dict[str, tuple[tuple[exp.Expression, ...], Any, str]] = {
    "regex": ((text("ab\n"), text("b$")), False, r"('ab\n' RLIKE 'b\\z')"),
    "regex_extract": ((text("abc"), text("x(y)"), number(1)), "", "REGEXP_EXTRACT('abc', 'x(y)', 1)"),
    "regex_replace": (
        (text("a1b2"), text(r"(\d)"), text(r"<\1>")),
        "a<1>b<2>",
        r"REGEXP_REPLACE('a1b2', '(\\d)', '<$1>')",
    ),
    "length": ((text("añ🤦🏼"),), 4, "CHAR_LENGTH('añ🤦🏼')"),
    "octets": ((pin("encode", text("ñ")),), 2, "OCTET_LENGTH(ENCODE('ñ', 'UTF-8'))"),
    "sha256": ((text("a"),), "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb", "SHA2('a', 256)"),
    "encode": ((text(r"\x41"),), rb"\x41", r"ENCODE('\\x41', 'UTF-8')"),
    "timestamptz_text": (
        (moment("2013-01-01 05:00:00+02", "TIMESTAMPTZ"),),
        "2013-01-01 03:00:00Z",
        "CONCAT(CAST(CAST(CAST('2013-01-01 05:00:00+02' AS TIMESTAMP) AS TIMESTAMP_NTZ) AS STRING), 'Z')",
    ),
    "text_timestamp": (
        (text("2013-01-01 05:00:00+02"), text("^[0-9 :+-]+$")),
        "2013-01-01 03:00:00",
        (
            r"CASE WHEN (TRIM('2013-01-01 05:00:00+02') RLIKE '^[0-9 :+-]+\\z') "
            "THEN CAST(TRY_CAST(TRIM('2013-01-01 05:00:00+02') AS TIMESTAMP) AS TIMESTAMP_NTZ) END"
        ),
    ),
    "is_nan": ((plain_cast(text("nan"), "DOUBLE"),), True, "ISNAN(CAST('nan' AS DOUBLE))"),
    "concat": ((text("a"), plain_cast(exp.Null(), "TEXT")), None, "CONCAT('a', CAST(NULL AS STRING))"),
    "date_trunc": (
        (text("day"), moment("2013-01-01 05:00:00")),
        "2013-01-01 00:00:00",
        "CAST(DATE_TRUNC('day', CAST(CAST('2013-01-01 05:00:00' AS TIMESTAMP_NTZ) AS TIMESTAMP)) AS TIMESTAMP_NTZ)",
    ),
    "weekday": ((moment("2013-01-06", "DATE"),), 7, "(WEEKDAY(CAST('2013-01-06' AS DATE)) + 1)"),
    "week": ((moment("2012-12-31", "DATE"),), 1, "WEEKOFYEAR(CAST('2012-12-31' AS DATE))"),
    "day_of_year": ((moment("2012-12-31", "DATE"),), 366, "DAYOFYEAR(CAST('2012-12-31' AS DATE))"),
    "days_between": (
        (moment("2013-01-03", "DATE"), moment("2013-01-01", "DATE")),
        2,
        "DATEDIFF(CAST('2013-01-03' AS DATE), CAST('2013-01-01' AS DATE))",
    ),
    "epoch": (
        (moment("1970-01-01 00:00:01.5"),),
        1.5,
        "CAST(CAST(CAST('1970-01-01 00:00:01.5' AS TIMESTAMP_NTZ) AS TIMESTAMP) AS DOUBLE)",
    ),
    "strip": (
        (text("\u3000\t a b \n"),),
        "a b",
        f"CASE WHEN ('{_A}' RLIKE '^[{_WS}]|[{_WS}]\\\\z') THEN TRIM(BOTH '{_WS}' FROM '{_A}') ELSE '{_A}' END",
    ),
    "lowest": (
        (number(3), number(2), exp.true()),
        [3],
        "SLICE(SORT_ARRAY(COLLECT_LIST(CASE WHEN TRUE THEN 3 END)), 1, 2)",
    ),
    "quantile": ((number(3), number(0.5)), 3, "PERCENTILE_DISC(0.5) WITHIN GROUP (ORDER BY 3)"),
    "starts_with": ((text("abc"), text("ab")), True, "STARTSWITH('abc', 'ab')"),
    "ends_with": ((text("abc"), text("bc")), True, "ENDSWITH('abc', 'bc')"),
    "raise": ((text("stop"),), duckdb.Error, "RAISE_ERROR('stop')"),
}


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
