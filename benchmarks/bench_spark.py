# SPDX-License-Identifier: Apache-2.0
"""The engine ``spark`` against PySpark by hand, with the same settings: check 14 rules; clean, dedup, mask, write.

    python benchmarks/bench_spark.py [--rows 20000000] [--rounds 3] [--cores 2] [--step gate|aside|refine] [--spark 3.5|4.0] [--smoke]

Both sides are in floor_spark.py, each step in a fresh process. The start of the Spark application is in no time, since both have it;
that of DuckDB in the driver is in ours, as is the publish. All counts must be equal, those of nulls by column included, and the tables,
row for row (their number, and a sum over the hashes of all values). It needs Java and an environment of Spark, as tools/spark_env.sh
makes it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from sides import MB, Side, script
from tables import cached, size_of

STEPS = {
    "gate": "check 14 rules",
    "aside": "the same, bad rows written",
    "refine": "clean, dedup, mask, write, publish",
}
COUNTED = ("wall", "cpu")


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--step", choices=tuple(STEPS), help="only this one")
    parser.add_argument("--spark", choices=("3.5", "4.0"), default="3.5", help="which line")
    parser.add_argument("--smoke", action="store_true", help="one small round")
    arguments = parser.parse_args()
    python = _environment(arguments.spark)
    if python is None or shutil.which("java") is None:
        what = f"the environment of Spark {arguments.spark} (tools/spark_env.sh {arguments.spark})"
        print(f"skipped: {'Java' if python else what} is not here")
        return
    rows, rounds = (30_000, 1) if arguments.smoke else (arguments.rows, arguments.rounds)
    steps = [arguments.step] if arguments.step else ["gate", "refine"] if arguments.smoke else list(STEPS)
    for step in steps:
        source = cached("orders" if step == "refine" else "gate", rows)
        print(f"{rows:,} rows, {size_of(source) / MB:.0f} MB, Spark {arguments.spark} with {arguments.cores} cores")
        _compare(step, source, rounds, python, arguments.cores)


def _environment(line: str) -> str | None:
    """Return the Python of a line of Spark; None where nobody has made it."""
    venvs = Path.home() / ".cache" / "airflow-dataops" / "venvs"
    made = sorted(venvs.glob(f"spark{line.replace('.', '')}-*/.stamp"), key=lambda stamp: stamp.stat().st_mtime)
    return str(made[-1].with_name("bin") / "python") if made else None


def _compare(step: str, source: str, rounds: int, python: str, cores: int) -> None:
    taken: dict[str, list[dict[str, Any]]] = {"ours": [], "floor": []}
    with tempfile.TemporaryDirectory(prefix="bench-spark-") as folder:
        for number in range(rounds):
            for name in ("ours", "floor") if number % 2 else ("floor", "ours"):
                command = [python, *script("floor_spark.py", name, step, source, folder, str(cores))[1:]]
                taken[name].append(Side([command], lambda: None, {}).run().printed[-1])
            _agree(step, folder, taken["ours"][-1]["found"], taken["floor"][-1]["found"])
    for unit in COUNTED:
        mine, theirs = ([one[unit] for one in taken[name]] for name in ("ours", "floor"))
        ours, floor = statistics.median(mine), statistics.median(theirs)
        each = ", ".join(f"{a / b:.2f}" for a, b in zip(mine, theirs, strict=True))
        print(
            f"{STEPS[step]}: {unit} ours {ours:.2f} s, by hand {floor:.2f} s, ratio {ours / floor:.2f} (reach: 1.1x at 20 M); "
            f"each round {each}",
            flush=True,
        )


def _agree(step: str, folder: str, ours: dict[str, Any], floor: dict[str, Any]) -> None:
    """Stop where the two sides have found or made different things."""
    tables = []
    if step == "refine":
        folders = (f"{folder}/lake/silver", f"{folder}/by_hand")
        tables = [json.loads(subprocess.check_output(script("floor_dask.py", "checksum", path))) for path in folders]
    if ours != floor or (tables and tables[0] != tables[1]):
        raise SystemExit(f"the two sides disagree: {ours} and {floor}, tables {tables}")


if __name__ == "__main__":
    main()
