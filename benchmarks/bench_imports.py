# SPDX-License-Identifier: Apache-2.0
"""Import of everything of ours that a DAG file may import, over ``from airflow.sdk import DAG``.

    python benchmarks/bench_imports.py [--rounds 9] [--smoke]

Each round is a fresh process: it imports the floor, then ours, and says what each took; processor seconds, medians. The second line
has what the YAML loader imports. ``tests/house/test_imports.py`` says that none of it loads an SDK.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

REACH = 0.10
COMPAT = ["airflow.providers.common.compat.sdk"]
CODE = """
import importlib, json, sys, time
from airflow.sdk import DAG
floor = time.process_time()
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
print(json.dumps([floor, time.process_time() - floor]))
"""
PACKAGE = Path(__file__).resolve().parents[1] / "airflow_dataops"
SHELL = ("operators", "sensors", "triggers", "hooks", "links", "notifications")
LOADER = [
    "dag_factories.loading",
    "dag_factories.realise",
    "dag_factories.specs.bronze_to_silver",
    "dag_factories.plans.bronze_to_silver",
]


def modules() -> list[str]:
    """Return the modules that DAG authors import from: all of operators, links, notifications and their like."""
    files = sorted(file for layer in SHELL for file in (PACKAGE / layer).glob("*.py"))
    return [f"airflow_dataops.{file.parent.name}.{file.stem}".removesuffix(".__init__") for file in files]


def seconds(names: list[str], home: str) -> tuple[float, float]:
    """Return the processor seconds of a fresh process up to the floor's end, and of the modules after it."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(names)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "AIRFLOW_HOME": home},
    )
    floor, more = json.loads(done.stdout.splitlines()[-1])
    return floor, more


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--smoke", action="store_true", help="one round")
    arguments = parser.parse_args()
    sides = {"ours": modules(), "compat": COMPAT, "loader": LOADER}
    taken: dict[str, list[float]] = {name: [] for name in [*sides, "floor"]}
    with tempfile.TemporaryDirectory(prefix="bench-imports-") as home:
        for number in range((1 if arguments.smoke else arguments.rounds) + 1):
            for name, names in sides.items():
                floor, more = seconds(names, home)
                if number:  # the first round writes bytecode and Airflow's settings
                    taken["floor"].append(floor)
                    taken[name].append(more)
    middle = {name: statistics.median(values) for name, values in taken.items()}
    count, ratio = len(sides["ours"]), 1 + middle["ours"] / middle["floor"]
    print(
        f"import {count} modules: ours {middle['ours']:.3f} s CPU over the {middle['floor']:.2f} s of airflow.sdk: ratio {ratio:.2f}"
        f" (reach {REACH:.2f} s over it)"
    )
    print(f"  of that common.compat.sdk {middle['compat']:.3f} s; what load_dags imports: {middle['loader']:.3f} s")


if __name__ == "__main__":
    main()
