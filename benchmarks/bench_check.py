# SPDX-License-Identifier: Apache-2.0
"""``dataops check`` of one file, each time a process of its own, against ``python -c "import yaml, pydantic"``.

    python benchmarks/bench_check.py [--rounds 9] [--smoke]

Sides take turns; processor seconds of the whole process with its children, medians. The file is that of ``pipelines.py``, whose one
expression is plain; the second line adds one that needs the SQL library.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import pipelines

REACH = 0.3
HARDER = 'keep_if: ["distance / (air_time / 60) between 60 and 700"]'


def seconds(*command: str) -> float:
    """Return the processor seconds of a process, which must succeed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--smoke", action="store_true", help="one round")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-check-") as folder:
        root = Path(folder).resolve()
        pipelines.write(root, 2)
        plain, harder = sorted(root.glob("pipelines/*/*.yaml"))
        harder.write_text(harder.read_text("utf-8").replace('keep_if: ["distance > 0"]', HARDER), "utf-8")
        sides = {
            "floor": ("-c", "import yaml, pydantic"),
            "plain": ("-m", "dag_factories", "check", str(plain)),
            "harder": ("-m", "dag_factories", "check", str(harder)),
        }
        taken: dict[str, list[float]] = {name: [] for name in sides}
        for number in range((1 if arguments.smoke else arguments.rounds) + 1):
            for name, command in sides.items():
                spent = seconds(*command)
                if number:  # the first round warms the files' pages
                    taken[name].append(spent)
    floor, one, two = (statistics.median(taken[name]) for name in sides)
    print(
        f"check one file: ours {one:.2f} s CPU, import yaml and pydantic {floor:.2f} s: ratio {one / floor:.2f} (reach {REACH} s in all)"
    )
    print(f"  with an expression that needs the SQL library: {two:.2f} s CPU")


if __name__ == "__main__":
    main()
