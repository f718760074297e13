# SPDX-License-Identifier: Apache-2.0
"""The queries for rows that break rules: those that are put aside, and a few of each rule as examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from airflow_dataops.core.dq_gate.plan import COUNT, DATA, KEY_PREFIX, Check, GatePlan
from airflow_dataops.core.dq_gate.rows import Rows
from airflow_dataops.core.dq_gate.trees import all_of, any_of, column, named, not_null, null_text
from airflow_dataops.core.sql.dialects import pin
from airflow_dataops.core.tables import SOURCE_FILE, SOURCE_ROW

RULES = "_dataops_rules"
LINE = "_dataops_line"
REASON = "_dataops_reason"
DECODE = "decode"
_FLAG = "_dataops_bad_"
_FLAGGED = "flagged"


@dataclass(frozen=True)
class Stamp:
    """What every bad row is stamped with; the same for every try of a run.

    Attributes:
        run_key: Key of the run.
        pipeline: Name of the pipeline.
        task: Id of the gate's task.
        time: End of the run's data interval as ISO text, UTC; None where it has none.
    """

    run_key: str
    pipeline: str
    task: str
    time: str | None

    def columns(self) -> list[exp.Expression]:
        """Return the stamp as a select list."""
        texts = {"_dataops_run_key": self.run_key, "_dataops_pipeline": self.pipeline, "_dataops_task": self.task}
        made: list[exp.Expression] = [named(exp.Literal.string(text), name) for name, text in texts.items()]
        moment: exp.Expression = exp.Null() if self.time is None else exp.Literal.string(self.time)
        made.append(named(exp.cast(moment, "TIMESTAMPTZ"), "_dataops_time"))
        return made


def flagged(plan: GatePlan, broken: Sequence[Check]) -> exp.Select:
    """Return the rows to check with one boolean column a rule, true where the row breaks it.

    Args:
        plan: The gate.
        broken: Row rules that some row breaks; the tables of their keys have been filled.
    """
    rows = Rows(plan.context.columns)
    query = exp.select(_all_of(DATA)).from_(plan.data.copy().subquery(DATA))
    joined: set[str] = set()
    for index, check in enumerate(broken):
        if check.key is None:
            test = check.bad
        else:
            test = not_null(column(COUNT, check.key.name))
            if check.key.where is not None:
                test = all_of([check.key.where.copy(), test])
            if check.key.name not in joined:
                joined.add(check.key.name)
                same = [
                    exp.NullSafeEQ(this=column(f"{KEY_PREFIX}{i}", check.key.name), expression=rows.value(name))
                    for i, name in enumerate(check.key.columns)
                ]
                query = query.join(exp.to_table(check.key.name, quoted=True), on=all_of(same), join_type="left")
        if test is None:
            raise ValueError(f"rule {check.rule.id!r} has no test for a row")
        query = query.select(named(test.copy(), f"{_FLAG}{index}"), copy=False)
    return query


def flags(broken: Sequence[Check]) -> dict[str, exp.Expression]:
    """Return rule id -> its test over the rows of :func:`flagged`."""
    return {check.rule.id: column(f"{_FLAG}{index}") for index, check in enumerate(broken)}


def quarantine_query(
    plan: GatePlan,
    broken: Sequence[Check],
    stamp: Stamp,
    *,
    kept: Sequence[exp.Expression],
    rejected: Rejected | None = None,
) -> exp.Query:
    """Return the rows that break at least one of ``broken``, as they are put aside.

    Args:
        plan: The gate.
        broken: Critical row rules that some row breaks.
        stamp: What each row is stamped with.
        kept: The source's columns, each as it is kept (masked or not); :func:`~.masking.kept_columns` makes them.
        rejected: Lines that did not decode, to be put aside too.
    """
    parts: list[exp.Select] = []
    if broken:
        names = [
            exp.Case(ifs=[exp.If(this=flag, true=exp.Literal.string(name))]) for name, flag in flags(broken).items()
        ]
        rules = exp.ArrayCompact(this=exp.Array(expressions=names))
        select = [*(tree.copy() for tree in kept), named(rules, RULES), *stamp.columns(), *_place()]
        if rejected is not None:
            select += [named(null_text(), LINE), named(null_text(), REASON)]
        query = exp.select(*select).from_(flagged(plan, broken).subquery(_FLAGGED))
        parts.append(query.where(any_of(list(flags(broken).values()))))
    if rejected is not None:
        parts.append(rejected.query(kept, stamp))
    if not parts:
        raise ValueError("no rule is broken and no line was rejected: there is nothing to put aside")
    whole: exp.Query = parts[0] if len(parts) == 1 else exp.union(parts[0], parts[1], distinct=False)
    # A rerun writes the same file: the engine may return the rows in any order.
    return exp.select(exp.Star()).from_(whole.subquery("bad")).order_by(*_place())


@dataclass(frozen=True)
class Rejected:
    """Lines that could not be decoded.

    Attributes:
        relation: View of them.
        with_text: Keep the line itself; False where columns are masked, since a raw line shows them all.
    """

    relation: str
    with_text: bool

    def query(self, kept: Sequence[exp.Expression], stamp: Stamp) -> exp.Select:
        """Return the lines in the columns of the other bad rows."""
        empty = [named(exp.Null(), tree.alias_or_name) for tree in kept]
        rules = exp.Array(expressions=[exp.Literal.string(DECODE)])
        line = column("line") if self.with_text else null_text()
        texts = [named(line, LINE), named(column("reason"), REASON)]
        select = [*empty, named(rules, RULES), *stamp.columns(), *_place(), *texts]
        return exp.select(*select).from_(exp.to_table(self.relation, quoted=True))


def positions_query(relation: exp.Query, tests: Mapping[str, exp.Expression], count: int) -> exp.Select:
    """Return one row: for each rule, the places of the first ``count`` rows that break it, named ``e0``, ``e1`` and so on.

    Args:
        relation: Rows that hold the two source columns.
        tests: Rule id -> test that a row breaks it.
        count: Number of places a rule.
    """
    place = exp.Struct(
        expressions=[
            exp.PropertyEQ(this=exp.to_identifier("file"), expression=column(SOURCE_FILE)),
            exp.PropertyEQ(this=exp.to_identifier("row"), expression=column(SOURCE_ROW)),
        ]
    )
    found = [
        named(pin("lowest", place.copy(), exp.Literal.number(count), test.copy()), f"e{index}")
        for index, test in enumerate(tests.values())
    ]
    return exp.select(*found).from_(relation.subquery("rows"))


def lookup_query(relation: exp.Query, places: Sequence[tuple[str, int]], kept: Sequence[exp.Expression]) -> exp.Select:
    """Return the rows at some places, with the two source columns.

    Args:
        relation: Rows that hold the two source columns.
        places: File and row.
        kept: Columns as they may be shown.
    """
    files: dict[str, list[int]] = {}
    for file, row in places:
        files.setdefault(file, []).append(row)
    tests = []
    for file, rows in sorted(files.items()):
        numbers = [exp.Literal.number(row) for row in sorted(set(rows))]
        here = exp.EQ(this=column(SOURCE_FILE), expression=exp.Literal.string(file))
        tests.append(all_of([here, exp.In(this=column(SOURCE_ROW), expressions=numbers)]))
    select = [*(tree.copy() for tree in kept), *_place()]
    return exp.select(*select).from_(relation.subquery("rows")).where(any_of(tests))


def counts_query(relation: str, rule_ids: Sequence[str]) -> exp.Select:
    """Return, as ``n0``, ``n1`` …, how many of the rows that were put aside break each rule."""
    tests = named_in(rule_ids).values()
    counted = [named(exp.CountIf(this=test), f"n{index}") for index, test in enumerate(tests)]
    return exp.select(*counted).from_(exp.to_table(relation, quoted=True))


def named_in(rule_ids: Sequence[str]) -> dict[str, exp.Expression]:
    """Return rule id -> test over rows that were put aside."""
    return {name: exp.ArrayContains(this=column(RULES), expression=exp.Literal.string(name)) for name in rule_ids}


def _place() -> list[exp.Expression]:
    return [column(SOURCE_FILE), column(SOURCE_ROW)]


def _all_of(table: str) -> exp.Column:
    return exp.Column(this=exp.Star(), table=exp.to_identifier(table, quoted=True))
