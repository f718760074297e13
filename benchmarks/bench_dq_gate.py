# SPDX-License-Identifier: Apache-2.0
"""The gate against hand-written DuckDB SQL over the same file: 12 columns, 14 rules.

    python benchmarks/bench_dq_gate.py [--rows 5000000] [--rounds 3] [--smoke]

The floor is what a person would write: one scan for all counts, one group-by for the key, and one copy of the bad rows. Rounds are
interleaved, each side with a new connection; the medians of wall and CPU time and
their ratios are printed. Both sides must agree on every count.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import duckdb

from airflow_dataops.core.dq_gate.spec import GateResult, GateSpec
from airflow_dataops.core.run import RunContext
from airflow_dataops.core.tables import FullSlice, SourceSpec
from airflow_dataops.jobs.dq_gate import run

RULES: list[dict[str, Any]] = [
    {"row_count": {"min": 1}},
    {"not_null": "event_id"},
    {"not_null": "email"},
    {"not_null": "age", "mostly": 0.99, "severity": "warning"},
    {"between": ["amount", 0.5, 999.9]},
    {"between": ["quantity", 0, 98]},
    {"between": ["age", 10, 98]},
    {"in_set": ["region", ["EU", "US", "APAC"]]},
    {"regex": ["email", "^[^@]+@[a-z]+[.]com$"]},
    {"length_between": ["sku", 9, 9]},
    {"column_a_greater_than_b": {"a": "shipped_at", "b": "ordered_at", "or_equal": True}},
    {"compound_unique": ["event_id", "user_id"]},
    {"mean": ["amount", 400, 600]},
    {"distinct_count": ["region", 3, 3]},
]
BAD = {
    "not_null(email)": "email IS NULL",
    "between(amount)": "amount < 0.5 OR amount > 999.9",
    "between(quantity)": "quantity < 0 OR quantity > 98",
    "between(age)": "age < 10 OR age > 98",
    "in_set(region)": "region NOT IN ('EU', 'US', 'APAC')",
    "regex(email)": "NOT regexp_matches(email, '^[^@]+@[a-z]+[.]com$')",
    "length_between(sku)": "length(sku) <> 9",
    "column_a_greater_than_b(shipped_at, ordered_at)": "NOT shipped_at >= ordered_at",
    "not_null(event_id)": "event_id IS NULL",
}


def generate(path: str, rows: int, seed: int = 7) -> None:
    """Write the table: about one row in 500 is bad, and one key in 100,000 occurs twice."""

    def pick(number: int, below: int) -> str:
        return f"(hash(i * 31 + {seed * 1000 + number}) % {below})"

    duckdb.sql(f"""COPY (SELECT
        CASE WHEN i % 100000 = 99999 THEN i - 1 ELSE i END::BIGINT AS event_id,
        CASE WHEN i % 100000 >= 99998 THEN 7 ELSE {pick(1, 1000000)} END::BIGINT AS user_id,
        CASE WHEN {pick(2, 2000)} = 0 THEN NULL WHEN {pick(3, 5000)} = 0 THEN 'nobody'
             ELSE 'user' || {pick(4, 100000)} || '@example.com' END AS email,
        ({pick(5, 100000)} / 100.0 + CASE WHEN {pick(6, 5000)} = 0 THEN 1000 ELSE 0.5 END)::DOUBLE AS amount,
        ['EU', 'US', 'APAC'][1 + {pick(7, 3)}::INT] AS region,
        TIMESTAMP '2024-01-01' + to_seconds({pick(8, 8640000)}::BIGINT) AS ordered_at,
        TIMESTAMP '2024-01-01' + to_seconds(({pick(8, 8640000)} + CASE WHEN {pick(9, 9000)} = 0 THEN -60 ELSE 3600 END)::BIGINT)
            AS shipped_at,
        ({pick(10, 99)} + CASE WHEN {pick(11, 7000)} = 0 THEN 99 ELSE 0 END)::INT AS quantity,
        'SKU-' || lpad({pick(12, 10000)}::VARCHAR, 5, '0') || CASE WHEN {pick(13, 6000)} = 0 THEN 'x' ELSE '' END AS sku,
        {pick(14, 1000)}::DOUBLE AS score,
        CASE WHEN {pick(15, 500)} = 0 THEN NULL ELSE 10 + {pick(16, 89)} END::INT AS age,
        'note ' || {pick(17, 100000)} AS note
        FROM range({rows}) AS t(i)) TO '{path}' (FORMAT parquet, COMPRESSION zstd)""")


def gate(path: str, lake: str, threads: int, on_failure: str) -> GateResult:
    """Run the gate as its job does, without the start of a process."""
    spec = GateSpec(
        task="gate",
        lake=lake,
        run=RunContext(pipeline="bench", key="one"),
        source=SourceSpec(path=path),
        slice=FullSlice(),
        rules=RULES,
        on_failure="quarantine" if on_failure == "quarantine" else "warn",
        examples=5 if on_failure == "quarantine" else 0,
        resources={"threads": threads},
    )
    return run(spec, progress=lambda _line: None)


def by_hand(path: str, lake: str, threads: int, on_failure: str) -> dict[str, int]:
    """Do the same work in SQL as a person would write it."""
    connection = duckdb.connect(config={"threads": threads, "preserve_insertion_order": False})
    source = f"read_parquet('{path}', filename = true, file_row_number = true)"
    names = [row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM '{path}'").fetchall()]
    counts = ", ".join(f"count_if({test})" for test in BAD.values())
    nulls = ", ".join(f"count({name})" for name in names)
    scan = connection.execute(f"SELECT {counts}, count(*), avg(amount), {nulls} FROM '{path}'").fetchone()
    connection.execute(f"""CREATE TEMP TABLE repeated AS SELECT event_id AS e, user_id AS u, count(*) AS n FROM '{path}'
        GROUP BY ALL HAVING count(*) > 1""")
    repeated = connection.execute("SELECT coalesce(sum(n), 0) FROM repeated").fetchone()
    connection.execute(f"SELECT region, count(*) FROM '{path}' GROUP BY ALL").fetchall()
    found = dict(zip(BAD, scan or (), strict=False))
    found["compound_unique(event_id, user_id)"] = int(repeated[0]) if repeated else 0
    if on_failure == "quarantine":
        rules = ", ".join(f"CASE WHEN {test} THEN '{name}' END" for name, test in BAD.items())
        bad = " OR ".join(f"({test})" for test in BAD.values())
        connection.execute(f"""COPY (SELECT s.*, list_filter([{rules}, CASE WHEN r.n IS NOT NULL THEN 'compound_unique' END],
            lambda x: x IS NOT NULL) AS rules FROM {source} s LEFT JOIN repeated r
            ON s.event_id = r.e AND s.user_id = r.u WHERE {bad} OR r.n IS NOT NULL)
            TO '{lake}/by_hand.parquet' (FORMAT parquet, COMPRESSION zstd)""")
    connection.close()
    return found


@dataclass(frozen=True)
class Taken:
    """What a call took, in seconds."""

    wall: float
    cpu: float


def timed(work: Callable[..., Any], *args: Any) -> tuple[Taken, Any]:
    """Return what a call took, and what it returned."""
    gc.collect()
    start, cpu = time.perf_counter(), time.process_time()
    result = work(*args)
    return Taken(time.perf_counter() - start, time.process_time() - cpu), result


def compare(path: str, lake: str, threads: int, rounds: int, on_failure: str) -> float:
    """Run both sides in turn, check that they agree, print their medians, and return the ratio."""
    ours: list[Taken] = []
    floor: list[Taken] = []
    for number in range(rounds + 1):
        seconds, by_sql = timed(by_hand, path, lake, threads, on_failure)
        gate_seconds, result = timed(gate, path, lake, threads, on_failure)
        counted = {
            outcome.id: outcome.unexpected
            for outcome in result.rules
            if outcome.row_rule and outcome.severity == "critical"
        }
        if counted != by_sql:
            raise SystemExit(f"the two sides disagree: {counted} and {by_sql}")
        if number:  # the first round warms the file's pages and the imports
            floor.append(seconds)
            ours.append(gate_seconds)
    wall, cpu = (_median(ours, of) / _median(floor, of) for of in ("wall", "cpu"))
    steps = ", ".join(f"{name} {taken:.2f}" for name, taken in result.seconds.items())
    took = f"gate {_median(ours, 'wall'):.2f} s, by hand {_median(floor, 'wall'):.2f} s: ratio {wall:.2f}"
    print(f"{on_failure:10} {took}, of CPU time {cpu:.2f} ({steps})")
    return wall


def _median(rounds: list[Taken], of: str) -> float:
    return statistics.median(getattr(taken, of) for taken in rounds)


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--smoke", action="store_true", help="one small round")
    arguments = parser.parse_args()
    rows, rounds = (50_000, 1) if arguments.smoke else (arguments.rows, arguments.rounds)
    with tempfile.TemporaryDirectory(prefix="bench-gate-") as lake:
        path = f"{lake}/table.parquet"
        generate(path, rows)
        print(f"{rows} rows, {os.path.getsize(path) / 2**20:.0f} MB, {len(RULES)} rules, {arguments.threads} threads")
        for on_failure in ("count", "quarantine"):
            compare(path, lake, arguments.threads, rounds, on_failure)


if __name__ == "__main__":
    main()
