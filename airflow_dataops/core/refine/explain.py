# SPDX-License-Identifier: Apache-2.0
"""The SQL of a refine step, for its author's eyes."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from airflow_dataops.core.refine import dedup
from airflow_dataops.core.refine.names import GOOD, LOSERS, REPEATED, ROWS
from airflow_dataops.core.refine.plan import clean_plan, table_plan
from airflow_dataops.core.refine.spec import RefineSpec
from airflow_dataops.core.sql.dialects import Dialect, render


def refine_sql(
    spec: RefineSpec,
    columns: Mapping[str, str],
    published: Mapping[str, str] | None = None,
    *,
    dialect: Dialect = "duckdb",
) -> list[str]:
    """Return the SQL texts that a refine step runs, in their order, each under a comment that names its relation.

    Salts are shown as ``<salt>``. Types of derived columns are worked out without an engine here.

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
    steps: list[tuple[str, exp.Query]] = [(ROWS, plan.rows), (GOOD, plan.good)]
    if plan.lost is not None:
        steps.append(("rows that belong to no run", plan.lost))
    steps.append(("rows by cause", plan.tally.query(ROWS)))
    if spec.clean.dedup is not None:
        steps.append((REPEATED, dedup.repeated_query(spec.clean.dedup)))
        steps.append((LOSERS, dedup.losers_query(spec.clean.dedup, plan.columns)))
    table = table_plan(spec, plan, plan.columns, published, deduplicated=spec.clean.dedup is not None)
    steps.append((f"the files of {spec.target.path}", table.query))
    return [f"-- {name}\n{render(query, dialect)}" for name, query in steps]
