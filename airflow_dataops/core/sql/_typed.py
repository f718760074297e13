# SPDX-License-Identifier: Apache-2.0
"""A compiled piece of an expression, and what is worked out about it without an engine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlglot import exp

from airflow_dataops.core.sql import types
from airflow_dataops.core.sql.dialects import plain_cast


@dataclass(frozen=True)
class Typed:
    """A compiled tree and what it gives.

    Attributes:
        tree: The tree.
        type: Canonical type; None where it is not known.
        literal: True for a text, number or null that stands in the expression itself.
    """

    tree: exp.Expression
    type: str | None
    literal: bool = False

    @property
    def kind(self) -> str | None:
        """``boolean``, ``number``, ``string``, ``temporal`` or ``other``; None where unknown, also for null."""
        if self.type is None or self.type == "boolean":
            return self.type
        tests = (("number", types.is_numeric), ("string", types.is_text), ("temporal", types.is_temporal))
        return next((name for name, test in tests if test(self.type)), "other")


def offset_of(node: exp.Expr) -> int:
    """Return where a node begins in the author's text, in characters from 0."""
    return min((part.meta["start"] for part in node.walk() if "start" in part.meta), default=0)


def first_type(values: list[Typed]) -> str | None:
    """Return the widest type among values that are mixed; literals count only where there is nothing else."""
    known = [value.type for value in values if value.type is not None and not value.literal]
    loose = [value.type for value in values if value.type is not None]
    ranked: str | None = None
    for kind in known or loose:
        ranked = kind if ranked is None else wider(ranked, kind)
    return ranked


def wider(left: str | None, right: str | None) -> str | None:
    """Roughly what two types give together: enough to check with, while the engine says the real one."""
    order = [*types.INTEGERS, "decimal", "float", "double", "date", "timestamp", "timestamptz"]
    if left is None or right is None:
        return left or right
    rank = {name: place for place, name in enumerate(order)}
    return max((left, right), key=lambda name: rank.get(types.base_name(name), -1))


def refusal(node: exp.Expr) -> str:
    """Return why a node is not part of the language."""
    named = {
        exp.Subquery: "a subquery",
        exp.Select: "a subquery",
        exp.Exists: "a subquery",
        exp.Window: "a window function",
        exp.IntDiv: "// (write floor(a / b))",
        exp.Star: "*",
        exp.RegexpLike: "~ (write regexp_matches(a, '…'))",
        exp.Interval: "an interval on its own",
    }
    return f"{named.get(type(node), type(node).__name__)} is not part of expressions"


def moment_literal(text: str, kind: str) -> Typed:
    """Return an ISO text as a literal of a temporal type, in UTC.

    Args:
        text: ``2024-01-31``, ``2024-01-31 12:00:00``, ``2024-01-31T12:00:00+02:00``.
        kind: ``date``, ``timestamp`` or ``timestamptz``; a text with a time makes a date a timestamp.

    Raises:
        ValueError: It is not ISO 8601.
    """
    value = datetime.fromisoformat(text)
    if kind == "date" and len(text) == len("2024-01-31"):
        return Typed(plain_cast(exp.Literal.string(value.date().isoformat()), "DATE"), "date")
    if value.tzinfo is not None:
        value = value.astimezone(UTC).replace(tzinfo=None)
    naive = plain_cast(exp.Literal.string(value.isoformat(sep=" ")), "TIMESTAMPNTZ")
    if kind == "timestamptz":
        return Typed(plain_cast(naive, "TIMESTAMPTZ"), kind)
    return Typed(naive, "timestamp")
