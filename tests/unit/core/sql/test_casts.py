# SPDX-License-Identifier: Apache-2.0
"""What casts to what, run on DuckDB."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlglot import exp

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.sql import casts
from airflow_dataops.core.sql.dialects import render
from airflow_dataops.core.sql.types import parse_type

CONNECTION = duckdb.connect()
CONNECTION.execute("set TimeZone = 'UTC'")

TEXTS = {
    "integer": {
        "2": 2, "2.0": 2, "2.": 2, " 2 ": 2, "+2": 2, "-7": -7, "2.5": None, "1e3": None, "1_000": None,
        "0x1F": None, "": None,
        "nan": None, "2147483648": None, "٣": None, "12abc": None, ".0": None, "-0.0": 0,
    },
    "bigint": {"9007199254740993": 9007199254740993, "9223372036854775808": None},
    "double": {
        "1.5": 1.5, "1e3": 1000.0, " .5 ": 0.5, "1.": 1.0, "1_0": None, "1d": None, "nan": None, "inf": None,
        "": None, "1,5": None,
    },
    "decimal(5, 2)": {"1.005": "1.01", "999.99": "999.99", "1000": None, "x": None, "1e2": "100.00"},
    "boolean": {"true": True, "T": True, " yes ": True, "1": True, "FALSE": False, "n": False, "0": False, "2": None,
    "on": None},
    "date": {
        "2013-01-05": "2013-01-05", " 2013-01-05 ": "2013-01-05", "2013-1-5": None, "2013/01/05": None,
        "2013-02-30": None,
        "2013-01-05 10:00:00": None, "epoch": None, "20130105": None,
    },
    "timestamp": {
        "2013-01-01T05:00:00Z": "2013-01-01 05:00:00", "2013-01-01 05:00:00+02": "2013-01-01 03:00:00",
        "2013-01-01 05:00:00+0200": "2013-01-01 03:00:00", "2013-01-01T05:00:00.5-02:30": "2013-01-01 07:30:00.5",
        "2013-01-01": "2013-01-01 00:00:00", "2013-01-01 05:00": "2013-01-01 05:00:00", "2013-01-01 24:00:00": None,
        "2013-01-01 05:00:60": None, "2013-01-01 5:00": None, "epoch": None, "infinity": None, "01/02/2013": None,
        "2013-01-01 05:00 UTC": "2013-01-01 05:00:00", "2013-01-01 05:00:00 Europe/Berlin": None,
    },
    "timestamptz": {"2013-01-01T05:00:00+02:00": "2013-01-01 03:00:00+00", "x": None},
}  # fmt: skip
AS_TEXT = ("date", "timestamp", "timestamptz", "decimal(5, 2)")


def _cast(value: str, source: str, to: str, strict: bool = False) -> Any:
    tree = (casts.strict_cast if strict else casts.try_cast)(exp.column("x", quoted=True), source, to)
    kind = render(parse_type(source), "duckdb")
    inner = render(tree, "duckdb")
    shown = f"cast({inner} as varchar)" if to in AS_TEXT else inner
    row = CONNECTION.execute(f"select {shown} from (select cast(? as {kind}) as x)", [value]).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize(
    ("to", "text", "expected"), [(t, k, v) for t, cases in TEXTS.items() for k, v in cases.items()]
)
def test_text_casts_strictly(to: str, text: str, expected: Any) -> None:
    got = _cast(text, "string", to)
    assert got == expected
    assert type(got) is type(expected)


@pytest.mark.parametrize(
    ("value", "source", "to", "expected"),
    [
        ("517.0", "double", "integer", 517), ("2.5", "double", "integer", None), ("nan", "double", "integer", None),
        ("inf", "double", "bigint", None), ("1e300", "double", "bigint", None),
        ("-3.0", "decimal(5, 1)", "integer", -3),
        ("12.7", "decimal(5, 2)", "integer", None), ("300", "integer", "tinyint", None),
        ("true", "boolean", "integer", 1),
        ("true", "boolean", "double", 1.0), ("0", "integer", "boolean", False), ("5", "integer", "boolean", True),
        ("2013-01-01 05:06:07", "timestamp", "string", "2013-01-01 05:06:07"),
        ("2013-01-01 05:06:07+02", "timestamptz", "string",
        "2013-01-01 03:06:07Z"), ("7", "integer", "string", "7"), ("a", "string", "binary", b"a"),
        ("ü\\x41", "string", "binary",
        "ü\\x41".encode()), ("2013-01-01 23:30:00-02", "timestamptz", "date", "2013-01-02"),
        ("123456", "integer", "decimal(5, 2)", None),
    ],
)  # fmt: skip
def test_values_cast_whole_or_not_at_all(value: str, source: str, to: str, expected: Any) -> None:
    assert _cast(value, source, to) == expected


@pytest.mark.parametrize(
    ("source", "to"), [("double", "date"), ("date", "integer"), ("boolean", "timestamp"), ("binary", "string"),
    ("list<integer>", "integer"),
                       ("string", "list<integer>"), ("integer", "interval")]
)  # fmt: skip
def test_a_pair_without_a_meaning_is_refused(source: str, to: str) -> None:
    with pytest.raises(SpecError) as error:
        casts.try_cast(exp.column("x"), source, to)
    assert error.value.code == "BAD_CAST"


def test_a_strict_cast_stops_the_query_only_at_a_bad_value() -> None:
    assert _cast("7", "string", "integer", strict=True) == 7
    with pytest.raises(duckdb.Error, match="does not cast to integer"):
        _cast("x", "string", "integer", strict=True)


@given(st.integers(-(2**63), 2**63 - 1))
def test_every_bigint_survives_the_way_through_text(number: int) -> None:
    assert _cast(str(number), "string", "bigint") == number


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=3))
def test_a_decimal_text_is_an_integer_exactly_when_python_says_so(number: Decimal) -> None:
    expected = int(number) if number == number.to_integral_value() else None
    if expected is None or not str(number).split(".")[1].strip("0"):
        assert _cast(str(number), "string", "bigint") == expected


@pytest.mark.parametrize(
    ("source", "to", "may"),
    [("integer", "bigint", False), ("bigint", "integer", True), ("string", "integer", True),
    ("double", "string", False),
     ("date", "timestamp", False), ("integer", "double", False), ("double", "decimal(5, 2)", True),
     ("boolean", "integer", False),
     ("string", "string", False), ("integer", "boolean", False), ("boolean", "decimal(1, 1)", True)],
)  # fmt: skip
def test_which_casts_may_fail(source: str, to: str, may: bool) -> None:
    assert casts.can_fail(source, to) is may


NEAR_MOMENTS = st.tuples(
    st.sampled_from(["2013", "-013", "\t013", "0000", "+201", "9999", "213"]),
    *[st.sampled_from(["01", "12", "31", "00", "24", "+1", " 1", "\t1", "\n1", "1\t", "60", "7"]) for _ in range(5)],
    st.sampled_from(["T", " ", "t"]),
    st.sampled_from(["", "Z", ".5", ".5Z", "+02", "+0230", "-02:30", " UTC", "z", " "]),
).map(lambda p: f"{p[0]}-{p[1]}-{p[2]}{p[6]}{p[3]}:{p[4]}:{p[5]}{p[7]}")


@given(NEAR_MOMENTS)
@example("2013-01-01T01:01: 1Z")
@example("2013-01-01  1:01:01")
@example("2013-01-01T\n1:01:01Z")
@example("2013-01-01 01:01:7Z")
def test_the_quick_way_for_common_moments_is_as_strict_as_the_long_one(value: str) -> None:
    # A space at the end sends the text the long way; both strip it.
    assert _cast(value, "string", "timestamp") == _cast(value + " ", "string", "timestamp")
