# SPDX-License-Identifier: Apache-2.0
"""Why a row does not go on: one cause a row, the first that holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlglot import exp

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.refine.cells import Cell, check_known
from airflow_dataops.core.refine.names import BAD, CAUSE, MOVED, any_of, column, count_all, count_where, named, present
from airflow_dataops.core.refine.spec import CleanSpec
from airflow_dataops.core.sql.expressions import parse_condition

_STOPS_THE_QUERY = "dataops_raise"
# In place of a cause's number, of a row that goes on.
_STAYS = -2


@dataclass(frozen=True)
class Cause:
    """One step that drops rows.

    Attributes:
        label: As results and pages name it: ``drop_nulls(dep_time)``, ``keep_if(distance > 0)``.
        keep: Test that a row stays; null counts as false.
    """

    label: str
    keep: exp.Expression

    @property
    def drops(self) -> exp.Expression:
        """The test that a row leaves; never null."""
        kept = self.keep.copy()
        if isinstance(kept, exp.Not) and isinstance(kept.this, exp.Is):
            return exp.Paren(this=kept.this)
        return exp.Not(this=exp.Coalesce(this=kept, expressions=[exp.false()]))


def causes(clean: CleanSpec, columns: Mapping[str, str]) -> list[Cause]:
    """Return the causes in their order: ``drop_nulls``, then ``keep_if``.

    Args:
        clean: The steps.
        columns: Column -> canonical type, as they are by then.

    Raises:
        SpecError: A name or an expression is wrong (``UNKNOWN_COLUMN``, ``BAD_EXPRESSION``, ``UNKNOWN_FUNCTION``, …).
    """
    check_known("clean.drop_nulls", clean.drop_nulls, columns)
    found = [Cause(f"drop_nulls({name})", present(column(name))) for name in dict.fromkeys(clean.drop_nulls)]
    for text in dict.fromkeys(clean.keep_if):
        try:
            found.append(Cause(f"keep_if({text.strip()})", parse_condition(text, columns)))
        except SpecError as error:
            raise SpecError(
                f"clean.keep_if: {error.message}", hint=error.hint, code=error.code, details=error.details
            ) from error
    return found


def stays(found: Sequence[Cause], cells: Sequence[Cell]) -> exp.Expression | None:
    """Return the test that a row goes on; None where all do."""
    unspoilt = _unspoilt(cells)
    # A cast within keep_if may stop the query; it must not see rows that an earlier cause has dropped, and engines reorder an AND.
    if any(_STOPS_THE_QUERY in str(node.this) for cause in found for node in cause.keep.find_all(exp.Anonymous)):
        branches = [
            exp.If(this=test, true=exp.false()) for test in [*_spoilt(cells), *(cause.drops for cause in found)]
        ]
        return exp.Case(ifs=branches, default=exp.true())
    tests = [*unspoilt, *(cause.keep.copy() for cause in found)]
    if not tests:
        return None
    folded = tests[0]
    for test in tests[1:]:
        folded = exp.And(this=folded, expression=test)
    return folded


def flag(index: int) -> str:
    """Return the column that says whether the cast of the cell at ``index`` failed."""
    return f"{BAD}{index}"


@dataclass(frozen=True)
class Tally:
    """What is counted of the rows after casts, trim and fill.

    Attributes:
        columns: What the counts need beside the columns of the rows: the cause of each row, say.
        flags: Columns of the rows that they read.
        counts: Name -> aggregate: ``rows``, ``quarantined``, ``bad_<cell>``, ``dropped_<cause>`` and ``moved``.
    """

    columns: list[exp.Expression]
    flags: list[exp.Expression]
    counts: dict[str, exp.Expression]

    def query(self, rows: str) -> exp.Select:
        """Return one row of the counts of a relation."""
        inner = exp.select(*self.flags, *self.columns).from_(exp.to_table(rows, quoted=True))
        return exp.select(*(named(tree, name) for name, tree in self.counts.items())).from_(inner.subquery("counted"))

    def beside(self, rows: str) -> exp.Select:
        """Return the rows of a relation with what the counts need."""
        return exp.select(exp.Star(), *self.columns).from_(exp.to_table(rows, quoted=True))


def tally(cells: Sequence[Cell], found: Sequence[Cause], moved: exp.Expression | None) -> Tally:
    """Return what is counted.

    Args:
        cells: Columns of the rows, each with a flag where its cast can fail.
        found: The causes.
        moved: Test that a row has left the run's slice by its cleaning; None where none can.
    """
    failing = [index for index, cell in enumerate(cells) if cell.failed is not None]
    branches = [exp.If(this=test, true=exp.Literal.number(-1)) for test in _spoilt(cells)]
    branches += [exp.If(this=cause.drops, true=exp.Literal.number(place)) for place, cause in enumerate(found)]
    cause: exp.Expression = (
        exp.Case(ifs=branches, default=exp.Literal.number(_STAYS)) if branches else exp.Literal.number(_STAYS)
    )
    columns: list[exp.Expression] = [named(cause, CAUSE)]
    counts = {"rows": count_all(), "quarantined": count_where(_is_cause(-1))}
    counts |= {f"bad_{index}": count_where(column(flag(index))) for index in failing}
    counts |= {f"dropped_{place}": count_where(_is_cause(place)) for place in range(len(found))}
    if moved is not None:
        columns.append(named(moved, MOVED))
        counts["moved"] = count_where(exp.And(this=still_there(), expression=column(MOVED)))
    return Tally(columns, [column(flag(index)) for index in failing], counts)


def still_there() -> exp.Expression:
    """Return the test, beside the columns of a :class:`Tally`, that a row goes on."""
    return _is_cause(_STAYS)


def _is_cause(number: int) -> exp.Expression:
    return exp.EQ(this=column(CAUSE), expression=exp.Literal.number(number))


def _spoilt(cells: Sequence[Cell]) -> list[exp.Expression]:
    flags = [
        column(flag(i)) for i, cell in enumerate(cells) if cell.failed is not None and cell.on_error == "quarantine"
    ]
    return [any_of(flags)] if flags else []


def _unspoilt(cells: Sequence[Cell]) -> list[exp.Expression]:
    return [exp.Not(this=test) for test in _spoilt(cells)]
