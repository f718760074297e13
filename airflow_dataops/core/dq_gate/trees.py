# SPDX-License-Identifier: Apache-2.0
"""Small makers of query trees; what sqlglot types as one of its mixins comes out as an expression."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from sqlglot import exp


def column(name: str, table: str | None = None) -> exp.Column:
    """Return a quoted column."""
    return exp.column(name, table=table, quoted=True)


def named(tree: exp.Expr, name: str) -> exp.Expression:
    """Return ``tree AS "name"``."""
    return cast("exp.Expression", exp.alias_(tree, name, quoted=True))


def all_of(tests: Sequence[exp.Expr]) -> exp.Expression:
    """Return ``a AND b AND …`` of at least one test."""
    return cast("exp.Expression", exp.and_(*tests, copy=False))


def any_of(tests: Sequence[exp.Expr]) -> exp.Expression:
    """Return ``a OR b OR …`` of at least one test."""
    return cast("exp.Expression", exp.or_(*tests, copy=False))


def compared(operator: type[exp.Binary], left: exp.Expr, right: exp.Expr) -> exp.Expression:
    """Return a comparison."""
    return cast("exp.Expression", operator(this=left, expression=right))


def is_null(tree: exp.Expr) -> exp.Is:
    """Return the test for null."""
    return exp.Is(this=tree, expression=exp.Null())


def not_null(tree: exp.Expr) -> exp.Not:
    """Return the test for a value."""
    return exp.Not(this=is_null(tree))


def null_text() -> exp.Expression:
    """Return a null of type text."""
    return exp.cast(exp.Null(), "TEXT")
