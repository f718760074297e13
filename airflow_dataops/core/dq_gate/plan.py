# SPDX-License-Identifier: Apache-2.0
"""The queries of a gate: one select for all predicates and aggregates, one group-by a key, one scan for the bad rows.

All trees read the relation :data:`SOURCE`, a view that the engine has made.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from airflow_dataops.core.dq_gate.row_conditions import compile_row_condition
from airflow_dataops.core.dq_gate.rows import VALUE_PREFIX, Rows
from airflow_dataops.core.dq_gate.rule import Context, KeyRule, RowRule, Rule, TableRule
from airflow_dataops.core.dq_gate.trees import all_of, named
from airflow_dataops.core.errors import SpecError

SOURCE = "source"
DATA = "data"
KEY_PREFIX = "_dataops_key_"
COUNT = "_dataops_count"


@dataclass(frozen=True)
class KeyPlan:
    """One group-by.

    Attributes:
        name: Table that takes the keys that occur more than once, as :data:`KEY_PREFIX` and their number of rows as :data:`COUNT`.
        columns: Columns of the key.
        where: Which rows are grouped; None for all.
        present: Alias in :attr:`GatePlan.fused` of the number of rows that are grouped.
        query: The select that fills the table.
    """

    name: str
    columns: tuple[str, ...]
    where: exp.Expression | None
    present: str
    query: exp.Select


@dataclass(frozen=True)
class Check:
    """One rule in the plan.

    Attributes:
        rule: The rule.
        where: Its row condition as a tree, or None.
        bad: The test that a row breaks it; None for a table rule or a key rule.
        total: Alias of the number of rows that fulfil ``where``; of row rules.
        evaluated: Alias of the number of rows evaluated; of row rules.
        unexpected: Alias of the number of rows that break it; None for a key rule, where the key's groups tell, and for a rule whose bad
            rows are counted where they are put aside.
        values: Name -> alias of the aggregates of a table rule.
        key: The group-by that it needs, or None.
    """

    rule: Rule
    where: exp.Expression | None = None
    bad: exp.Expression | None = None
    total: str | None = None
    evaluated: str | None = None
    unexpected: str | None = None
    values: dict[str, str] = field(default_factory=dict)
    key: KeyPlan | None = None


@dataclass(frozen=True)
class GatePlan:
    """A gate over one table, as data.

    Attributes:
        context: Columns and run time.
        checks: The rules, in the author's order.
        data: The rows to check: the run's slice of the source, with the readable columns beside the raw ones.
        fused: The one select that counts everything: a single row.
        rows: Alias in it of the number of rows.
        nulls: Column -> alias in it of the number of rows with a value.
        keys: The group-bys, those with fewer columns first.
    """

    context: Context
    checks: tuple[Check, ...]
    data: exp.Select
    fused: exp.Select
    rows: str
    nulls: dict[str, str]
    keys: tuple[KeyPlan, ...]

    def implied(self, key: KeyPlan, unique: Sequence[KeyPlan]) -> bool:
        """Return whether a key needs no group-by, since a part of it is known to be unique over all rows.

        Args:
            key: The key in question.
            unique: Keys without repeated values that were grouped over all rows of the table.
        """
        return any(set(other.columns) <= set(key.columns) for other in unique)


def build_plan(
    rules: Sequence[Rule],
    context: Context,
    *,
    slice_test: exp.Expression | None = None,
    profile: bool = True,
    aside: Collection[str] = (),
) -> GatePlan:
    """Return the queries for ``rules`` on a table of known columns.

    Args:
        rules: Rules that :func:`~airflow_dataops.core.dq_gate.parse.check_columns` has no objection to.
        context: Columns of the table and end of the run.
        slice_test: Which rows of the source are the run's; None for all.
        profile: Count the nulls of every column too.
        aside: Ids of the rules whose bad rows are counted where they are put aside, see :func:`counted_aside`.

    Raises:
        SpecError: A rule compares with the run's end, and the run has none (``RUN_WITHOUT_INTERVAL``).
    """
    _check_run(rules, context)
    rows, counted, keys = Rows(context.columns), _Aggregates(), dict[tuple[object, ...], KeyPlan]()
    total = counted.add(rows.count(), "rows")
    data = exp.select(exp.Star(), *rows.readable()).from_(exp.to_table(SOURCE, quoted=True))
    if slice_test is not None:
        data = data.where(slice_test)
    checks = tuple(_check(rule, rows, counted, keys, data, here=rule.id not in aside) for rule in rules)
    nulls = {}
    if profile:
        nulls = {name: counted.add(exp.Count(this=rows.value(name)), f"values_{name}") for name in context.columns}
    fused = exp.select(*counted.selected()).from_(data.subquery(DATA))
    ordered = tuple(sorted(keys.values(), key=lambda key: len(key.columns)))
    return GatePlan(context, checks, data, fused, total, nulls, ordered)


def counted_aside(rules: Sequence[Rule], columns: Collection[str], *, quarantine: bool) -> frozenset[str]:
    """Return the ids of the rules whose bad rows are counted where they are put aside, so that each test runs once a row.

    That one scan reads every column. Where the rules look at less than half of them, it is quicker to count first, and to read
    the whole rows only if there are bad ones.

    Args:
        rules: The rules.
        columns: Columns of the table.
        quarantine: Whether the bad rows of all critical row rules are put aside.
    """
    critical = [rule for rule in rules if isinstance(rule, RowRule) and rule.severity == "critical"]
    tests = [rule for rule in critical if not isinstance(rule, KeyRule)]
    read = {name for rule in tests for name in rule.reads()}
    if not quarantine or 2 * len(read) < len(columns):
        return frozenset()
    return frozenset(rule.id for rule in tests)


def _check(
    rule: Rule,
    rows: Rows,
    counted: _Aggregates,
    keys: dict[tuple[object, ...], KeyPlan],
    data: exp.Select,
    *,
    here: bool,
) -> Check:
    where = None
    if rule.row_condition is not None:
        where = rows.adapt(compile_row_condition(rule.row_condition, rule.condition_parser, rows.columns))
    if isinstance(rule, TableRule):
        values = {
            name: counted.add(_filtered(tree, where), f"{rule.kind}_{name}")
            for name, tree in rule.aggregates(rows).items()
        }
        column = rule.distinct()
        key = None if column is None else _key(keys, [column], _both(where, rows.present(column)), counted, rows, data)
        return Check(rule, where, values=values, key=key)
    if not isinstance(rule, RowRule):
        raise TypeError(f"{type(rule).__name__} is neither a row rule nor a table rule")
    present = _both(where, rule.present(rows))
    total, evaluated = counted.count(where, "rows"), counted.count(present, "evaluated")
    if isinstance(rule, KeyRule):
        key = _key(keys, rule.key(), present, counted, rows, data)
        return Check(rule, where, total=total, evaluated=evaluated, key=key)
    bad = _both(where, rule.bad(rows))
    unexpected = counted.count(bad, f"bad_{rule.kind}") if here else None
    return Check(rule, where, bad=bad, total=total, evaluated=evaluated, unexpected=unexpected)


def _key(
    keys: dict[tuple[object, ...], KeyPlan],
    columns: Sequence[str],
    where: exp.Expression | None,
    counted: _Aggregates,
    rows: Rows,
    data: exp.Select,
) -> KeyPlan:
    identity = (frozenset(columns), None if where is None else where.sql())
    if identity not in keys:
        values = [rows.value(column) for column in columns]
        count = exp.Count(this=exp.Star())
        query = exp.select(*(named(value, f"{KEY_PREFIX}{i}") for i, value in enumerate(values)), named(count, COUNT))
        query = query.from_(data.copy().subquery(DATA)).group_by(*(value.copy() for value in values))
        query = query.having(exp.GT(this=count.copy(), expression=exp.Literal.number(1)))
        if where is not None:
            query = query.where(where.copy())
        keys[identity] = KeyPlan(
            f"repeated_{len(keys)}", tuple(columns), where, counted.count(where, "evaluated"), query
        )
    return keys[identity]


class _Aggregates:
    """Aggregates of the fused select; equal ones share one alias."""

    def __init__(self) -> None:
        self._aliases: dict[str, str] = {}
        self._trees: dict[str, exp.Expression] = {}

    def add(self, tree: exp.Expression, hint: str) -> str:
        """Return the alias of an aggregate."""
        text = tree.sql()
        if text not in self._aliases:
            # Engines fold the case of names, so that `values_a` and `values_A` would be one.
            alias, taken, number = hint, {name.lower() for name in self._trees}, 2
            while alias.lower() in taken:
                alias, number = f"{hint}_{number}", number + 1
            self._aliases[text] = alias
            self._trees[alias] = tree
        return self._aliases[text]

    def count(self, test: exp.Expression | None, hint: str) -> str:
        """Return the alias of the number of rows that fulfil a test; tests on null alone are counted without evaluating them."""
        if test is None:
            return self.add(exp.Count(this=exp.Star()), "rows")
        negated = isinstance(test, exp.Not)
        inner = test.this if negated else test
        if isinstance(inner, exp.Is) and isinstance(inner.expression, exp.Null) and isinstance(inner.this, exp.Column):
            values, name = exp.Count(this=inner.this.copy()), inner.this.name.removeprefix(VALUE_PREFIX)
            if negated:
                return self.add(values, f"values_{name}")
            return self.add(exp.Sub(this=exp.Count(this=exp.Star()), expression=values), f"nulls_{name}")
        return self.add(exp.CountIf(this=test.copy()), hint)

    def selected(self) -> list[exp.Expression]:
        """Return the select list."""
        return [named(tree, alias) for alias, tree in self._trees.items()]


def _check_run(rules: Sequence[Rule], context: Context) -> None:
    late = [rule.id for rule in rules if rule.needs_run_time]
    if late and context.run_time is None:
        raise SpecError(
            f"rule {late[0]!r} compares with the end of the run's data interval, and this run has none",
            hint="trigger the run with a logical date of its schedule, or run `dataops run FILE --date 2024-01-31`",
            code="RUN_WITHOUT_INTERVAL",
        )


def _both(a: exp.Expression | None, b: exp.Expression | None) -> exp.Expression | None:
    if a is None or b is None:
        found = b if a is None else a
        return None if found is None else found.copy()
    return all_of([a.copy(), b.copy()])


def _filtered(aggregate: exp.Expression, where: exp.Expression | None) -> exp.Expression:
    return aggregate if where is None else exp.Filter(this=aggregate, expression=exp.Where(this=where.copy()))


def columns_read(columns: Mapping[str, str], rules: Sequence[Rule]) -> list[str]:
    """Return the columns that rules name directly, in the table's order: what an example of a bad row shows first."""
    named = {name for rule in rules for name in rule.reads()}
    return [name for name in columns if name in named]
