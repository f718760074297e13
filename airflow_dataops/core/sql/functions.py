# SPDX-License-Identifier: Apache-2.0
"""The functions of the expression language. One row here is one function in every engine, the docs and the errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

from airflow_dataops.core.sql.dialects import call, pin, plain_cast

Build = Callable[..., exp.Expression]


@dataclass(frozen=True)
class Function:
    """One function.

    Attributes:
        args: What each argument must be: ``string``, ``number``, ``temporal``, ``boolean``, ``any``, ``same`` (of one kind with the
            other ``same`` arguments), or a literal: ``pattern``, ``text``, ``delimiter`` (not empty), ``unit``, ``position`` (from 1),
            ``count`` (from 0).
        result: Canonical type of the result; ``same`` for that of the first ``same`` or number argument.
        build: Compiled arguments -> tree.
        help: What it returns, for the reference.
        optional: How many of the last arguments may be left out.
        variadic: True where the last argument may be repeated.
    """

    args: tuple[str, ...]
    result: str
    build: Build
    help: str
    optional: int = 0
    variadic: bool = False


def _engine(name: str) -> Build:
    return lambda *args: call(name, *args)


def _pinned(name: str) -> Build:
    return lambda *args: pin(name, *args)


def _integer(build: Build) -> Build:
    return lambda *args: plain_cast(build(*args), "INT")


def _double(name: str) -> Build:
    return lambda *args: plain_cast(call(name, *(plain_cast(arg, "DOUBLE") for arg in args)), "DOUBLE")


def _whole(name: str) -> Build:
    return lambda value: plain_cast(pin(name, plain_cast(value, "DOUBLE")), "DOUBLE")


def _only_if(name: str, valid: type[exp.Binary]) -> Build:
    """A function that engines answer with an error, null or NaN outside of its domain: null everywhere."""

    def build(value: exp.Expression) -> exp.Expression:
        number = plain_cast(value, "DOUBLE")
        test = valid(this=number, expression=exp.Literal.number(0))
        return exp.Case(ifs=[exp.If(this=test, true=call(name, number.copy()))])

    return build


def _extract(regex: exp.Expression, pattern: exp.Expression, group: exp.Expression | None = None) -> exp.Expression:
    return pin("regex_extract", regex, pattern, group if group is not None else exp.Literal.number(0))


def _if(test: exp.Expression, yes: exp.Expression, no: exp.Expression) -> exp.Expression:
    return exp.Case(ifs=[exp.If(this=test, true=yes)], default=no)


def _moment(build: Build) -> Build:
    """Give date functions a timestamp without zone, whatever temporal type came in."""
    return lambda *args: build(*args[:-1], plain_cast(args[-1], "TIMESTAMPNTZ"))


def _days(_unit: exp.Expression, start: exp.Expression, end: exp.Expression) -> exp.Expression:
    return plain_cast(pin("days_between", plain_cast(end, "DATE"), plain_cast(start, "DATE")), "INT")


def _part(name: str) -> Function:
    return Function(("temporal",), "integer", _integer(_moment(_engine(name.upper()))), f"the {name}, in UTC")


FUNCTIONS: dict[str, Function] = {
    "lower": Function(("string",), "string", _engine("LOWER"), "small letters"),
    "upper": Function(("string",), "string", _engine("UPPER"), "capital letters"),
    "trim": Function(("string",), "string", _pinned("trim"), "without spaces at both ends"),
    "ltrim": Function(("string",), "string", _pinned("ltrim"), "without spaces at the start"),
    "rtrim": Function(("string",), "string", _pinned("rtrim"), "without spaces at the end"),
    "length": Function(("string",), "integer", _integer(_pinned("length")), "characters (Unicode code points)"),
    "substr": Function(
        ("string", "position", "count"), "string", _engine("SUBSTR"), "characters from a position on", 1
    ),
    "left": Function(("string", "count"), "string", _engine("LEFT"), "the first characters"),
    "right": Function(("string", "count"), "string", _engine("RIGHT"), "the last characters"),
    "replace": Function(
        ("string", "text", "text"), "string", _engine("REPLACE"), "every occurrence of a text replaced"
    ),
    "concat": Function(("string", "string"), "string", _pinned("concat"), "joined texts; null if one is", 0, True),
    "contains": Function(("string", "string"), "boolean", _engine("CONTAINS"), "whether a text is inside"),
    "starts_with": Function(("string", "string"), "boolean", _pinned("starts_with"), "whether it begins so"),
    "ends_with": Function(("string", "string"), "boolean", _pinned("ends_with"), "whether it ends so"),
    "split_part": Function(
        ("string", "delimiter", "position"), "string", _engine("SPLIT_PART"), "one part; empty if none"
    ),
    "regexp_matches": Function(("string", "pattern"), "boolean", _pinned("regex"), "whether a part matches"),
    "regexp_extract": Function(
        ("string", "pattern", "count"), "string", _extract, "what a group (0: all) matched; empty if nothing did", 1
    ),
    "regexp_replace": Function(
        ("string", "pattern", "text"), "string", _pinned("regex_replace"), r"every match replaced; `\1` is a group"
    ),
    "sha256": Function(("string",), "string", _pinned("sha256"), "SHA-256 as 64 hex digits"),
    "abs": Function(("number",), "same", _engine("ABS"), "without its sign"),
    "sign": Function(("number",), "integer", _integer(_engine("SIGN")), "-1, 0 or 1"),
    "round": Function(("number", "count"), "same", _engine("ROUND"), "rounded half away from zero", 1),
    "floor": Function(("number",), "double", _whole("floor"), "the next lower whole number"),
    "ceil": Function(("number",), "double", _whole("ceil"), "the next higher whole number"),
    "sqrt": Function(("number",), "double", _only_if("SQRT", exp.GTE), "square root; null of a negative number"),
    "ln": Function(("number",), "double", _only_if("LN", exp.GT), "natural logarithm; null up to 0"),
    "log10": Function(("number",), "double", _only_if("LOG10", exp.GT), "logarithm to base 10; null up to 0"),
    "exp": Function(("number",), "double", _double("EXP"), "e to the power"),
    "power": Function(("number", "number"), "double", _double("POWER"), "a to the power of b"),
    "greatest": Function(("same", "same"), "same", _engine("GREATEST"), "the highest that is not null", 0, True),
    "least": Function(("same", "same"), "same", _engine("LEAST"), "the lowest that is not null", 0, True),
    "isnan": Function(("number",), "boolean", lambda x: pin("is_nan", plain_cast(x, "DOUBLE")), "whether it is NaN"),
    "coalesce": Function(("same", "same"), "same", _engine("COALESCE"), "the first that is not null", 0, True),
    "nullif": Function(("same", "same"), "same", _engine("NULLIF"), "null where both are equal"),
    "if": Function(("boolean", "same", "same"), "same", _if, "the second where the first is true, else the third"),
    "year": _part("year"),
    "quarter": _part("quarter"),
    "month": _part("month"),
    "day": _part("day"),
    "hour": _part("hour"),
    "minute": _part("minute"),
    "second": _part("second"),
    "week": Function(("temporal",), "integer", _integer(_moment(_pinned("week"))), "the ISO week"),
    "isodow": Function(("temporal",), "integer", _integer(_moment(_pinned("weekday"))), "weekday, Monday is 1"),
    "dayofyear": Function(
        ("temporal",), "integer", _integer(_moment(_pinned("day_of_year"))), "day of the year from 1"
    ),
    "date_trunc": Function(
        ("unit", "temporal"), "timestamp", _moment(_pinned("date_trunc")), "start of the unit, in UTC"
    ),
    "date_diff": Function(("day", "temporal", "temporal"), "integer", _days, "days from the first to the second"),
    "epoch": Function(("temporal",), "double", _moment(_pinned("epoch")), "seconds since 1970-01-01 UTC"),
    "make_date": Function(
        ("number", "number", "number"),
        "date",
        lambda *args: call("MAKE_DATE", *(plain_cast(arg, "INT") for arg in args)),
        "a date of year, month and day",
    ),
}
ALIASES = {
    "substring": "substr",
    "ceiling": "ceil",
    "pow": "power",
    "ifnull": "coalesce",
    "char_length": "length",
    "startswith": "starts_with",
    "endswith": "ends_with",
    "regexp_like": "regexp_matches",
}
UNITS = ("second", "minute", "hour", "day", "week", "month", "quarter", "year")
# Refused by name, so that the message can say why.
IMPURE = frozenset(
    (
        *(
            "now",
            "today",
            "current_date",
            "current_time",
            "current_timestamp",
            "localtimestamp",
            "localtime",
            "get_current_time",
        ),
        *("random", "rand", "uuid", "gen_random_uuid", "txid_current", "nextval", "currval", "setseed"),
    )
)
AGGREGATES = frozenset(
    (
        *(
            "count",
            "sum",
            "avg",
            "mean",
            "min",
            "max",
            "median",
            "mode",
            "stddev",
            "stddev_samp",
            "stddev_pop",
            "variance",
        ),
        *(
            "var_samp",
            "var_pop",
            "quantile",
            "first",
            "last",
            "any_value",
            "string_agg",
            "array_agg",
            "list",
            "bool_and",
            "bool_or",
        ),
    )
)
