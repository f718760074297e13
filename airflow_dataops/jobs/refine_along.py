# SPDX-License-Identifier: Apache-2.0
"""A refine step that reads its source once: its rows are ranked in one sort, and counted along the way of the one write."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from airflow_dataops.core.refine import dedup
from airflow_dataops.core.refine.names import COUNTED, GOOD, RANKED, ROWS, count_where
from airflow_dataops.core.refine.plan import CleanPlan, TablePlan
from airflow_dataops.core.refine.spec import RefineSpec
from airflow_dataops.engines.base import Along, Engine

_LOSERS = "losers"


def views(
    engine: Engine, along: Along, spec: RefineSpec, plan: CleanPlan, final: TablePlan, columns: Mapping[str, str]
) -> exp.Select:
    """Make the views whose rows are counted when they are written; returns the query to write.

    Args:
        engine: The engine.
        along: Its counting.
        spec: The step.
        plan: What leads to the cleaned rows.
        final: What is written.
        columns: Column -> canonical type of the cleaned rows.
    """
    along.create_view(COUNTED, plan.tally.beside(ROWS), plan.tally.counts)
    engine.create_view(GOOD, plan.good_counted)
    step = spec.clean.dedup
    if step is None:
        return final.query
    along.create_view(RANKED, dedup.ranked_query(step, columns), {_LOSERS: count_where(dedup.loses())})
    return final.of_ranked


def counted(along: Along, spec: RefineSpec) -> tuple[dict[str, int], int] | None:
    """Return what the plan's tally counts, and the rows that lost to others of their key; None where it has to be counted by queries."""
    seen = along.counted()
    if seen is None:
        return None
    return seen[COUNTED], seen[RANKED][_LOSERS] if spec.clean.dedup is not None else 0
