# SPDX-License-Identifier: Apache-2.0
"""Names of the relations and columns that refining makes, and small trees of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlglot import exp

from airflow_dataops.core.sql.casts import is_null
from airflow_dataops.core.tables import SOURCE_FILE, SOURCE_ROW

SOURCE = "dataops_source"
EXCLUDED = "dataops_excluded"
ROWS = "dataops_rows"
COUNTED = "dataops_counted"
GOOD = "dataops_good"
REPEATED = "dataops_repeated"
LOSERS = "dataops_losers"
RANKED = "dataops_ranked"

BAD = "_dataops_bad_"
CAUSE = "_dataops_cause"
MOVED = "_dataops_moved"
RANK = "_dataops_rank"
PLACE = (SOURCE_FILE, SOURCE_ROW)


def column(name: str, table: str | None = None) -> exp.Column:
    """Return a quoted column."""
    return exp.column(name, table=table, quoted=True)


def table(name: str) -> exp.Table:
    """Return a quoted relation."""
    return exp.to_table(name, quoted=True)


def named(tree: exp.Expression, name: str) -> exp.Alias:
    """Return ``tree AS "name"``."""
    return exp.Alias(this=tree, alias=exp.to_identifier(name, quoted=True))


def present(tree: exp.Expression) -> exp.Expression:
    """Return the test that a value is not null."""
    return exp.Not(this=is_null(tree))


def count_where(test: exp.Expression) -> exp.Expression:
    """Return the number of rows that fulfil a test."""
    return exp.Count(this=exp.Case(ifs=[exp.If(this=test, true=exp.Literal.number(1))]))


def count_all() -> exp.Expression:
    """Return the number of rows."""
    return exp.Count(this=exp.Star())


def all_of(tests: Sequence[exp.Expression]) -> exp.Expression:
    """Return ``(a AND b AND …)`` of at least one test."""
    folded = tests[0]
    for test in tests[1:]:
        folded = exp.And(this=folded, expression=test)
    return exp.Paren(this=folded)


def any_of(tests: Sequence[exp.Expression]) -> exp.Expression:
    """Return ``(a OR b OR …)`` of at least one test."""
    folded = tests[0]
    for test in tests[1:]:
        folded = exp.Or(this=folded, expression=test)
    return exp.Paren(this=folded)


def equal(left: str, right: str, columns: Iterable[str], *, null_equal: bool = False) -> exp.Expression:
    """Return the test that two relations agree on columns."""
    kind = exp.NullSafeEQ if null_equal else exp.EQ
    return all_of([kind(this=column(name, left), expression=column(name, right)) for name in columns])


def absent_from(relation: str, outer: str, columns: Sequence[str] = PLACE) -> exp.Expression:
    """Return the test that ``relation`` holds no row with the same values of ``columns``."""
    inner = exp.select(exp.Literal.number(1)).from_(table(relation)).where(equal(relation, outer, columns))
    return exp.Not(this=exp.Exists(this=inner))
