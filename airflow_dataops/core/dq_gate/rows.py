# SPDX-License-Identifier: Apache-2.0
"""What rules build their trees with: values, tests and aggregates of the rows of one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from sqlglot import exp

from airflow_dataops.core.dq_gate import trees
from airflow_dataops.core.dq_gate.bounds import Bounds, as_whole
from airflow_dataops.core.dq_gate.literals import family, is_float
from airflow_dataops.core.sql.casts import try_cast
from airflow_dataops.core.sql.dialects import pin, plain_cast
from airflow_dataops.core.sql.expressions import parse_condition
from airflow_dataops.core.sql.types import INTEGERS, base_name, parse_type

VALUE_PREFIX = "_dataops_value_"


class Rows:
    """Builds the trees of rules for a table of known columns. Every method returns a new tree.

    A NaN of a float column reads as null: the innermost query of a gate makes a second column of it, see :meth:`readable`.

    Args:
        columns: Column -> canonical type.
    """

    def __init__(self, columns: Mapping[str, str]) -> None:
        self.columns = columns

    def readable(self) -> list[exp.Expression]:
        """Return the columns that the innermost query adds: each float column with null for NaN."""
        made: list[exp.Expression] = []
        for name, kind in self.columns.items():
            if is_float(kind):
                nan = exp.Cast(this=exp.Literal.string("NaN"), to=parse_type(kind))
                made.append(trees.named(exp.Nullif(this=trees.column(name), expression=nan), VALUE_PREFIX + name))
        return made

    def value(self, column: str) -> exp.Column:
        """Return a column's value; null where it is NaN."""
        return trees.column(VALUE_PREFIX + column if is_float(self.columns[column]) else column)

    def literal(self, value: Any, like: str) -> exp.Expression:
        """Return a JSON scalar as a literal that compares with the column ``like``."""
        return literal(value, self.columns[like])

    def text(self, column: str) -> exp.Expression:
        """Return a column's value as text."""
        kind = self.columns[column]
        return self.value(column) if family(kind) == "text" else try_cast(self.value(column), kind, "string")

    def missing(self, column: str) -> exp.Expression:
        """Return the test for null (or NaN)."""
        return trees.is_null(self.value(column))

    def present(self, column: str) -> exp.Expression:
        """Return the test for a value."""
        return trees.not_null(self.value(column))

    def is_present(self, tree: exp.Expression) -> exp.Expression:
        """Return the test that an expression is not null."""
        return trees.not_null(exp.paren(tree, copy=False))

    def all_present(self, columns: Sequence[str]) -> exp.Expression:
        """Return the test that each of the columns has a value."""
        return self.all_of([self.present(column) for column in columns])

    def any_present(self, columns: Sequence[str]) -> exp.Expression:
        """Return the test that at least one of the columns has a value."""
        return self.any_of([self.present(column) for column in columns])

    def all_of(self, tests: Sequence[exp.Expression]) -> exp.Expression:
        """Return ``a AND b AND …``."""
        return trees.all_of(tests)

    def any_of(self, tests: Sequence[exp.Expression]) -> exp.Expression:
        """Return ``a OR b OR …``."""
        return trees.any_of(tests)

    def not_true(self, test: exp.Expression) -> exp.Expression:
        """Return the test that something is false or null."""
        return exp.Not(this=exp.Coalesce(this=exp.paren(test, copy=False), expressions=[exp.false()]))

    def within(self, column: str, values: Sequence[Any]) -> exp.In:
        """Return the test that a value is one of a list."""
        return exp.In(this=self.value(column), expressions=[self.literal(as_whole(value), column) for value in values])

    def outside(self, value: exp.Expression, bounds: Bounds, *, like: str | None = None) -> exp.Expression:
        """Return the test that a value lies outside of a range.

        Args:
            value: What is compared.
            bounds: The range; at least one end.
            like: Column whose type the ends have; numbers when omitted.
        """
        kind = self.columns[like] if like else "bigint"
        tests: list[exp.Expression] = []
        if bounds.min is not None:
            low = literal(as_whole(bounds.min), kind)
            tests.append(
                exp.LTE(this=value.copy(), expression=low)
                if bounds.strict_min
                else exp.LT(this=value.copy(), expression=low)
            )
        if bounds.max is not None:
            high = literal(as_whole(bounds.max), kind)
            tests.append(
                exp.GTE(this=value.copy(), expression=high)
                if bounds.strict_max
                else exp.GT(this=value.copy(), expression=high)
            )
        return self.any_of(tests)

    def matches(self, column: str, pattern: str) -> exp.Expression:
        """Return the test that a pattern is found somewhere in a value's text."""
        return pin("regex", self.text(column), exp.Literal.string(pattern))

    def length(self, column: str) -> exp.Expression:
        """Return the number of characters of a value's text."""
        return pin("length", self.text(column))

    def condition(self, text: str) -> exp.Expression:
        """Return an SQL boolean expression of the author; a NaN in it reads as null."""
        return self.adapt(parse_condition(text, self.columns))

    def adapt(self, tree: exp.Expression) -> exp.Expression:
        """Return a tree over the table's columns as one over the readable values."""
        return exp.paren(
            tree.transform(lambda node: self.value(node.name) if isinstance(node, exp.Column) else node), copy=False
        )

    def count(self) -> exp.Expression:
        """Return the number of rows."""
        return exp.Count(this=exp.Star())

    def aggregate(self, name: str, column: str) -> exp.Expression:
        """Return ``avg``, ``sum``, ``min``, ``max``, ``stddev_samp`` or ``median`` of a column."""
        value: exp.Expression = self.value(column)
        kind = base_name(self.columns[column])
        if name in ("sum", "avg") and kind in INTEGERS:
            value = pin("wide", value)
        if name == "avg" and kind in (*INTEGERS, "decimal"):
            value = pin("exact", value)
        return cast("exp.Expression", _AGGREGATES[name](this=value))

    def quantile(self, column: str, share: float) -> exp.Expression:
        """Return the exact quantile that is a value of the column."""
        return pin("quantile", self.value(column), exp.Literal.number(share))

    def latest(self, column: str) -> exp.Expression:
        """Return the latest time of a column; a text that is no time is left out."""
        if family(self.columns[column]) == "text":
            return exp.Max(this=try_cast(self.value(column), "string", "timestamptz"))
        return exp.Max(this=self.value(column))


_AGGREGATES: dict[str, type[exp.Func]] = {
    "avg": exp.Avg,
    "sum": exp.Sum,
    "min": exp.Min,
    "max": exp.Max,
    "stddev_samp": exp.StddevSamp,
    "median": exp.Median,
}


def literal(value: Any, kind: str) -> exp.Expression:
    """Return a JSON scalar as a literal that compares with a column of the canonical type ``kind``."""
    if isinstance(value, bool):
        return exp.Boolean(this=value)
    if isinstance(value, int | float):
        number = exp.Literal.number(value)
        return plain_cast(number, "FLOAT") if base_name(kind) == "float" else number
    if family(kind) != "moment":
        return exp.Literal.string(value)
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        return plain_cast(exp.Literal.string(moment.isoformat(sep=" ")), "TIMESTAMPNTZ")
    return plain_cast(exp.Literal.string(moment.isoformat(sep=" ")), "TIMESTAMPTZ")
