# SPDX-License-Identifier: Apache-2.0
"""One tree, several dialects: what the engines do differently, pinned in one table, and the way to SQL text.

A tree holds :func:`pin` nodes where the engines differ; :func:`render` replaces each by what the engine understands. SQL text must
be made by :func:`render`: sqlglot's own ``sql()`` would leave a pin as a call of a function that no engine has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlglot import ErrorLevel, exp

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.sql.regex import java_pattern, java_replacement

Dialect = Literal["duckdb", "spark"]
Expand = Callable[..., exp.Expression]
DIALECTS: tuple[Dialect, ...] = ("duckdb", "spark")

# What a session must be set to before SQL of this package runs on it.
SETTINGS: dict[Dialect, dict[str, str]] = {
    "duckdb": {"TimeZone": "UTC"},
    "spark": {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.ansi.enabled": "true",
        "spark.sql.timestampType": "TIMESTAMP_LTZ",
        "spark.sql.parquet.inferTimestampNTZ.enabled": "true",
    },
}

_PREFIX = "dataops_"


@dataclass(frozen=True)
class Pin:
    """One thing that engines do differently, and what each is told so that they agree.

    Attributes:
        why: The difference, one line.
        duckdb: Arguments -> DuckDB's expression.
        spark: Arguments -> Spark's expression.
    """

    why: str
    duckdb: Expand
    spark: Expand


def call(name: str, *args: exp.Expression) -> exp.Anonymous:
    """Return a call of an engine's own function, name and arguments as given."""
    return exp.Anonymous(this=name, expressions=list(args))


def type_of(name: str) -> exp.DataType:
    """Return the type tree of one of sqlglot's type names."""
    return exp.DataType(this=exp.DataType.Type[name], nested=False)


def plain_cast(value: exp.Expression, to: str | exp.DataType) -> exp.Cast:
    """Return a cast that cannot fail, for pairs of types that all engines cast alike."""
    return exp.Cast(this=value, to=type_of(to) if isinstance(to, str) else to)


def quick_try(value: exp.Expression, to: str | exp.DataType) -> exp.TryCast:
    """Return the engine's own ``TRY_CAST``; :mod:`airflow_dataops.core.sql.casts` says which values may reach it."""
    return exp.TryCast(this=value, to=type_of(to) if isinstance(to, str) else to, safe=True)


def _function(duckdb: str, spark: str) -> tuple[Expand, Expand]:
    return (lambda *args: call(duckdb, *args)), (lambda *args: call(spark, *args))


def _naive(value: exp.Expression) -> exp.Expression:
    return plain_cast(value, "TIMESTAMPNTZ")


def _spark_rlike(text: exp.Expression, pattern: exp.Expression) -> exp.Expression:
    return exp.Paren(this=exp.RegexpLike(this=text, expression=exp.Literal.string(java_pattern(pattern.name))))


def _spark_extract(text: exp.Expression, pattern: exp.Expression, group: exp.Expression) -> exp.Expression:
    return call("REGEXP_EXTRACT", text, exp.Literal.string(java_pattern(pattern.name)), group)


def _spark_replace(text: exp.Expression, pattern: exp.Expression, by: exp.Expression) -> exp.Expression:
    found, put = java_pattern(pattern.name), java_replacement(by.name)
    return call("REGEXP_REPLACE", text, exp.Literal.string(found), exp.Literal.string(put))


def _duck_replace(text: exp.Expression, pattern: exp.Expression, by: exp.Expression) -> exp.Expression:
    return call("REGEXP_REPLACE", text, pattern, by, exp.Literal.string("g"))


WHITE_SPACE = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())
_ENDS = exp.Literal.string(f"^[{WHITE_SPACE}]|[{WHITE_SPACE}]$")


def _strip(value: exp.Expression, needed: exp.Expression) -> exp.Expression:
    trimmed = exp.Trim(this=value, expression=exp.Literal.string(WHITE_SPACE), position="BOTH")
    return exp.Case(ifs=[exp.If(this=needed, true=trimmed)], default=value.copy())


# What DuckDB trims: Unicode's separators, and no tabs or line feeds.
_SPACES = "".join(chr(code) for code in (0x20, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000))


def _spark_trim(position: str) -> Expand:
    return lambda value: exp.Trim(this=value, expression=exp.Literal.string(_SPACES), position=position)


def _if_moment(trimmed: exp.Expression, test: exp.Expression) -> exp.If:
    return exp.If(this=test, true=_naive(quick_try(trimmed, "TIMESTAMPTZ")))


def _spark_moment(text: exp.Expression, pattern: exp.Expression) -> exp.Expression:
    """Spark trims a character at a time; what matches as it is needs none of it."""
    trimmed = _spark_trim("BOTH")(text)
    return exp.Case(ifs=[_if_moment(value.copy(), _spark_rlike(value.copy(), pattern)) for value in (text, trimmed)])


# Without a zone's offset and without parts of a second: what nearly all files hold.
_COMMON_MOMENT = "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z?"


def _duck_moment(text: exp.Expression, pattern: exp.Expression) -> exp.Expression:
    """The common shapes take DuckDB's cast to a moment without zone, three times as fast as that by way of one with a zone."""
    common = call("REGEXP_FULL_MATCH", text.copy(), exp.Literal.string(_COMMON_MOMENT))
    quick = exp.If(this=common, true=quick_try(text.copy(), "TIMESTAMPNTZ"))
    trimmed = exp.Trim(this=text.copy())
    return exp.Case(ifs=[quick, _if_moment(trimmed, call("REGEXP_MATCHES", trimmed.copy(), pattern))])


def _infinity() -> exp.Expression:
    return plain_cast(exp.Literal.string("Infinity"), "DOUBLE")


def _spark_whole(name: str) -> Expand:
    """Beyond 2 to the 52nd every double is whole, and Spark's function gives a bigint, which cannot hold them all."""

    def build(value: exp.Expression) -> exp.Expression:
        small = exp.LT(this=call("ABS", value.copy()), expression=exp.Literal.number(2**52))
        return exp.Case(
            ifs=[exp.If(this=small, true=plain_cast(call(name, value.copy()), "DOUBLE"))], default=value.copy()
        )

    return build


def _spark_float(value: exp.Expression) -> exp.Expression:
    most = plain_cast(exp.Literal.string("3.4028235677973366e38"), "DOUBLE")
    large = exp.GTE(this=call("ABS", value.copy()), expression=most)
    finite = exp.LT(this=call("ABS", value.copy()), expression=_infinity())
    lost = exp.If(this=exp.And(this=large, expression=finite), true=exp.Null())
    return exp.Case(ifs=[lost], default=plain_cast(value.copy(), "FLOAT"))


PINS: dict[str, Pin] = {
    "regex": Pin("RE2 against Java; neither is anchored", lambda *a: call("REGEXP_MATCHES", *a), _spark_rlike),
    "regex_extract": Pin(
        "RE2 against Java; no match is the empty text on both", lambda *a: call("REGEXP_EXTRACT", *a), _spark_extract
    ),
    "regex_replace": Pin(
        r"DuckDB replaces the first match unless told; groups are \1 on DuckDB and $1 on Spark",
        _duck_replace,
        _spark_replace,
    ),
    "length": Pin("characters are Unicode code points, not bytes or graphemes", *_function("LENGTH", "CHAR_LENGTH")),
    "octets": Pin("bytes of a binary value", *_function("OCTET_LENGTH", "OCTET_LENGTH")),
    "sha256": Pin(
        "hex text in small letters",
        lambda value: call("SHA256", value),
        lambda value: call("SHA2", value, exp.Literal.number(256)),
    ),
    "encode": Pin(
        "text to bytes is UTF-8; DuckDB's cast would read \\x escapes",
        lambda value: call("ENCODE", value),
        lambda value: call("ENCODE", value, exp.Literal.string("UTF-8")),
    ),
    "timestamptz_text": Pin(
        "a timestamp with zone as text ends in +00 on DuckDB, in nothing on Spark; Z on both here",
        lambda value: _fold_pipe([plain_cast(_naive(value), "TEXT"), exp.Literal.string("Z")]),
        lambda value: call("CONCAT", plain_cast(_naive(value), "TEXT"), exp.Literal.string("Z")),
    ),
    "text_timestamp": Pin(
        "an ISO text with offset becomes the moment it means, in UTC; Spark's TIMESTAMP_NTZ and DuckDB's TIMESTAMP drop the offset",
        _duck_moment,
        _spark_moment,
    ),
    "is_nan": Pin(
        "NaN is a value, not null, equal to itself and above all other numbers; Spark's function says false of null",
        lambda value: call("ISNAN", value),
        lambda value: exp.Paren(this=exp.EQ(this=value, expression=plain_cast(exp.Literal.string("NaN"), "DOUBLE"))),
    ),
    "trim": Pin(
        "spaces as Unicode has them; Spark's alone takes the common one",
        lambda value: call("TRIM", value),
        _spark_trim("BOTH"),
    ),
    "ltrim": Pin("as trim, at the start", lambda value: call("LTRIM", value), _spark_trim("LEADING")),
    "rtrim": Pin("as trim, at the end", lambda value: call("RTRIM", value), _spark_trim("TRAILING")),
    "floor": Pin("a double on DuckDB, a bigint on Spark", lambda value: call("FLOOR", value), _spark_whole("FLOOR")),
    "ceil": Pin("a double on DuckDB, a bigint on Spark", lambda value: call("CEIL", value), _spark_whole("CEIL")),
    "to_float": Pin(
        "a double beyond what a float holds is null; Spark makes it infinite",
        lambda value: quick_try(value, "FLOAT"),
        _spark_float,
    ),
    "wide": Pin(
        "a sum of whole numbers does not overflow; Spark's is a bigint",
        lambda value: value,
        lambda value: plain_cast(value, exp.DataType.build("DECIMAL(38, 0)")),
    ),
    "exact": Pin(
        "a mean of whole numbers or decimals is their exact sum by their number; Spark adds doubles, or cuts digits off",
        lambda value: value,
        lambda value: value,
    ),
    "concat": Pin(
        "null makes null; DuckDB's concat() would skip it",
        lambda *args: _fold_pipe(args),
        lambda *args: call("CONCAT", *args),
    ),
    "date_trunc": Pin(
        "always a timestamp without zone",
        lambda unit, value: _naive(call("DATE_TRUNC", unit, value)),
        lambda unit, value: _naive(call("DATE_TRUNC", unit, plain_cast(value, "TIMESTAMPTZ"))),
    ),
    "weekday": Pin(
        "Monday is 1, Sunday is 7",
        lambda value: call("ISODOW", value),
        lambda value: exp.Paren(this=exp.Add(this=call("WEEKDAY", value), expression=exp.Literal.number(1))),
    ),
    "week": Pin("ISO week", *_function("WEEK", "WEEKOFYEAR")),
    "day_of_year": Pin("1 to 366", *_function("DAYOFYEAR", "DAYOFYEAR")),
    "days_between": Pin(
        "whole days from the second date to the first",
        lambda later, earlier: call("DATE_DIFF", exp.Literal.string("day"), earlier, later),
        lambda later, earlier: call("DATEDIFF", later, earlier),
    ),
    "epoch": Pin(
        "seconds since 1970-01-01 UTC as a double",
        lambda value: call("EPOCH", value),
        lambda value: plain_cast(plain_cast(value, "TIMESTAMPTZ"), "DOUBLE"),
    ),
    "strip": Pin(
        "white space at both ends, as Unicode has it; TRIM alone takes spaces only, and a long list of characters slowly",
        lambda value: _strip(value, call("REGEXP_MATCHES", value.copy(), _ENDS)),
        lambda value: _strip(value, _spark_rlike(value.copy(), _ENDS)),
    ),
    "starts_with": Pin("another name", *_function("STARTS_WITH", "STARTSWITH")),
    "ends_with": Pin("another name", *_function("ENDS_WITH", "ENDSWITH")),
    "lowest": Pin(
        "list of the n lowest values where a test holds",
        lambda value, count, test: exp.Filter(this=call("MIN", value, count), expression=exp.Where(this=test)),
        lambda value, count, test: call(
            "SLICE",
            call("SORT_ARRAY", call("COLLECT_LIST", exp.Case(ifs=[exp.If(this=test, true=value)]))),
            exp.Literal.number(1),
            count,
        ),
    ),
    "quantile": Pin(
        "the lowest value that is not below a share of the others; Spark has two functions, one of which guesses",
        lambda value, share: call("QUANTILE_DISC", value, share),
        lambda value, share: exp.WithinGroup(
            this=call("PERCENTILE_DISC", share),
            expression=exp.Order(expressions=[exp.Ordered(this=value, nulls_first=True)]),
        ),
    ),
    "raise": Pin("stops the query with a message", *_function("ERROR", "RAISE_ERROR")),
}


def pin(name: str, *args: exp.Expression) -> exp.Expression:
    """Return the neutral node of a pinned difference.

    Args:
        name: Key of :data:`PINS`.
        args: Its arguments.
    """
    if name not in PINS:
        raise KeyError(name)
    return call(_PREFIX + name, *args)


def dialect_of(engine: str) -> Dialect:
    """Return the dialect that an engine runs; Dask runs DuckDB's on each partition."""
    return "spark" if engine == "spark" else "duckdb"


def render(tree: exp.Expr, dialect: Dialect) -> str:
    """Return the SQL text of a tree: every identifier quoted, every pin replaced.

    Args:
        tree: An expression or a query.
        dialect: ``duckdb`` or ``spark``.

    Raises:
        SpecError: The dialect is unknown (``UNKNOWN_DIALECT``).
    """
    if dialect not in DIALECTS:
        raise SpecError(
            f"unknown SQL dialect {dialect!r}; known are: {', '.join(DIALECTS)}", code="UNKNOWN_DIALECT", hint=None
        )
    return expand(tree, dialect).sql(dialect=dialect, identify=True, unsupported_level=ErrorLevel.RAISE)


def expand(tree: exp.Expr, dialect: Dialect) -> exp.Expr:
    """Return a copy of ``tree`` with every pin replaced by the dialect's own expression."""
    copied: exp.Expr = tree.copy()
    if dialect == "spark":
        copied = copied.transform(_spark_mean)
    # The innermost first, so that an expansion never sees a pin among its arguments.
    for node in reversed(list(copied.find_all(exp.Anonymous))):
        name = str(node.this)
        if not name.startswith(_PREFIX):
            continue
        found = PINS[name.removeprefix(_PREFIX)]
        replacement = (found.duckdb if dialect == "duckdb" else found.spark)(*(arg.copy() for arg in node.expressions))
        if node is copied:
            return replacement
        node.replace(replacement)
    return copied


def _spark_mean(node: exp.Expr) -> exp.Expr:
    """The pin ``exact`` within a mean makes it a sum and a count, each with the mean's filter."""
    mean = node.this if isinstance(node, exp.Filter) else node
    if not isinstance(mean, exp.Avg) or str(getattr(mean.this, "this", "")) != f"{_PREFIX}exact":
        return node
    (value,) = mean.this.expressions

    def filtered(aggregate: exp.Expression) -> exp.Expression:
        return exp.Filter(this=aggregate, expression=node.expression.copy()) if node is not mean else aggregate

    total = plain_cast(filtered(exp.Sum(this=value.copy())), "DOUBLE")
    count = exp.Nullif(this=filtered(exp.Count(this=value.copy())), expression=exp.Literal.number(0))
    return exp.Paren(this=exp.Div(this=total, expression=count, typed=True, safe=False))


def _fold_pipe(args: Sequence[exp.Expression]) -> exp.Expression:
    folded = args[0]
    for arg in args[1:]:
        folded = exp.DPipe(this=folded, expression=arg, safe=False)
    return exp.Paren(this=folded)
