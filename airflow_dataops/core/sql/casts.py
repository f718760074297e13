# SPDX-License-Identifier: Apache-2.0
"""Casts that mean the same on every engine: a value casts whole and unchanged, or it does not cast."""

from __future__ import annotations

from sqlglot import exp

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.sql import types
from airflow_dataops.core.sql.dialects import pin, plain_cast, quick_try

# "2.0" is the integer 2; "2.5", "1e3", "1_000" and "0x1F" are none.
_INTEGER = r"^\s*([+-]?[0-9]+)(\.0*)?\s*$"
_NUMBER = r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_TIMESTAMP = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,9})?)?( ?UTC|Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?$"
)
_TRUE = ("true", "t", "yes", "y", "1")
_FALSE = ("false", "f", "no", "n", "0")
_ORDER = {name: rank for rank, name in enumerate((*types.INTEGERS, "float", "double"))}


def try_cast(value: exp.Expression, source: str | None, to: str) -> exp.Expression:
    """Return ``value`` as ``to``, or null where it does not cast.

    Text is read strictly: white space at both ends is allowed, a whole number may end in ``.0``, dates and times are ISO 8601, a
    time without offset is UTC, truth is ``true t yes y 1`` or ``false f no n 0``. A number becomes an integer only when it is whole.

    Args:
        value: What to cast.
        source: Its canonical type; None where it is not known (then the tree is good for checking only).
        to: Canonical type or alias.

    Raises:
        SpecError: The type is unknown (``UNKNOWN_TYPE``), or the pair has no meaning (``BAD_CAST``).
    """
    target = types.canonical(to)
    if source is None:
        return quick_try(value, types.parse_type(target))
    source = types.canonical(source)
    if source == target:
        return value
    made = _CASTS.get(_group(target), _refuse)(value, source, target)
    if made is None:
        raise SpecError(
            f"cannot cast {source} to {target}",
            hint="cast through string, or write an expression in clean.derive",
            code="BAD_CAST",
        )
    return made


def can_fail(source: str, to: str) -> bool:
    """True where a value of type ``source`` may not cast to ``to``, so that counting failures costs something."""
    source, target = types.canonical(source), types.canonical(to)
    if target in (source, "string"):
        return False
    if source == "string":
        return True
    if source in _ORDER and target in _ORDER:
        return _ORDER[source] > _ORDER[target]
    if types.is_numeric(source):
        return target != "boolean"
    if source == "boolean":
        return target not in _ORDER
    return not types.is_temporal(source)


def strict_cast(value: exp.Expression, source: str | None, to: str) -> exp.Expression:
    """Return ``value`` as ``to``; the query stops with the message where a value does not cast."""
    made = try_cast(value.copy(), source, to)
    if source is not None and not can_fail(source, to):
        return made
    message = exp.Literal.string(f"a value does not cast to {types.canonical(to)}; use try_cast for null instead")
    failed = exp.and_(exp.Not(this=exp.Is(this=value.copy(), expression=exp.Null())), is_null(made.copy()), copy=False)
    tree = types.parse_type(to)
    return exp.Case(ifs=[exp.If(this=failed, true=plain_cast(pin("raise", message), tree))], default=made)


def is_null(value: exp.Expression) -> exp.Expression:
    """Return ``value IS NULL``; NaN is a value."""
    return exp.Is(this=value, expression=exp.Null())


def as_text(value: exp.Expression, source: str) -> exp.Expression:
    """Return a value as text, the same on every engine (of a ``double`` only where it needs no exponent)."""
    return try_cast(value, source, "string")


def _group(target: str) -> str:
    base = types.base_name(target)
    return "integer" if base in types.INTEGERS else "double" if base == "float" else base


def _refuse(value: exp.Expression, source: str, target: str) -> exp.Expression | None:
    if types.base_name(source) == types.base_name(target):
        return quick_try(value, types.parse_type(target))
    return None


def _to_string(value: exp.Expression, source: str, _target: str) -> exp.Expression | None:
    if source in ("binary", "interval"):
        return None
    return pin("timestamptz_text", value) if source == "timestamptz" else plain_cast(value, "TEXT")


def _to_boolean(value: exp.Expression, source: str, _target: str) -> exp.Expression | None:
    if types.is_numeric(source):
        return exp.Paren(this=exp.NEQ(this=value, expression=exp.Literal.number(0)))
    if source != "string":
        return None
    word = exp.Lower(this=pin("trim", value))
    choices = [
        exp.If(
            this=exp.In(this=word.copy(), expressions=[exp.Literal.string(w) for w in words]),
            true=exp.Boolean(this=truth),
        )
        for words, truth in ((_TRUE, True), (_FALSE, False))
    ]
    return exp.Case(ifs=choices)


def _to_integer(value: exp.Expression, source: str, target: str) -> exp.Expression | None:
    tree = types.parse_type(target)
    if source == "string":
        digits = pin("regex_extract", value, exp.Literal.string(_INTEGER), exp.Literal.number(1))
        return quick_try(digits, tree)
    if source in ("float", "double") or types.base_name(source) == "decimal":
        whole = exp.EQ(this=value, expression=exp.Anonymous(this="FLOOR", expressions=[value.copy()]))
        return exp.Case(ifs=[exp.If(this=whole, true=quick_try(value.copy(), tree))])
    if source in types.INTEGERS or source == "boolean":
        return quick_try(value, tree) if can_fail(source, target) else plain_cast(value, tree)
    return None


def _to_number(value: exp.Expression, source: str, target: str) -> exp.Expression | None:
    tree = types.parse_type(target)
    if source == "string":
        return _guarded(value, _NUMBER, quick_try(value.copy(), tree))
    if (source, target) == ("double", "float"):
        return pin("to_float", value)
    if types.is_numeric(source):
        return quick_try(value, tree) if can_fail(source, target) else plain_cast(value, tree)
    if source == "boolean":
        return plain_cast(plain_cast(value, "INT"), tree)
    return None


def _to_date(value: exp.Expression, source: str, _target: str) -> exp.Expression | None:
    if source == "string":
        text = pin("trim", value)
        return _guarded(text, _DATE, quick_try(text.copy(), "DATE"))
    if source == "timestamptz":
        return plain_cast(plain_cast(value, "TIMESTAMPNTZ"), "DATE")
    return plain_cast(value, "DATE") if source == "timestamp" else None


def _to_timestamp(value: exp.Expression, source: str, _target: str) -> exp.Expression | None:
    if source == "string":
        return pin("text_timestamp", value, exp.Literal.string(_TIMESTAMP))
    return plain_cast(value, "TIMESTAMPNTZ") if types.is_temporal(source) else None


def _to_timestamptz(value: exp.Expression, source: str, target: str) -> exp.Expression | None:
    if source == "string":
        moment = _to_timestamp(value, source, target)
        return None if moment is None else plain_cast(moment, "TIMESTAMPTZ")
    return plain_cast(value, "TIMESTAMPTZ") if types.is_temporal(source) else None


def _to_time(value: exp.Expression, source: str, _target: str) -> exp.Expression | None:
    if source == "string":
        return quick_try(value, "TIME")
    return plain_cast(value, "TIME") if source == "timestamp" else None


def _to_binary(value: exp.Expression, source: str, _target: str) -> exp.Expression | None:
    return pin("encode", value) if source == "string" else None


def _guarded(text: exp.Expression, pattern: str, made: exp.Expression) -> exp.Expression:
    return exp.Case(ifs=[exp.If(this=pin("regex", text, exp.Literal.string(pattern)), true=made)])


_CASTS = {
    "string": _to_string,
    "boolean": _to_boolean,
    "integer": _to_integer,
    "double": _to_number,
    "decimal": _to_number,
    "date": _to_date,
    "timestamp": _to_timestamp,
    "timestamptz": _to_timestamptz,
    "time": _to_time,
    "binary": _to_binary,
}
