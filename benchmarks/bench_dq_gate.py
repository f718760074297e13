# SPDX-License-Identifier: Apache-2.0
"""The gate against hand-written DuckDB SQL over the same file: 12 columns, 14 rules.

    python benchmarks/bench_dq_gate.py [--rows 20000000] [--rounds 3] [--linear] [--smoke]

Ours is the job's process as an operator starts it, with its default limits; by hand is floor_dq_gate.py. Both sides must agree on every
count. ``--linear`` prints the cost a row for several sizes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
from functools import partial
from typing import Any

from sides import MB, Side, Taken, compare, job, linear, script
from tables import cached, size_of

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
SMALL = 330_000  # rows of a table of 10 MB


def gate(path: str, folder: str, *, bad_rows: bool) -> Side:
    """Return our side; with ``bad_rows`` they are put aside, and the result shows five of each rule."""
    lake = f"{folder}/lake"
    spec = {
        "task": "gate",
        "lake": lake,
        "run": {"pipeline": "bench", "key": "one"},
        "source": {"path": path},
        "slice": {"kind": "full"},
        "rules": RULES,
        "on_failure": "quarantine" if bad_rows else "warn",
        "examples": 5 if bad_rows else 0,
    }
    file = f"{folder}/gate-{os.path.basename(path)}-{bad_rows}.json"
    with open(file, "w", encoding="utf-8") as out:
        json.dump(spec, out)
    return Side([job("dq_gate", file)], partial(shutil.rmtree, lake, ignore_errors=True), {})


def by_hand(path: str, folder: str, *, bad_rows: bool) -> Side:
    """Return the floor."""
    return Side([script("floor_dq_gate.py", path, f"{folder}/by_hand.parquet" if bad_rows else "-")], lambda: None, {})


def agree(ours: Taken, floor: Taken) -> None:
    """Raise where a count differs."""
    result, expected = ours.printed[0], floor.printed[0]
    found = {
        rule["id"]: rule["unexpected"]
        for rule in result["rules"]
        if rule["row_rule"] and rule["severity"] == "critical"
    }
    found |= {"rows": result["rows"]["read"], "aside": result["rows"]["quarantined"]}
    if found != expected:
        raise SystemExit(f"the two sides disagree: {found} and {expected}")


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--linear", action="store_true", help="the cost a row for several sizes")
    parser.add_argument("--smoke", action="store_true", help="one small round")
    arguments = parser.parse_args()
    rows, rounds = (50_000, 0) if arguments.smoke else (arguments.rows, arguments.rounds)
    with tempfile.TemporaryDirectory(prefix="bench-gate-") as folder:
        for size in dict.fromkeys((min(SMALL, rows), rows)):
            path = cached("gate", size)
            print(f"{size:,} rows, {size_of(path) / MB:.0f} MB, {len(RULES)} rules")
            for bad_rows in (False, True):
                sides = [side(path, folder, bad_rows=bad_rows) for side in (gate, by_hand)]
                label = "gate, bad rows written" if bad_rows else "gate"
                compare(label, *sides, rounds, agree, "" if size < rows else "1.3x")
        if arguments.linear:
            sizes = [rows // 8, rows // 4, rows // 2, rows]
            linear("gate, bad rows written", sizes, lambda n: gate(cached("gate", n), folder, bad_rows=True), rounds)


if __name__ == "__main__":
    main()
