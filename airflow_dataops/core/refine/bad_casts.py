# SPDX-License-Identifier: Apache-2.0
"""The rows that refining puts aside: values that do not cast, and lines that did not decode where no gate took them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlglot import exp

from airflow_dataops.core.dq_gate.bad_rows import LINE, REASON, RULES, Rejected, Stamp
from airflow_dataops.core.refine.cells import Cell
from airflow_dataops.core.refine.names import PLACE, SOURCE, any_of, column, named, table
from airflow_dataops.core.sql.dialects import plain_cast
from airflow_dataops.core.tables import MaskSpec


def source_masks(masks: Mapping[str, MaskSpec], cells: Sequence[Cell]) -> dict[str, MaskSpec]:
    """Return the masks by the names that columns have in the source."""
    old = {cell.name: cell.source for cell in cells if cell.source is not None}
    return {old.get(name) or name: mask for name, mask in masks.items()}


def quarantine_query(
    cells: Sequence[Cell],
    wanted: exp.Expression | None,
    stamp: Stamp,
    *,
    kept: Sequence[exp.Expression],
    casts: bool,
    rejected: Rejected | None,
) -> exp.Query:
    """Return the rows as they are put aside: the source's columns, the casts that failed, the stamp, and where each came from.

    Args:
        cells: The columns with their casts.
        wanted: Which rows of the source are the run's; None for all.
        stamp: What each row is stamped with.
        kept: The source's columns, masked as the quarantine wants them.
        casts: Whether any row has a value that does not cast and is to be put aside.
        rejected: Lines that did not decode; None where there are none, or a gate took them.
    """
    parts: list[exp.Select] = []
    if casts:
        parts.append(_failed_casts(cells, wanted, stamp, kept, with_line=rejected is not None))
    if rejected is not None:
        parts.append(rejected.query(kept, stamp))
    whole: exp.Query = parts[0] if len(parts) == 1 else exp.union(parts[0], parts[1], distinct=False)
    # A rerun writes the same file: the engine may return the rows in any order.
    return exp.select(exp.Star()).from_(whole.subquery("bad")).order_by(*(column(name) for name in PLACE))


def _failed_casts(
    cells: Sequence[Cell],
    wanted: exp.Expression | None,
    stamp: Stamp,
    kept: Sequence[exp.Expression],
    *,
    with_line: bool,
) -> exp.Select:
    failed = {cell.rule: cell.failed for cell in cells if cell.failed is not None and cell.on_error == "quarantine"}
    broken = [exp.Case(ifs=[exp.If(this=test.copy(), true=exp.Literal.string(name))]) for name, test in failed.items()]
    rules = exp.ArrayCompact(this=exp.Array(expressions=broken))
    select = [*(part.copy() for part in kept), named(rules, RULES), *stamp.columns(), *(column(name) for name in PLACE)]
    if with_line:
        select += [named(plain_cast(exp.Null(), "TEXT"), name) for name in (LINE, REASON)]
    query = exp.select(*select).from_(table(SOURCE)).where(any_of([test.copy() for test in failed.values()]))
    return query if wanted is None else query.where(wanted.copy())


def failed_examples(cell: Cell, wanted: exp.Expression | None, count: int = 5) -> exp.Select:
    """Return a few of the values that did not cast, with their places."""
    if cell.failed is None or cell.source is None:
        raise ValueError(f"no value of {cell.name!r} can fail to cast")
    query = exp.select(named(column(cell.source), "value"), *(column(name) for name in PLACE)).from_(table(SOURCE))
    query = query.where(cell.failed.copy())
    query = query if wanted is None else query.where(wanted.copy())
    return query.order_by(*(column(name) for name in PLACE)).limit(count)
