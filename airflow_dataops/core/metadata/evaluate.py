# SPDX-License-Identifier: Apache-2.0
"""Expressions over one event, evaluated in Python: the language of ``derive`` in pipelines (docs/reference/expressions.md), less of it.

What an expression means is what it means on an engine: null spreads, division is of doubles and by zero null, ``%`` has the sign of its
left side. Beside operators, ``case``, ``in``, ``between`` and ``is`` there are the functions of :data:`FUNCTIONS`.
"""

from __future__ import annotations

import hashlib
import math
import operator
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from airflow_dataops.core.errors import SpecError, did_you_mean
from airflow_dataops.core.metadata.limits import LARGEST_INTEGER

if TYPE_CHECKING:
    from sqlglot import exp

Value = bool | int | float | str | list[Any] | None
Evaluator = Callable[[Mapping[str, Any]], Value]


class NotEvaluated(ValueError):
    """A value is of a type that the expression has no meaning for."""


def compiled(text: str) -> Evaluator:
    """Return the function that an expression is: event document -> value.

    Args:
        text: The expression; a name is a path in the document, at most four names deep: ``extracted.attributes.width``.

    Returns:
        A pure function. It raises :class:`NotEvaluated` where an event has a value of a type that the expression cannot work with.

    Raises:
        SpecError: It is not of the language, or of the part of it that only engines have (``BAD_EXPRESSION``, ``UNKNOWN_FUNCTION``).
    """
    from airflow_dataops.core.sql.expressions import parse_source

    return _build(parse_source(text), text)


def _build(node: exp.Expr, text: str) -> Evaluator:
    made = _leaf(node) or _operator(node, text) or _choice(node, text)
    if made is None:
        what = type(node).__name__.lower()
        raise SpecError(f"{what} is not evaluated for events (in {text!r})", hint="see ADR 73", code="BAD_EXPRESSION")
    return made


def _leaf(node: exp.Expr) -> Evaluator | None:
    from sqlglot import exp

    if isinstance(node, exp.Literal):
        value: Value = node.name if node.is_string else (int(node.name) if node.name.isdigit() else float(node.name))
        return lambda _: value
    if isinstance(node, exp.Boolean | exp.Null):
        constant = None if isinstance(node, exp.Null) else bool(node.this)
        return lambda _: constant
    if isinstance(node, exp.Column):
        names = [part.name for part in node.parts]
        return lambda document: _at(document, names)
    return None


def _at(document: Mapping[str, Any], names: list[str]) -> Value:
    value: Any = document
    for name in names:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    if isinstance(value, Mapping):
        raise NotEvaluated(f"{'.'.join(names)} is an object, not a value")
    return value  # type: ignore[no-any-return]  # what JSON has


def _operator(node: exp.Expr, text: str) -> Evaluator | None:
    from sqlglot import exp

    if isinstance(node, exp.Paren):
        return _build(node.this, text)
    if isinstance(node, exp.And | exp.Or):
        return _logic(_build(node.this, text), _build(node.expression, text), ends=isinstance(node, exp.Or))
    if isinstance(node, exp.Not):
        return _strict(lambda value: not _truth(value), _build(node.this, text))
    if isinstance(node, exp.Neg):
        return _strict(lambda value: -_number(value), _build(node.this, text))
    if isinstance(node, exp.Is):
        wanted, inner = (
            (None if isinstance(node.expression, exp.Null) else bool(node.expression.this)),
            _build(node.this, text),
        )
        return lambda document: inner(document) is wanted
    if type(node) in (exp.NullSafeEQ, exp.NullSafeNEQ):
        left, right, same = _build(node.this, text), _build(node.expression, text), isinstance(node, exp.NullSafeEQ)
        return lambda document: _same(left(document), right(document)) is same
    binary: dict[type[exp.Expr], Callable[[Any, Any], Value]] = {
        exp.Add: _arithmetic(operator.add), exp.Sub: _arithmetic(operator.sub), exp.Mul: _arithmetic(operator.mul), exp.Div: _divide,
        exp.Mod: _remainder, exp.DPipe: lambda a, b: _text(a) + _text(b), exp.EQ: _compare(operator.eq), exp.NEQ: _compare(operator.ne),
        exp.LT: _compare(operator.lt), exp.LTE: _compare(operator.le), exp.GT: _compare(operator.gt), exp.GTE: _compare(operator.ge),
    }  # fmt: skip
    found = binary.get(type(node))
    return None if found is None else _strict(found, _build(node.this, text), _build(node.expression, text))


def _choice(node: exp.Expr, text: str) -> Evaluator | None:
    from sqlglot import exp

    if isinstance(node, exp.Between):
        value, low, high = (_build(part, text) for part in (node.this, node.args["low"], node.args["high"]))
        at_most = _compare(operator.le)
        return _logic(_strict(at_most, low, value), _strict(at_most, value, high), ends=False)
    if isinstance(node, exp.In):
        return _among(_build(node.this, text), [_build(choice, text) for choice in node.expressions])
    if isinstance(node, exp.Case):
        subject = None if node.this is None else _build(node.this, text)
        branches = [(_build(branch.this, text), _build(branch.args["true"], text)) for branch in node.args["ifs"]]
        default = node.args.get("default")
        return _case(subject, branches, _build(default, text) if default is not None else lambda _: None)
    if isinstance(node, exp.If):
        last = node.args.get("false")
        branch = (_build(node.this, text), _build(node.args["true"], text))
        return _case(None, [branch], _build(last, text) if last is not None else lambda _: None)
    if isinstance(node, exp.Anonymous):
        return _call(str(node.this).lower(), [_build(argument, text) for argument in node.expressions], text)
    return None


def _call(name: str, arguments: list[Evaluator], text: str) -> Evaluator:
    if name == "coalesce":
        return lambda document: next((value for one in arguments if (value := one(document)) is not None), None)
    if name in _OF_WHAT_IS_THERE:
        return _chosen(_OF_WHAT_IS_THERE[name], arguments)
    if name == "if":
        return _case(None, [(arguments[0], arguments[1])], arguments[2])
    if name not in FUNCTIONS:
        known = sorted([*FUNCTIONS, *_OF_WHAT_IS_THERE, "coalesce", "if"])
        message = f"function {name!r} is not evaluated for events (in {text!r}); known are: {', '.join(known)}"
        raise SpecError(message, hint=did_you_mean(name, known), code="UNKNOWN_FUNCTION")
    return _strict(FUNCTIONS[name], *arguments)


def _strict(function: Callable[..., Value], *parts: Evaluator) -> Evaluator:
    """A function of which any null argument makes null."""

    def run(document: Mapping[str, Any]) -> Value:
        values = [part(document) for part in parts]
        return None if any(value is None for value in values) else function(*values)

    return run


def _logic(left: Evaluator, right: Evaluator, *, ends: bool) -> Evaluator:
    def run(document: Mapping[str, Any]) -> Value:
        values = [None if value is None else _truth(value) for value in (left(document), right(document))]
        return ends if ends in values else None if None in values else not ends

    return run


def _among(value: Evaluator, choices: list[Evaluator]) -> Evaluator:
    def run(document: Mapping[str, Any]) -> Value:
        looked = value(document)
        if looked is None:
            return None
        found = [choice(document) for choice in choices]
        return True if any(_same(looked, one) for one in found) else None if None in found else False

    return run


def _case(subject: Evaluator | None, branches: list[tuple[Evaluator, Evaluator]], default: Evaluator) -> Evaluator:
    def run(document: Mapping[str, Any]) -> Value:
        value = None if subject is None else subject(document)
        for test, result in branches:
            tested = test(document)
            if tested is not None and (
                _truth(tested) if subject is None else value is not None and _same(value, tested)
            ):
                return result(document)
        return default(document)

    return run


def _arithmetic(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Value]:
    return lambda left, right: _finite(function(_number(left), _number(right)))


def _compare(function: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def run(left: Any, right: Any) -> bool:
        _same(left, right)
        return function(left, right)

    return run


def _same(left: Any, right: Any) -> bool:
    """Tell whether two values are equal; null is only equal to null."""
    if left is not None and right is not None and _kind(left) != _kind(right):
        raise NotEvaluated(f"{_kind(left)} and {_kind(right)} cannot be compared")
    return bool(left == right)


def _divide(left: Any, right: Any) -> Value:
    left, right = _number(left), _number(right)
    return _finite(left / right) if right else None


def _remainder(left: Any, right: Any) -> Value:
    left, right = _number(left), _number(right)
    if not right:
        return None
    if isinstance(left, int) and isinstance(right, int):
        return left - right * (abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1))
    return math.fmod(left, right)


def _round(value: Any, digits: int = 0) -> Value:
    number = _number(value)
    if isinstance(number, int):
        return number
    return (
        float(Decimal(repr(number)).quantize(Decimal(1).scaleb(-min(digits, 20)), rounding=ROUND_HALF_UP))
        if abs(number) < 1e15
        else number
    )


def _split(text: Any, mark: str, place: int) -> Value:
    parts = _text(text).split(mark)
    return parts[place - 1] if place <= len(parts) else ""


def _length(value: Any) -> Value:
    return len(value) if isinstance(value, list) else len(_text(value))


def _substr(text: Any, start: int, count: int | None = None) -> Value:
    return _text(text)[start - 1 :] if count is None else _text(text)[start - 1 : start - 1 + count]


def _chosen(function: Callable[[list[Any]], Value], arguments: list[Evaluator]) -> Evaluator:
    """The highest or lowest of the values that are there; null where none is."""

    def run(document: Mapping[str, Any]) -> Value:
        values = [value for one in arguments if (value := one(document)) is not None]
        for value in values[1:]:
            _same(values[0], value)
        return function(values) if values else None

    return run


def _finite(number: float) -> float:
    if (abs(number) > LARGEST_INTEGER) if isinstance(number, int) else not math.isfinite(number):
        raise NotEvaluated("the result is too large for a number")
    return number


def _number(value: Any) -> int | float:
    if _kind(value) != "a number":
        raise NotEvaluated(f"arithmetic takes numbers, not {_kind(value)}")
    return value  # type: ignore[no-any-return]  # the line before has looked


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise NotEvaluated(f"a text is wanted, not {_kind(value)}")
    return value


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise NotEvaluated(f"a condition is wanted, not {_kind(value)}")
    return value


def _kind(value: Any) -> str:
    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (bool, "a boolean"),
        ((int, float), "a number"),
        (str, "a text"),
    )
    return next((name for kind, name in kinds if isinstance(value, kind)), "a list")


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "abs": lambda x: abs(_number(x)),
    "ceil": lambda x: float(math.ceil(_number(x))),
    "concat": lambda *texts: "".join(map(_text, texts)),
    "contains": lambda text, part: _text(part) in _text(text),
    "ends_with": lambda text, part: _text(text).endswith(_text(part)),
    "floor": lambda x: float(math.floor(_number(x))),
    "left": lambda text, count: _text(text)[:count],
    "length": _length,
    "lower": lambda text: _text(text).lower(),
    "replace": lambda text, old, new: _text(text).replace(old, new) if old else text,
    "right": lambda text, count: _text(text)[-count:] if count else "",
    "round": _round,
    "sha256": lambda text: hashlib.sha256(_text(text).encode()).hexdigest(),
    "split_part": _split,
    "starts_with": lambda text, part: _text(text).startswith(_text(part)),
    "substr": _substr,
    "trim": lambda text: _text(text).strip(" "),
    "upper": lambda text: _text(text).upper(),
}

_OF_WHAT_IS_THERE: dict[str, Callable[[list[Any]], Value]] = {"greatest": max, "least": min}

__all__ = ["FUNCTIONS", "Evaluator", "NotEvaluated", "compiled"]
