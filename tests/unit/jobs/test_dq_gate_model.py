# SPDX-License-Identifier: Apache-2.0
"""The gate against a model in plain Python, over random tables: nulls, NaN, texts of all scripts, integers beyond 53 bits."""

from __future__ import annotations

import math
import statistics
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, given, settings

from tests.unit.jobs.gate import GateLake, bad_rows, outcome
from tests.unit.jobs.gate_model import (
    KEYS,
    ROW_RULES,
    TABLES,
    Row,
    expected,
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=TABLES)
def test_counts_bad_rows_and_aggregates_are_those_of_the_model(
    tmp_path_factory: Any, table: list[tuple[Any, ...]]
) -> None:
    rows: list[Row] = [dict(zip("ijft", values, strict=True)) for values in table]
    lake = GateLake(tmp_path_factory.mktemp("lake"))
    types = {"i": pa.int64(), "j": pa.int64(), "f": pa.float64(), "t": pa.string()}
    lake.write(pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in types.items()}))
    rules = [{**rule, "id": f"r{number}"} for number, rule in enumerate([rule for rule, _ in [*ROW_RULES, *KEYS]])]
    aggregates: list[dict[str, Any]] = [
        {"distinct_count": ["t", 0, None], "id": "distinct", "severity": "info"},
        {"sum": ["i", 0, None], "id": "sum", "severity": "info"},
        {"median": ["j", 0, None], "id": "median", "severity": "info"},
    ]
    result = lake.gate([*rules, *aggregates], examples=3)
    model = expected(rows)
    for number, said in enumerate(model):
        found = outcome(result, f"r{number}")
        assert (found.evaluated, found.missing) == (len(said) - said.count(None), said.count(None)), found
        assert found.unexpected == said.count(False), found
        assert [row["_dataops_source_row"] for row in found.examples] == [
            place for place, good in enumerate(said) if good is False
        ][:3]
    broken = {
        place: [f"r{number}" for number, said in enumerate(model) if said[place] is False] for place in range(len(rows))
    }
    aside = (
        {}
        if result.quarantine_uri is None
        else {row["_dataops_source_row"]: row["_dataops_rules"] for row in bad_rows(result.quarantine_uri)}
    )
    assert aside == {place: ids for place, ids in broken.items() if ids}
    assert result.rows.quarantined == len(aside)
    integers = [row["i"] for row in rows if row["i"] is not None]
    others = [row["j"] for row in rows if row["j"] is not None]
    assert outcome(result, "distinct").observed == len({row["t"] for row in rows} - {None})
    assert outcome(result, "sum").observed == (sum(integers) if integers else None)
    median = outcome(result, "median").observed
    assert (median is None) == (not others)
    if others:
        # A median between two values is a double on every engine.
        assert math.isclose(median, statistics.median(others), abs_tol=1e-12 * max(map(abs, others)))
