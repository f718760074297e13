# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import date, datetime
from typing import Any

import duckdb
import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.sql.dialects import render
from airflow_dataops.core.sql.expressions import columns_of, parse_condition, parse_scalar, scalar_type
from airflow_dataops.core.sql.functions import FUNCTIONS

CONNECTION = duckdb.connect()
CONNECTION.execute("set TimeZone = 'UTC'")

COLUMNS = {
    "a": "integer", "b": "string", "d": "double", "ts": "timestamp", "tz": "timestamptz", "dt": "date", "ok": "boolean",
    "user": "struct<name: string, age: integer>", "Distance": "integer", "money": "decimal(10, 2)",
}  # fmt: skip
ROW = (
    "select 7 as a, 'Añ 1' as b, 2.5::double as d, timestamp '2013-02-03 04:05:06' as ts, "
    "timestamptz '2013-02-03 04:05:06+02' as tz, date '2013-02-03' as dt, true as ok, {'name': 'x', "
    "'age': 3} as \"user\", "
    '100 as "Distance", 1.25::decimal(10, 2) as money'
)

at = datetime.fromisoformat


def run(text: str) -> Any:
    tree = parse_scalar(text, COLUMNS)
    row = CONNECTION.execute(f"select {render(tree, 'duckdb')} from ({ROW})").fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("distance > 0", True), ("Distance / 8", 12.5), ("a / 0", None), ("a % 0", None), ("a % 4", 3),
        ("-a + 2 * 3", -1),
        ("not ok or a = 7", True), ("(not ok) is null", False), ("not (ok and a > 8)", True), ("a in (1, 7)", True),
        ("a not in (1, 2)", True), ("a between 1 and 7", True), ("b like 'A%'", True), ("b not like 'A%'", False),
        ("b ilike 'a%'", True),
        ("user.name = 'x' and user.age + 1 = 4", True), ("a is not distinct from 7", True), ("b is not null", True),
        ("case when a > 5 then 'big' else 'small' end", "big"), ("case a when 7 then 1 end", 1), ("if(ok, a, 0)", 7),
        ("ts > '2013-02-03'", True), ("dt = '2013-02-03'", True), ("ts >= '2013-02-03T06:05:06+02:00'", True),
        ("tz = '2013-02-03T02:05:06Z'", True), ("ts + interval 1 day", at("2013-02-04 04:05:06")),
        ("ts - interval '2 weeks' < dt", True), ("dt + interval 1 month", at("2013-03-03")),
        ("extract(year from dt)", 2013), ("concat(b, '-', b)", "Añ 1-Añ 1"), ("b || null", None), ("length(b)", 4),
        ("upper(left(b, 1)) = 'A'", True), ("substring(b, 1, 2)", "Añ"), ("split_part(b, ' ', 2)", "1"),
        ("regexp_matches(b, '[0-9]$')", True), ("regexp_extract(b, '(\\d)', 1)", "1"),
        ("regexp_replace(b, '\\W', '')", "Añ1"[:1] + "1"),
        ("cast(a as string) || 'x'", "7x"), ("a::double", 7.0), ("try_cast(b as integer)", None),
        ("try_cast('2.0' as integer)", 2),
        ("round(d)", 3.0), ("round(money, 1)", 1.3), ("floor(d)", 2.0), ("ceil(d)", 3.0), ("sqrt(0 - a)", None),
        ("ln(0)", None),
        ("power(a, 2)", 49.0), ("abs(-3)", 3), ("sign(-2.5)", -1), ("greatest(a, 9)", 9), ("coalesce(null, a)", 7),
        ("nullif(a, 7)", None), ("isnan(d)", False), ("isodow(dt)", 7), ("week(dt)", 5), ("dayofyear(dt)", 34),
        ("quarter(dt)", 1),
        ("hour(ts)", 4), ("second(ts)", 6), ("date_diff('day', '2013-02-01', dt)", 2), ("epoch(tz)", 1359857106.0),
        ("make_date(2013, 2, a)", date(2013, 2, 7)), ("date_trunc('month', tz)", at("2013-02-01")),
        ("date '2013-02-03' = dt", True), ("1e2", 100.0), ("contains(b, 'ñ')", True), ("starts_with(b, 'A')", True),
        ("ends_with(b, 'x')", False), ("replace(b, ' ', '')", "Añ1"), ("trim(' x ')", "x"),
        ("a <> 1 /* why */ -- not", True),
        ("sha256('a')", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"), ("exp(0)", 1.0),
        ("log10(100)", 2.0),
        ("'it''s' = 'it''s'", True), ("lower('A') in ('a')", True), ("right(b, 1)", "1"), ("ltrim(' x')", "x"),
        ("rtrim('x ')", "x"),
        ("least(a, 9)", 7), ("year(ts)", 2013), ("month(ts)", 2), ("day(ts)", 3), ("minute(ts)", 5),
        ("ok = true", True),
    ],
)  # fmt: skip
def test_what_it_gives(text: str, expected: Any) -> None:
    got = run(text)
    assert (float(got) if isinstance(expected, float) else got) == expected


@pytest.mark.parametrize(
    ("text", "code", "offset"),
    [
        ("", "BAD_EXPRESSION", 0), ("  ", "BAD_EXPRESSION", 0), ("distance >", "BAD_EXPRESSION", 9),
        ("a b", "BAD_EXPRESSION", 2),
        ("a > 1; a > 2", "BAD_EXPRESSION", 5), ("a > 1;", "BAD_EXPRESSION", 5), ("select 1", "BAD_EXPRESSION", 0),
        ("drop table x", "BAD_EXPRESSION", 0), ("set x = 1", "BAD_EXPRESSION", 4), ("pragma x", "BAD_EXPRESSION", 7),
        ("a in (select 1)", "BAD_EXPRESSION", 0), ("(select 1) > 0", "BAD_EXPRESSION", 8),
        ("exists(select 1)", "BAD_EXPRESSION", 14),
        ("row_number() over () > 1", "BAD_EXPRESSION", 0), ("a > 0 union select 1", "BAD_EXPRESSION", 6),
        ("a", "BAD_EXPRESSION", 0),
        ("count(*) > 1", "UNKNOWN_FUNCTION", 0), ("a > 1 and max(a) > 1", "UNKNOWN_FUNCTION", 10),
        ("now() > ts", "UNKNOWN_FUNCTION", 0),
        ("ts < current_date", "UNKNOWN_FUNCTION", 5), ("random() > 1", "UNKNOWN_FUNCTION", 0),
        ("read_csv('x')", "UNKNOWN_FUNCTION", 0),
        ("getenv('HOME') = 'x'", "UNKNOWN_FUNCTION", 0), ("columns('x')", "UNKNOWN_FUNCTION", 0),
        ("* > 1", "BAD_EXPRESSION", 0),
        ("distanc > 0", "UNKNOWN_COLUMN", 0), ("a > 1 and distanc > 0", "UNKNOWN_COLUMN", 10),
        ('b = "x"', "UNKNOWN_COLUMN", 4),
        ("a >\n  distanc", "UNKNOWN_COLUMN", 6), ("user.nme = 'x'", "UNKNOWN_COLUMN", 0),
        ("a.b > 1", "UNKNOWN_COLUMN", 0),
        ("b > 1", "BAD_EXPRESSION", 0), ("a = 'x'", "BAD_EXPRESSION", 0), ("b + 1 > 1", "BAD_EXPRESSION", 0),
        ("a and ok", "BAD_EXPRESSION", 0),
        ("not a", "BAD_EXPRESSION", 4), ("a = null", "BAD_EXPRESSION", 0), ("a in (1, null)", "BAD_EXPRESSION", 0),
        ("a in ()", "BAD_EXPRESSION", 0), ("a // 2 > 1", "BAD_EXPRESSION", 0), ("a ** 2 > 1", "BAD_EXPRESSION", 0),
        ("b ~ 'x'", "BAD_EXPRESSION", 0),
        ("b like d", "BAD_EXPRESSION", 0), ("b like 'x\\_'", "BAD_EXPRESSION", 0), ("ts - ts > 1", "BAD_EXPRESSION", 0),
        ("ts > 'yesterday'", "BAD_EXPRESSION", 5), ("regexp_matches(b, '(?=a)')", "BAD_REGEX", 18),
        ("regexp_matches(b, b)", "BAD_EXPRESSION", 18),
        ("cast(a as strng) = 'x'", "UNKNOWN_TYPE", 5), ("cast(d as date) = dt", "BAD_CAST", 5),
        ("a = 99999999999999999999", "BAD_EXPRESSION", 4), ("[1] = a", "BAD_EXPRESSION", 1),
        ("a[1] = 1", "BAD_EXPRESSION", 0),
        ("$1 > 0", "BAD_EXPRESSION", 0), ("? > 0", "BAD_EXPRESSION", 0),
        ("ts at time zone 'UTC' = ts", "BAD_EXPRESSION", 0),
        ("b collate nocase = 'a'", "BAD_EXPRESSION", 0), ("lower(b) filter (where ok) = 'a'", "BAD_EXPRESSION", 0),
        ("date_trunc('fortnight', ts) = ts", "BAD_EXPRESSION", 11),
        ("date_diff('hour', ts, ts) > 1", "BAD_EXPRESSION", 10),
        ("substr(b, 0) = 'a'", "BAD_EXPRESSION", 10), ("lower(a) = 'a'", "BAD_EXPRESSION", 6),
        ("lower(b, b) = 'a'", "BAD_EXPRESSION", 0),
        ("ts + interval 1 fortnight > ts", "BAD_EXPRESSION", 0), ("a + interval 1 day > ts", "BAD_EXPRESSION", 0),
        ("coalesce(a, b) = 1", "BAD_EXPRESSION", 0), ("a is a", "BAD_EXPRESSION", 0),
        ("a is true", "BAD_EXPRESSION", 0),
        ("(" * 100 + "a" + ")" * 100, "BAD_EXPRESSION", 60), ("a > " + "1" * 20_000, "BAD_EXPRESSION", 10_000),
        (" + ".join(["a"] * 3000) + " > 0", "BAD_EXPRESSION", 10_000), ("x'ff' = b", "BAD_EXPRESSION", 1),
        ("'open", "BAD_EXPRESSION", 0),
    ],
)  # fmt: skip
def test_what_is_refused_and_where(text: str, code: str, offset: int) -> None:
    with pytest.raises(SpecError) as error:
        parse_condition(text, COLUMNS)
    assert (error.value.code, error.value.details["offset"]) == (code, offset)


@pytest.mark.parametrize(
    ("text", "hint"),
    [("distanc > 0", "did you mean 'Distance'"), ("lowr(b) = 'a'", "did you mean 'lower'"), ("b > 1", "cast"),
    ("now() > ts", "run.date"),
     ("a = null", "is null"), ('b = "x y z"', "single quotes"), ("ts - ts > 1", "epoch"),
     ("cast(d as date) = dt", "string")],
)  # fmt: skip
def test_the_hint_says_what_to_type(text: str, hint: str) -> None:
    with pytest.raises(SpecError) as error:
        parse_condition(text, COLUMNS)
    assert hint in str(error.value.hint)


def test_without_columns_the_shape_is_still_checked() -> None:
    assert columns_of(parse_condition("anything > 0 and lower(x.y) = 'a'", None)) == ["anything", "x"]
    with pytest.raises(SpecError, match="would give another result"):
        parse_condition("ts < current_date", None)


def test_columns_come_with_the_name_that_the_table_has() -> None:
    assert columns_of(parse_condition("DISTANCE > A and a > 1", COLUMNS)) == ["Distance", "a"]


@pytest.mark.parametrize(
    ("text", "kind"),
    [("a + 1", "integer"), ("a / 2", "double"), ("b || 'x'", "string"), ("a > 1", "boolean"), ("ts", "timestamp"),
    ("coalesce(null, b)", "string"),
     ("null", None), ("cast(a as decimal(5, 1))", "decimal(5, 1)"), ("user.age", "integer"),
     ("if(ok, d, 1)", "double")],
)  # fmt: skip
def test_the_type_it_gives(text: str, kind: str | None) -> None:
    assert scalar_type(text, COLUMNS) == kind


WORDS = """
    a b d ts dt tz ok user.name Distance money nope 1 0 2.5 'x' '2013-01-01' null true + - * / % // || = <> < > <= and or not
    is in ( ) ,
    between like ilike case when then else end cast( as integer) ::string interval day . ; * select from where
    exists( over () count( sum( now() random() read_csv('x') getenv('x') lower( substr( regexp_matches( coalesce( if( [ ] { }
    : $1 ? -- /* */ @ # ^ -> := union except drop table attach copy pragma set install load struct_pack( current_date
    distinct from with recursive lambda
    """
PIECES = st.sampled_from(WORDS.split())
ALLOWED = (
    exp.And, exp.Or, exp.Not, exp.Paren, exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ,
    exp.NullSafeNEQ, exp.Is, exp.In,
    exp.Between, exp.Like, exp.ILike, exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg, exp.Case, exp.If,
    exp.Cast, exp.TryCast, exp.DataType,
    exp.DataTypeParam, exp.Interval, exp.Var, exp.Literal, exp.Null, exp.Boolean, exp.Column, exp.Identifier,
    exp.Dot, exp.Nullif, exp.Trim,
    exp.Lower, exp.Anonymous,
)  # fmt: skip
ENGINE_NAMES = {
    *(name.upper() for name in FUNCTIONS), "ISODOW", "LENGTH", "ENDS_WITH", "ERROR", "SHA256", "DATE_DIFF", "WEEK",
    "DAYOFYEAR", "REGEXP_MATCHES",
    "ENCODE",
}  # fmt: skip


CODES = ("BAD_EXPRESSION", "UNKNOWN_COLUMN", "UNKNOWN_FUNCTION", "UNKNOWN_TYPE", "BAD_CAST", "BAD_REGEX")


def _attempt(text: str) -> tuple[exp.Expression | None, SpecError | None]:
    try:
        return parse_scalar(text, COLUMNS), None
    except SpecError as error:
        return None, error


@given(st.lists(PIECES, min_size=1, max_size=12).map(" ".join))
def test_whatever_is_accepted_holds_only_what_the_language_has(text: str) -> None:
    tree, fault = _attempt(text)
    if fault is not None:
        assert 0 <= fault.details["offset"] <= len(text)
    if tree is None:
        return
    sql = render(tree, "duckdb")
    for node in sqlglot.parse_one(f"select {sql}", dialect="duckdb").expressions[0].walk():
        assert not isinstance(
            node, exp.Subquery | exp.Select | exp.Window | exp.AggFunc | exp.Command | exp.Placeholder | exp.Star
        ), text
    for node in tree.walk():
        assert isinstance(node, ALLOWED), (text, node)
        if isinstance(node, exp.Anonymous):
            assert str(node.this).startswith("dataops_") or str(node.this) in ENGINE_NAMES, text
    assert set(columns_of(tree)) <= set(COLUMNS)


@given(st.lists(PIECES, min_size=1, max_size=9).map(" ".join))
def test_whatever_is_accepted_is_known_to_duckdb(text: str) -> None:
    tree, _ = _attempt(text)
    if tree is None:
        return
    try:
        CONNECTION.execute(f"select {render(tree, 'duckdb')} from ({ROW})").fetchall()
    except (duckdb.ConversionException, duckdb.OutOfRangeException, duckdb.InvalidInputException):
        return  # the value, not the text, is at fault
    except duckdb.Error as error:
        pytest.fail(f"{text!r}: {error}")


@given(st.text(max_size=40))
def test_any_text_is_an_expression_or_one_clear_error(text: str) -> None:
    _, fault = _attempt(text)
    assert fault is None or fault.code in CODES


@given(st.text(max_size=30))
def test_a_text_literal_arrives_unchanged(value: str) -> None:
    if "\x00" in value:
        return
    assert run("'" + value.replace("'", "''") + "'") == value
