# SPDX-License-Identifier: Apache-2.0
"""Refining against hand-written DuckDB `COPY (SELECT …)` over the same files: casts, filters, a derived column, a mask, dedup.

    python benchmarks/bench_refine.py [--rows 3000000] [--rounds 3] [--smoke]

By hand is what a person would write: one statement, with QUALIFY for the duplicates. It neither counts rows by cause, nor breaks ties,
nor says which value did not cast, nor counts nulls, nor makes the files durable. Rounds are interleaved, each side with a new
connection; the medians of wall and processor seconds and their ratios are printed. Both sides must write the same number of rows.
"""

from __future__ import annotations

import argparse
import gc
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any

import duckdb

from airflow_dataops.core.refine.spec import CleanSpec, DedupSpec, RefineSpec
from airflow_dataops.core.run import RunContext
from airflow_dataops.core.tables import FullSlice, MaskSpec, Resources, SecretRef, SourceSpec, TargetSpec
from airflow_dataops.jobs.refine import run

FILES = 6


def generate(folder: str, rows: int) -> None:
    """Write the source: one row in 40 lacks a time, one key in 100 occurs twice."""
    os.makedirs(folder)
    for number in range(FILES):
        duckdb.sql(f"""COPY (SELECT
            CASE WHEN i % 100 = 99 THEN i - 1 ELSE i END::BIGINT AS order_id,
            ['EU', 'US', 'APAC'][1 + (hash(i) % 3)::INT] AS region,
            'user' || (hash(i * 3) % 100000) || '@example.com' AS email,
            strftime(TIMESTAMP '2024-01-01' + to_seconds((hash(i * 5) % 31536000)::BIGINT), '%Y-%m-%dT%H:%M:%SZ') AS ordered_at,
            CASE WHEN hash(i * 7) % 40 = 0 THEN NULL ELSE (hash(i * 7) % 2400)::DOUBLE END AS dep_time,
            (hash(i * 11) % 100000) / 100.0::DOUBLE AS amount,
            (1 + hash(i * 13) % 9)::INT AS quantity,
            'note ' || (hash(i * 17) % 100000) AS note,
            (hash(i * 19) % 1000)::DOUBLE AS score
            FROM range({rows * number // FILES}, {rows * (number + 1) // FILES}) AS t(i))
            TO '{folder}/{number}.parquet' (FORMAT parquet, COMPRESSION zstd)""")


def by_hand(source: str, target: str, threads: int, *, dedup: bool) -> int:
    """Do the work in one statement; returns the rows written."""
    shutil.rmtree(target, ignore_errors=True)
    last = "QUALIFY row_number() OVER (PARTITION BY order_id ORDER BY ordered_at DESC) = 1" if dedup else ""
    with duckdb.connect(config={"threads": threads, "preserve_insertion_order": False}) as connection:
        connection.execute(f"""COPY (SELECT order_id, region, sha256('pepper' || email) AS email,
            CAST(ordered_at AS TIMESTAMP) AS ordered_at, CAST(dep_time AS INTEGER) AS dep_time, amount, quantity, note, score,
            amount / quantity AS price
            FROM read_parquet('{source}/*.parquet')
            WHERE dep_time IS NOT NULL AND amount > 1 {last})
            TO '{target}' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (region))""")
        row = connection.execute(f"SELECT count(*) FROM '{target}/**/*.parquet'").fetchone()
    return int(row[0]) if row else 0


def refine(source: str, lake: str, threads: int, *, dedup: bool) -> tuple[int, dict[str, float]]:
    """Run the job without the start of a process; returns the rows written and the seconds of its steps."""
    clean = CleanSpec(
        cast={"ordered_at": "timestamp", "dep_time": "integer"},
        drop_nulls=["dep_time"],
        keep_if=["amount > 1"],
        derive={"price": "amount / quantity"},
        dedup=DedupSpec(keys=["order_id"], order_by=["ordered_at"]) if dedup else None,
    )
    spec = RefineSpec(
        task="refine",
        lake=lake,
        run=RunContext(pipeline="bench", key="one"),
        resources=Resources(threads=threads),
        source=SourceSpec(path=source),
        slice=FullSlice(),
        clean=clean,
        masks={"email": MaskSpec(kind="sha256", salt=SecretRef(secret="env:SALT"))},
        target=TargetSpec(path=f"{lake}/silver", partition_by=["region"]),
    )
    result = run(spec, secrets={"env:SALT": "pepper"}, progress=lambda _line: None)
    return result.rows.written, result.seconds


def timed(work: Callable[..., Any], *args: Any, **named: Any) -> tuple[float, float, Any]:
    """Return the wall and processor seconds of a call, and what it returned."""
    gc.collect()
    wall, busy = time.perf_counter(), time.process_time()
    result = work(*args, **named)
    return time.perf_counter() - wall, time.process_time() - busy, result


def compare(source: str, lake: str, threads: int, rounds: int, *, dedup: bool) -> None:
    """Run both sides in turn, check that they agree, and print their medians."""
    ours: list[tuple[float, float]] = []
    floor: list[tuple[float, float]] = []
    steps: dict[str, float] = {}
    for number in range(rounds + 1):
        wall, busy, rows = timed(by_hand, source, f"{lake}/by_hand", threads, dedup=dedup)
        our_wall, our_busy, (written, steps) = timed(refine, source, lake, threads, dedup=dedup)
        if rows != written:
            raise SystemExit(f"the two sides disagree: {rows} rows by hand, {written} refined")
        if number:  # the first round warms the files' pages and the imports
            floor.append((wall, busy))
            ours.append((our_wall, our_busy))
    for place, name in enumerate(("wall", "cpu")):
        mine, theirs = (statistics.median(pair[place] for pair in side) for side in (ours, floor))
        label = "dedup" if dedup else "plain"
        print(f"{label:6} {name:4} refine {mine:.2f} s, by hand {theirs:.2f} s, ratio {mine / theirs:.2f}")
    print("       " + ", ".join(f"{name} {taken:.2f}" for name, taken in steps.items()))


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=3_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--smoke", action="store_true", help="one small round")
    arguments = parser.parse_args()
    rows, rounds = (30_000, 1) if arguments.smoke else (arguments.rows, arguments.rounds)
    with tempfile.TemporaryDirectory(prefix="bench-refine-") as lake:
        source = f"{lake}/bronze"
        generate(source, rows)
        size = sum(os.path.getsize(f"{source}/{name}") for name in os.listdir(source))
        print(f"{rows} rows in {FILES} files, {size / 2**20:.0f} MB, {arguments.threads} threads")
        for dedup in (False, True):
            compare(source, lake, arguments.threads, rounds, dedup=dedup)


if __name__ == "__main__":
    main()
