# SPDX-License-Identifier: Apache-2.0
"""Rules on a few rows: what is written in the short form goes through the whole core and DuckDB, and comes back as outcomes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from airflow_dataops.core.dq_gate.parse import check_columns, parse_rules
from airflow_dataops.core.dq_gate.plan import build_plan
from airflow_dataops.core.dq_gate.problems import raise_problems
from airflow_dataops.core.dq_gate.rule import Context
from airflow_dataops.core.dq_gate.spec import RuleOutcome
from airflow_dataops.core.dq_gate.verdict import Repeats, outcomes
from airflow_dataops.core.sql.dialects import render
from airflow_dataops.core.sql.types import from_engine

RUN_TIME = datetime(2024, 2, 1, tzinfo=UTC)
Evaluate = Callable[..., list[RuleOutcome]]


@pytest.fixture(scope="session")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as opened:
        opened.execute("SET TimeZone = 'UTC'")
        yield opened


@pytest.fixture(scope="session")
def evaluate(connection: duckdb.DuckDBPyConnection) -> Evaluate:
    """Return the outcomes of rules on the columns of a table, given as lists or as an Arrow table."""

    def check(
        rules: Sequence[Any],
        table: Mapping[str, Any] | pa.Table,
        *,
        suite: dict[str, Any] | None = None,
        run_time: datetime | None = RUN_TIME,
    ) -> list[RuleOutcome]:
        data = table if isinstance(table, pa.Table) else pa.table(dict(table))
        connection.register("arrow_rows", data)
        connection.execute("CREATE OR REPLACE TEMP TABLE source AS SELECT * FROM arrow_rows")
        described = connection.execute("DESCRIBE source").fetchall()
        columns = {row[0]: from_engine(row[1], "duckdb") for row in described}
        parsed, problems = parse_rules(suite, rules)
        raise_problems([*problems, *check_columns(parsed, columns)])
        plan = build_plan(parsed, Context(columns, run_time))
        seen = connection.sql(render(plan.fused, "duckdb")).to_arrow_table().to_pylist()[0]
        repeats = {}
        for key in plan.keys:
            groups = f"SELECT count(*), coalesce(sum(_dataops_count), 0) FROM ({render(key.query, 'duckdb')})"
            repeats[key.name] = Repeats(*connection.execute(groups).fetchall()[0])
        return outcomes(plan, seen, repeats)

    return check


@pytest.fixture(scope="session")
def one(evaluate: Evaluate) -> Callable[..., RuleOutcome]:
    """Return the outcome of a single rule."""

    def check(rule: Any, table: Mapping[str, Any] | pa.Table, **options: Any) -> RuleOutcome:
        return evaluate([rule], table, **options)[0]

    return check
