# SPDX-License-Identifier: Apache-2.0
"""What a small table pays: the five steps of a pipeline over one file of 10,000 rows, against hand-written SQL in one process.

    python benchmarks/bench_start.py [--rows 10000] [--rounds 5] [--smoke]

The floor is `python -c "import duckdb; …"` with the same cleaning, dedup, checks and one Parquet file. Beside it: `dataops run` (one
process for all steps), each step as a process of its own (what an operator starts), and what each process spends on imports alone.
Every line is a cold process; rounds are interleaved and medians are printed, with the ratio to the floor. Both must write the same
number of rows.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import duckdb

DATE = "2024-01-01"
STEPS = {
    "gate_bronze": "dq_gate",
    "refine": "refine",
    "gate_silver": "dq_gate",
    "publish": "publish",
    "report": "report",
}
PROJECT = "version: 1\ndefault_target: local\ntargets:\n  local: {engine: duckdb, runner: local, lake: ./lake}\n"
YAML = """\
version: 1
kind: bronze_to_silver
name: events
schedule: "@daily"
start_date: 2024-01-01
source: {path: "${lake}/bronze", format: parquet}
target: {path: "${lake}/silver/events", format: parquet}
window: {column: at, size: day}
clean:
  drop_nulls: [user]
  dedup: {keys: [event_id], keep: last, order_by: [at]}
quality:
  bronze: {rules: [{not_null: user}, {between: [amount, 0, 1000]}], on_failure: quarantine, max_quarantine_ratio: 0.5}
  silver: {rules: [{not_null: event_id}, {unique: event_id}], on_failure: fail}
"""
BY_HAND = """
import duckdb
connection = duckdb.connect()
total, bad = connection.execute('''SELECT count(*), count(*) FILTER (user IS NULL OR amount NOT BETWEEN 0 AND 1000)
    FROM 'SOURCE' WHERE "at" >= TIMESTAMP 'DATE' AND "at" < TIMESTAMP 'DATE' + INTERVAL 1 DAY''').fetchone()
assert bad <= total / 2
connection.execute('''COPY (SELECT * FROM 'SOURCE' WHERE "at" >= TIMESTAMP 'DATE' AND "at" < TIMESTAMP 'DATE' + INTERVAL 1 DAY
    AND user IS NOT NULL AND amount BETWEEN 0 AND 1000
    QUALIFY row_number() OVER (PARTITION BY event_id ORDER BY "at" DESC) = 1) TO 'TARGET' (FORMAT parquet, COMPRESSION zstd)''')
"""


def generate(root: Path, rows: int) -> Path:
    """Write a project with one file of a day's rows; returns the file."""
    (root / "dataops.yaml").write_text(PROJECT)
    (root / "events.yaml").write_text(YAML)
    source = root / "lake/bronze/events.parquet"
    source.parent.mkdir(parents=True)
    with duckdb.connect() as connection:
        connection.execute(f"""COPY (SELECT (i - (i % 50 = 49)::INT)::BIGINT AS event_id,
            CASE WHEN i % 200 = 0 THEN NULL ELSE 'user' || i % 977 END AS user, (i % 1002)::DOUBLE AS amount,
            TIMESTAMP '{DATE}' + to_milliseconds(i * 86400000 // {rows}) AS at FROM range({rows}) AS t(i))
            TO '{source}' (FORMAT parquet, COMPRESSION zstd)""")
    return source


def cold(arguments: Sequence[str], root: Path) -> tuple[float, float]:
    """Run a Python process; returns its wall and processor seconds."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    ended = subprocess.run([sys.executable, *arguments], cwd=root, env=os.environ, capture_output=True, check=False)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if ended.returncode:
        raise SystemExit(f"{' '.join(arguments)[:120]}:\n{ended.stderr.decode()[-2000:]}")
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def sides(root: Path, source: Path) -> dict[str, list[str]]:
    """Return label -> arguments of each process; the order is that in which they must run."""
    by_hand = BY_HAND.replace("SOURCE", str(source)).replace("TARGET", f"{root}/by_hand.parquet").replace("DATE", DATE)
    specs = root / "lake/.dataops/runs/events" / f"{DATE}T000000" / "steps"
    found = {"by hand, one process": ["-c", by_hand]}
    found["dataops run, all steps"] = ["-m", "dag_factories", "run", "events.yaml", "--date", DATE, "--quiet"]
    for step, stem in STEPS.items():
        found[f"step {step}"] = ["-m", f"airflow_dataops.jobs.{stem}", "--spec", str(specs / f"{step}.spec.json")]
    for stem in dict.fromkeys(STEPS.values()):
        found[f"only import jobs.{stem}"] = ["-c", f"import airflow_dataops.jobs.{stem}"]
    found |= {f"only import {name}": ["-c", f"import {name}"] for name in ("duckdb", "pydantic", "sqlglot", "pyarrow")}
    return found


def compare(rows: int, rounds: int) -> None:
    """Measure all sides in turn, print them, and check that both ways wrote the same number of rows."""
    with tempfile.TemporaryDirectory(prefix="bench-start-") as folder:
        root = Path(folder)
        source = generate(root, rows)
        taken: dict[str, list[tuple[float, float]]] = {}
        for number in range(rounds + 1):
            for label, arguments in sides(root, source).items():
                spent = cold(arguments, root)
                if number:  # the first round compiles modules and warms the files' pages
                    taken.setdefault(label, []).append(spent)
        show(rows, taken)
        counted = [_count(f"{root}/by_hand.parquet"), _count(f"{root}/lake/silver/events/*.parquet")]
        if counted[0] != counted[1]:
            raise SystemExit(f"the two sides disagree: {json.dumps(counted)} rows")


def show(rows: int, taken: dict[str, list[tuple[float, float]]]) -> None:
    """Print medians, and the sum of the five steps, against the floor."""
    medians = {
        label: tuple(statistics.median(one[place] for one in spent) for place in (0, 1))
        for label, spent in taken.items()
    }
    steps = [pair for label, pair in medians.items() if label.startswith("step ")]
    medians["five steps, five processes"] = (sum(wall for wall, _ in steps), sum(busy for _, busy in steps))
    floor = medians["by hand, one process"]
    print(f"{rows:,} rows, cold processes: seconds, wall and processor, and the ratio to the floor")
    for label, (wall, busy) in medians.items():
        print(f"{label:30} {wall:6.2f} {busy:6.2f}   x{wall / floor[0]:.1f} x{busy / floor[1]:.1f}")


def _count(path: str) -> int:
    with duckdb.connect() as connection:
        row = connection.execute(f"SELECT count(*) FROM '{path}'").fetchone()
    return int(row[0]) if row else 0


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--smoke", action="store_true", help="once, small: does it run")
    given = parser.parse_args()
    compare(1000 if given.smoke else given.rows, 1 if given.smoke else given.rounds)


if __name__ == "__main__":
    main()
