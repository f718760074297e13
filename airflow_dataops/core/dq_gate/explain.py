# SPDX-License-Identifier: Apache-2.0
"""The SQL of a gate, for its author's eyes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC

from sqlglot import exp

from airflow_dataops.core.dq_gate.bad_rows import Stamp, quarantine_query
from airflow_dataops.core.dq_gate.plan import build_plan
from airflow_dataops.core.dq_gate.rule import Context, RowRule, Rule
from airflow_dataops.core.dq_gate.trees import column
from airflow_dataops.core.run import RunContext
from airflow_dataops.core.sql.dialects import Dialect, render


def gate_sql(
    rules: Sequence[Rule],
    columns: Mapping[str, str],
    *,
    run: RunContext,
    slice_test: exp.Expression | None = None,
    dialect: Dialect = "duckdb",
    aside: Collection[str] = (),
) -> list[str]:
    """Return the SQL texts that a gate runs, in their order.

    The last one writes the rows that break critical rules; at run time it holds only the rules that some row broke.

    Args:
        rules: Rules that fit the columns.
        columns: Column -> canonical type.
        run: The run, for the stamp of bad rows.
        slice_test: Which rows are the run's; None for all.
        dialect: ``duckdb`` or ``spark``.
        aside: Ids of the rules whose bad rows are counted where they are put aside.
    """
    end = run.interval_end
    context = Context(columns, end.astimezone(UTC) if end else None)
    plan = build_plan(rules, context, slice_test=slice_test, aside=aside)
    queries: list[exp.Expr] = [plan.fused, *(key.query for key in plan.keys)]
    critical = [check for check in plan.checks if isinstance(check.rule, RowRule) and check.rule.severity == "critical"]
    if critical:
        stamp = Stamp(run.key, run.pipeline, "gate", end.isoformat() if end else None)
        queries.append(quarantine_query(plan, critical, stamp, kept=[column(name) for name in columns]))
    return [render(query, dialect) for query in queries]
