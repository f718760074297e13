# SPDX-License-Identifier: Apache-2.0
"""The SQL of a refine step, for its author's eyes."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from airflow_dataops.core.refine import dedup
from airflow_dataops.core.refine.names import COUNTED, GOOD, LOSERS, RANKED, REPEATED, ROWS, named, table
from airflow_dataops.core.refine.plan import CleanPlan, TablePlan, clean_plan, table_plan
from airflow_dataops.core.refine.spec import RefineSpec
from airflow_dataops.core.sql.dialects import Dialect, render

_Steps = list[tuple[str, exp.Query]]


def refine_sql(
    spec: RefineSpec,
    columns: Mapping[str, str],
    published: Mapping[str, str] | None = None,
    *,
    dialect: Dialect = "duckdb",
) -> list[str]:
    """Return the SQL texts that a refine step runs, in their order, each under a comment that names its relation.

    Spark reads its source once: it ranks duplicates, and counts along the write. Salts are shown as ``<salt>``. Types of derived columns
    are worked out without an engine here.

    Args:
        spec: The step.
        columns: Column -> canonical type of the source.
        published: Column -> type of the published table; None where there is none.
        dialect: ``duckdb`` or ``spark``.

    Raises:
        SpecError: The spec does not fit the columns.
        InputError: The columns have changed in a way that the policy forbids.
    """
    plan = clean_plan(spec, columns, published, excluded=bool(spec.exclude))
    once = dialect == "spark"
    final = table_plan(spec, plan, plan.columns, published, deduplicated=spec.clean.dedup is not None and not once)
    steps = _in_one_pass(spec, plan, final) if once else _one_by_one(spec, plan, final)
    return [f"-- {name}\n{render(query, dialect)}" for name, query in [(ROWS, plan.rows), *steps]]


def _one_by_one(spec: RefineSpec, plan: CleanPlan, final: TablePlan) -> _Steps:
    steps: _Steps = [(GOOD, plan.good), *_lost(plan), ("rows by cause", plan.tally.query(ROWS))]
    if spec.clean.dedup is not None:
        steps.append((REPEATED, dedup.repeated_query(spec.clean.dedup)))
        steps.append((LOSERS, dedup.losers_query(spec.clean.dedup, plan.columns)))
    return [*steps, (_files(spec), final.query)]


def _in_one_pass(spec: RefineSpec, plan: CleanPlan, final: TablePlan) -> _Steps:
    """Return what :mod:`airflow_dataops.jobs.refine_along` runs."""
    steps: _Steps = [(COUNTED, plan.tally.beside(ROWS)), (GOOD, plan.good_counted)]
    step = spec.clean.dedup
    if step is not None:
        steps.append((RANKED, dedup.ranked_query(step, plan.columns)))
    counts = exp.select(*(named(tree, name) for name, tree in plan.tally.counts.items())).from_(table(COUNTED))
    steps.append((_files(spec), final.query if step is None else final.of_ranked))
    return [*steps, ("rows by cause, counted along the write", counts), *_lost(plan)]


def _lost(plan: CleanPlan) -> _Steps:
    return [] if plan.lost is None else [("rows that belong to no run", plan.lost)]


def _files(spec: RefineSpec) -> str:
    return f"the files of {spec.target.path}"
