# SPDX-License-Identifier: Apache-2.0
"""What sqlglot read -> our own tree, node by node; a node that has no method here is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NoReturn

from sqlglot import exp

from airflow_dataops.core.errors import SpecError, did_you_mean
from airflow_dataops.core.sql import casts, types
from airflow_dataops.core.sql._typed import Typed, first_type, moment_literal, offset_of, refusal, wider
from airflow_dataops.core.sql.dialects import pin, plain_cast
from airflow_dataops.core.sql.functions import AGGREGATES, ALIASES, FUNCTIONS, IMPURE, UNITS
from airflow_dataops.core.sql.regex import check_regex

_NUMBER = re.compile(r"(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_INTERVAL = {
    "second": ("SECOND", 1),
    "minute": ("MINUTE", 1),
    "hour": ("HOUR", 1),
    "day": ("DAY", 1),
    "week": ("DAY", 7),
}
_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ)
_INTERVAL |= {"month": ("MONTH", 1), "quarter": ("MONTH", 3), "year": ("YEAR", 1)}


class Compiler:
    """Compiles one expression.

    Args:
        text: The author's text, for messages.
        columns: Column -> canonical type; None where not known.
    """

    def __init__(self, text: str, columns: Mapping[str, str] | None) -> None:
        self._text = text
        self._columns = columns
        self._methods: dict[type[exp.Expr], Callable[..., Typed]] = {
            exp.Paren: lambda node: self.compile(node.this),
            exp.And: self._logic,
            exp.Or: self._logic,
            exp.Not: self._not,
            exp.Is: self._is,
            exp.In: self._in,
            exp.Between: self._between,
            exp.Like: self._like,
            exp.ILike: self._like,
            exp.Neg: self._negate,
            exp.Div: self._divide,
            exp.Mod: self._divide,
            exp.DPipe: self._pipe,
            exp.Case: self._case,
            exp.If: self._if,
            exp.Cast: self._cast,
            exp.TryCast: self._cast,
            exp.Extract: lambda node: self._apply(node.this.name.lower(), [node.expression], node),
            exp.Anonymous: lambda node: self._apply(str(node.this).lower(), node.expressions, node),
            exp.Column: self._column,
            exp.Literal: self._literal,
            exp.Boolean: lambda node: Typed(exp.Boolean(this=bool(node.this)), "boolean"),
            exp.Null: lambda _: Typed(exp.Null(), None, literal=True),
        }
        self._methods |= dict.fromkeys(_COMPARISONS, self._compare)
        self._methods |= dict.fromkeys((exp.Add, exp.Sub, exp.Mul), self._arithmetic)

    def compile(self, node: exp.Expr) -> Typed:
        """Return the checked tree of ``node``.

        Raises:
            SpecError: The node, or one below it, is not part of the language or is used wrongly.
        """
        method = self._methods.get(type(node))
        if method is None:
            self._fail(refusal(node), node)
        return method(node)

    def _logic(self, node: exp.Connector) -> Typed:
        left, right = self._boolean(node.this), self._boolean(node.expression)
        return Typed(exp.Paren(this=type(node)(this=left, expression=right)), "boolean")

    def _not(self, node: exp.Not) -> Typed:
        return Typed(exp.Paren(this=exp.Not(this=exp.Paren(this=self._boolean(node.this)))), "boolean")

    def _boolean(self, node: exp.Expr) -> exp.Expression:
        made = self.compile(node)
        if made.type not in (None, "boolean"):
            self._fail(f"a condition is wanted here, not {made.type}", node)
        return made.tree

    def _is(self, node: exp.Is) -> Typed:
        value, right = self.compile(node.this), node.expression
        if isinstance(right, exp.Boolean) and value.type not in (None, "boolean"):
            self._fail(f"IS TRUE and IS FALSE are for booleans, not {value.type}", node)
        if not isinstance(right, exp.Null | exp.Boolean):
            self._fail("IS takes NULL, NOT NULL, TRUE or FALSE", node)
        return Typed(exp.Paren(this=exp.Is(this=value.tree, expression=right.copy())), "boolean")

    def _in(self, node: exp.In) -> Typed:
        if not node.expressions or any(node.args.get(key) for key in ("query", "unnest", "field", "is_global")):
            self._fail("IN takes a list of values; subqueries are not part of expressions", node)
        value, *choices = self._alike([node.this, *node.expressions], node)
        if any(isinstance(choice.tree, exp.Null) for choice in choices):
            self._fail("NULL in an IN list matches nothing and makes NOT IN never true", node, "write `… or x is null`")
        made = exp.In(this=value.tree, expressions=[choice.tree for choice in choices])
        return Typed(exp.Paren(this=made), "boolean")

    def _between(self, node: exp.Between) -> Typed:
        if node.args.get("symmetric"):
            self._fail("BETWEEN SYMMETRIC is not part of expressions", node)
        value, low, high = self._alike([node.this, node.args["low"], node.args["high"]], node)
        self._refuse_null(node, low, high)
        return Typed(exp.Paren(this=exp.Between(this=value.tree, low=low.tree, high=high.tree)), "boolean")

    def _like(self, node: exp.Like | exp.ILike) -> Typed:
        value = self._argument(node.this, "string", "LIKE")
        pattern = node.expression
        if not (isinstance(pattern, exp.Literal) and pattern.is_string) or "\\" in pattern.name:
            self._fail("LIKE takes a literal text without a backslash", node, "use regexp_matches(…) for more")
        made = type(node)(this=value.tree, expression=exp.Literal.string(pattern.name))
        tree: exp.Expression = exp.Not(this=made) if node.args.get("negate") else made
        return Typed(exp.Paren(this=tree), "boolean")

    def _compare(self, node: exp.Binary) -> Typed:
        left, right = self._alike([node.this, node.expression], node)
        if not isinstance(node, exp.NullSafeEQ | exp.NullSafeNEQ):
            self._refuse_null(node, left, right)
        return Typed(exp.Paren(this=type(node)(this=left.tree, expression=right.tree)), "boolean")

    def _arithmetic(self, node: exp.Binary) -> Typed:
        if isinstance(node.expression, exp.Interval) or isinstance(node.this, exp.Interval):
            return self._shift(node)
        left, right = self.compile(node.this), self.compile(node.expression)
        if isinstance(node, exp.Sub) and left.kind == right.kind == "temporal":
            hint = "write date_diff('day', a, b) or epoch(b) - epoch(a)"
            self._fail("the difference of two times depends on the engine", node, hint)
        self._numbers(node, left, right)
        made = type(node)(this=left.tree, expression=right.tree)
        return Typed(exp.Paren(this=made), wider(left.type, right.type))

    def _divide(self, node: exp.Div | exp.Mod) -> Typed:
        """Both as doubles (``%`` as it is); by zero is null."""
        left, right = self.compile(node.this), self.compile(node.expression)
        self._numbers(node, left, right)
        zero = exp.Literal.number(0)
        if isinstance(node, exp.Mod):
            guarded = exp.Nullif(this=right.tree, expression=zero)
            made: exp.Expression = exp.Mod(this=left.tree, expression=guarded)
            return Typed(exp.Paren(this=made), wider(left.type, right.type))
        divisor = exp.Nullif(this=plain_cast(right.tree, "DOUBLE"), expression=zero)
        made = exp.Div(this=plain_cast(left.tree, "DOUBLE"), expression=divisor, typed=True, safe=False)
        return Typed(exp.Paren(this=made), "double")

    def _shift(self, node: exp.Binary) -> Typed:
        value, interval = node.this, node.expression
        if isinstance(value, exp.Interval) and isinstance(node, exp.Add):
            value, interval = interval, value
        if isinstance(value, exp.Interval) or isinstance(node, exp.Mul):
            self._fail("an interval can be added to a time or taken from it, nothing else", node)
        moment = self._argument(value, "temporal", "an interval")
        unit = interval.args["unit"].name.lower().rstrip("s") if interval.args.get("unit") else ""
        amount = interval.this.name if isinstance(interval.this, exp.Literal) else ""
        if unit not in _INTERVAL or not re.fullmatch(r"-?\d{1,9}", amount):
            self._fail("an interval is a whole number and a unit", interval, "write interval '2' day")
        name, times = _INTERVAL[unit]
        step = exp.Interval(this=exp.Literal.string(str(int(amount) * times)), unit=exp.var(name))
        made = type(node)(this=plain_cast(moment.tree, "TIMESTAMPNTZ"), expression=step)
        return Typed(exp.Paren(this=made), "timestamp")

    def _negate(self, node: exp.Neg) -> Typed:
        value = self.compile(node.this)
        self._numbers(node, value)
        inner = value.tree if value.literal else exp.Paren(this=value.tree)
        return Typed(exp.Paren(this=exp.Neg(this=inner)), value.type, value.literal)

    def _pipe(self, node: exp.DPipe) -> Typed:
        parts = [self._argument(side, "string", "||").tree for side in (node.this, node.expression)]
        return Typed(pin("concat", *parts), "string")

    def _case(self, node: exp.Case) -> Typed:
        tests = []
        for branch in node.args["ifs"]:
            if node.this is None:
                tests.append(self._boolean(branch.this))
            else:
                subject, value = self._alike([node.this, branch.this], branch)
                tests.append(exp.EQ(this=subject.tree, expression=value.tree))
        default = node.args.get("default")
        results = self._alike([b.args["true"] for b in node.args["ifs"]] + ([default] if default else []), node)
        ifs = [exp.If(this=test, true=result.tree) for test, result in zip(tests, results, strict=False)]
        last = results[-1].tree if default else None
        return Typed(exp.Case(ifs=ifs, default=last), first_type(results))

    def _if(self, node: exp.If) -> Typed:
        return self._apply("if", [node.this, node.args["true"], node.args.get("false") or exp.Null()], node)

    def _cast(self, node: exp.Cast) -> Typed:
        if node.args.get("format"):
            self._fail("CAST … FORMAT is not part of expressions", node)
        value, target = self.compile(node.this), self._type(node)
        if isinstance(node.this, exp.Literal) and node.this.is_string and types.is_temporal(target):
            return self._moment(node.this, target)
        make = casts.try_cast if isinstance(node, exp.TryCast) else casts.strict_cast
        try:
            return Typed(make(value.tree, value.type, target), target)
        except SpecError as error:
            raise self._located(error, node) from error

    def _type(self, node: exp.Cast) -> str:
        try:
            return types.type_name(node.to)
        except SpecError as error:
            raise self._located(error, node) from error

    def _apply(self, name: str, arguments: list[exp.Expr], node: exp.Expr) -> Typed:
        name = ALIASES.get(name, name)
        function = FUNCTIONS.get(name)
        if function is None:
            raise self._unknown_function(name, node)
        lowest, highest = len(function.args) - function.optional, len(function.args)
        if len(arguments) < lowest or (len(arguments) > highest and not function.variadic):
            wanted = f"{lowest}" if lowest == highest else f"{lowest} to {highest}"
            more = " or more" if function.variadic else ""
            self._fail(f"{name}() takes {wanted}{more} arguments, not {len(arguments)}", node)
        kinds = [*function.args, *[function.args[-1]] * (len(arguments) - highest)]
        alike = iter(self._alike([a for a, k in zip(arguments, kinds, strict=False) if k == "same"], node))
        made = [
            next(alike) if kind == "same" else self._argument(argument, kind, f"{name}()")
            for argument, kind in zip(arguments, kinds, strict=False)
        ]
        matching = [m for m, kind in zip(made, kinds, strict=False) if kind in ("same", "number")]
        result = first_type(matching) if function.result == "same" else function.result
        return Typed(function.build(*(m.tree for m in made)), result)

    def _argument(self, argument: exp.Expr, kind: str, where: str) -> Typed:
        if kind in ("pattern", "text", "delimiter", "unit", "day", "position", "count"):
            return self._constant(argument, kind, where)
        made = self.compile(argument)
        if made.kind not in (None, kind) and kind != "any":
            if kind == "temporal" and made.kind == "string" and isinstance(argument, exp.Literal):
                return self._moment(argument, "timestamp")
            wanted = {"temporal": "timestamp", "number": "double"}.get(kind, kind)
            self._fail(f"{where} takes a {kind}, not {made.type}", argument, f"write cast(… as {wanted})")
        return made

    def _constant(self, argument: exp.Expr, kind: str, where: str) -> Typed:
        is_text = kind not in ("position", "count")
        if not isinstance(argument, exp.Literal) or argument.is_string != is_text:
            self._fail(f"{where} takes a literal {'text' if is_text else 'whole number'} here", argument)
        text = argument.name
        if kind == "pattern":
            try:
                check_regex(text)
            except SpecError as error:
                raise self._located(error, argument) from error
        if kind == "delimiter" and not text:
            self._fail(f"{where} needs a text of at least one character here", argument)
        if kind == "unit" and text.lower() not in UNITS:
            hint = did_you_mean(text.lower(), UNITS)
            self._fail(f"unknown unit {text!r}; known are: {', '.join(UNITS)}", argument, hint)
        if kind == "day" and text.lower() != "day":
            self._fail(
                "date_diff() counts days only, since engines differ in the rest", argument, "use epoch(b) - epoch(a)"
            )
        if not is_text and (not text.isdigit() or int(text) < (kind == "position") or int(text) > 2**31 - 1):
            self._fail(f"{where} takes a whole number from {int(kind == 'position')} here", argument)
        if is_text:
            return Typed(exp.Literal.string(text.lower() if kind == "unit" else text), "string", literal=True)
        return Typed(exp.Literal.number(int(text)), "integer", literal=True)

    def _alike(self, nodes: list[exp.Expr], where: exp.Expr) -> list[Typed]:
        """Compile values that are compared or chosen between; a text literal beside a time becomes a time."""
        made = [self.compile(node) for node in nodes]
        moment = next((m.type for m in made if m.kind == "temporal"), None)
        for index, node in enumerate(nodes):
            if moment and isinstance(node, exp.Literal) and node.is_string:
                made[index] = self._moment(node, moment)
        if first_type([m for m in made if m.kind == "number"]) == "float":
            # Each engine compares a float with a number in the text as something else: 0.1 is equal to it as a float only.
            made = [
                replace(m, tree=plain_cast(m.tree, "FLOAT")) if m.literal and m.kind == "number" else m for m in made
            ]
        known = {m.kind: m.type for m in made if m.kind is not None}
        if len(known) > 1:
            names = " and ".join(sorted(str(kind) for kind in known.values()))
            self._fail(f"{names} cannot be compared or mixed", where, "write cast(… as …) around one of them")
        return made

    def _moment(self, node: exp.Literal, kind: str) -> Typed:
        try:
            return moment_literal(node.name, kind)
        except ValueError:
            self._fail(
                f"{node.name!r} is not an ISO date or time", node, "write '2024-01-31' or '2024-01-31T12:00:00Z'"
            )

    def _numbers(self, node: exp.Expr, *values: Typed) -> None:
        for value in values:
            if value.kind not in (None, "number"):
                self._fail(f"arithmetic takes numbers, not {value.type}", node, "write cast(… as double) around it")

    def _refuse_null(self, node: exp.Expr, *values: Typed) -> None:
        if any(isinstance(value.tree, exp.Null) for value in values):
            self._fail("a comparison with NULL is never true", node, "write `… is null` or `… is not null`")

    def _literal(self, node: exp.Literal) -> Typed:
        if node.is_string:
            return Typed(exp.Literal.string(node.name), "string", literal=True)
        if not _NUMBER.fullmatch(node.name):
            self._fail(f"{node.name!r} is not a number", node)
        whole = node.name.isdigit()
        kind = ("integer" if int(node.name) < 2**31 else "bigint") if whole else "double"
        if whole and int(node.name) >= 2**63:
            self._fail(f"{node.name} does not fit into a bigint", node)
        return Typed(exp.Literal.number(node.name), kind, literal=True)

    def _column(self, node: exp.Column) -> Typed:
        if isinstance(node.this, exp.Star):
            self._fail("`*` is not part of expressions", node)
        parts = [part.name for part in node.parts]
        name, kind = self._resolve(parts[0], node)
        tree: exp.Expression = exp.column(name, quoted=True)
        for field in parts[1:]:
            fields = types.struct_fields(kind) if kind else {}
            if kind is not None and field not in fields:
                raise self._unknown_column(field, fields, node, f"field of {name!r}")
            kind = fields.get(field)
            tree = exp.Dot(this=tree, expression=exp.to_identifier(field, quoted=True))
        return Typed(tree, kind)

    def _resolve(self, name: str, node: exp.Expr) -> tuple[str, str | None]:
        if self._columns is None:
            if name.lower() in IMPURE:
                raise self._unknown_function(name.lower(), node)
            return name, None
        if name in self._columns:
            return name, self._columns[name]
        # Engines ignore case in names, so the author may too.
        same = [known for known in self._columns if known.lower() == name.lower()]
        if len(same) == 1:
            return same[0], self._columns[same[0]]
        if name.lower() in IMPURE:
            raise self._unknown_function(name.lower(), node)
        raise self._unknown_column(name, self._columns, node, "column")

    def _unknown_column(self, name: str, known: Mapping[str, str], node: exp.Expr, what: str) -> SpecError:
        hint = did_you_mean(name, known) or "a text goes between single quotes: '…'"
        listed = ", ".join(list(known)[:30])
        message = f"unknown {what} {name!r} in {self._text!r}; known are: {listed or 'none'}"
        return SpecError(message, hint=hint, code="UNKNOWN_COLUMN", details={"offset": offset_of(node)})

    def _unknown_function(self, name: str, node: exp.Expr) -> SpecError:
        if name in IMPURE:
            message, hint = f"{name} would give another result in a rerun", "use a run reference, such as ${run.date}"
        elif name in AGGREGATES:
            message, hint = f"{name}() looks at many rows; an expression looks at one", "write a rule of the suite"
        else:
            message = f"unknown function {name!r}; known are: {', '.join(sorted(FUNCTIONS))}"
            hint = did_you_mean(name, [*FUNCTIONS, *ALIASES]) or "see the reference of expressions"
        message = f"{message} (in {self._text!r})"
        return SpecError(message, hint=hint, code="UNKNOWN_FUNCTION", details={"offset": offset_of(node)})

    def _located(self, error: SpecError, node: exp.Expr) -> SpecError:
        message = f"{error.message} (in {self._text!r})"
        return SpecError(
            message, hint=error.hint, code=error.code, details={**error.details, "offset": offset_of(node)}
        )

    def _fail(self, message: str, node: exp.Expr, hint: str | None = None) -> NoReturn:
        details = {"offset": offset_of(node)}
        raise SpecError(f"{message} (in {self._text!r})", hint=hint, code="BAD_EXPRESSION", details=details)
