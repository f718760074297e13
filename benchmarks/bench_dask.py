# SPDX-License-Identifier: Apache-2.0
"""The engine ``dask`` against Dask DataFrame by hand, on the same two workers: check five rules; clean, dedup, mask, write and publish.

    python benchmarks/bench_dask.py [--rows 5000000] [--rounds 3] [--smoke]

Both sides are in floor_dask.py. The start of the cluster is not in the time, since both have it; it is in the processor seconds. The counts
of bad rows and the tables must be equal, row for row (their number, and a sum over the hashes of all values).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile

from sides import MB, Side, Taken, script
from tables import FILES, cached, size_of


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--smoke", action="store_true", help="one small round")
    arguments = parser.parse_args()
    rows, rounds = (30_000, 1) if arguments.smoke else (arguments.rows, arguments.rounds)
    source = cached("orders", rows)
    print(f"{rows:,} rows in {FILES} files, {size_of(source) / MB:.0f} MB")
    taken: dict[str, list[Taken]] = {"ours": [], "floor": []}
    with tempfile.TemporaryDirectory(prefix="bench-dask-") as folder:
        for number in range(rounds):
            for name in ("ours", "floor") if number % 2 else ("floor", "ours"):
                side = Side([script("floor_dask.py", name, source, folder)], lambda: None, {"SALT": "pepper"})
                taken[name].append(side.run())
            _agree(folder, taken["ours"][-1], taken["floor"][-1])
    for step, label in (("gate", "check five rules"), ("refine", "clean, dedup, mask, write, publish")):
        mine, theirs = ([one.printed[-1][step] for one in taken[name]] for name in ("ours", "floor"))
        _print(label, "wall", mine, theirs)
    _print(
        "all, with the start of the cluster", "cpu", *([one.cpu for one in taken[name]] for name in ("ours", "floor"))
    )


def _agree(folder: str, ours: Taken, floor: Taken) -> None:
    """Stop where the two sides have found or made different things."""
    tables = (f"{folder}/lake/silver", f"{folder}/by_hand")
    found = [json.loads(subprocess.check_output(script("floor_dask.py", "checksum", table))) for table in tables]
    bad = [side.printed[-1]["bad"] for side in (ours, floor)]
    if found[0] != found[1] or bad[0] != bad[1]:
        raise SystemExit(f"the two sides disagree: {found} {bad}")


def _print(label: str, unit: str, mine: list[float], theirs: list[float]) -> None:
    ours, floor = statistics.median(mine), statistics.median(theirs)
    each = ", ".join(f"{a / b:.2f}" for a, b in zip(mine, theirs, strict=True))
    print(
        f"{label}: {unit} ours {ours:.2f} s, by hand {floor:.2f} s, ratio {ours / floor:.2f} (reach: 1.1x); each round {each}",
        flush=True,
    )


if __name__ == "__main__":
    main()
