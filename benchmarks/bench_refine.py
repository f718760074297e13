# SPDX-License-Identifier: Apache-2.0
"""Bronze to silver against SQL by hand: two casts, two filters, a derived column, a mask, duplicates, three partitions, published.

    python benchmarks/bench_refine.py [--rows 20000000] [--rounds 3] [--format parquet|delta] [--linear] [--smoke]

Ours is the refine job and the publish job, each a process as an operator starts it, with default limits; by hand is floor_refine.py. The
tables must be equal, row for row (their number, and a sum over the hashes of all values). ``--linear`` prints the cost a row.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from typing import Any

from sides import MB, Side, Taken, compare, job, linear, script
from tables import FILES, cached, size_of

SMALL = 500_000  # rows of tables of 10 MB


def refine(source: str, folder: str, fmt: str, *, dedup: bool) -> Side:
    """Return our side: clean and stage, then publish."""
    lake = f"{folder}/lake"
    target = {"path": f"{lake}/silver", "format": fmt, "partition_by": ["region"]}
    common = {"lake": lake, "run": {"pipeline": "bench", "key": "one"}, "slice": {"kind": "full"}, "target": target}
    clean: dict[str, Any] = {
        "cast": {"ordered_at": "timestamp", "dep_time": "integer"},
        "drop_nulls": ["dep_time"],
        "keep_if": ["amount > 1"],
        "derive": {"price": "amount / quantity"},
    }
    if dedup:
        clean["dedup"] = {"keys": ["order_id"], "order_by": ["ordered_at"]}
    masks = {"email": {"kind": "sha256", "salt": {"secret": "env:SALT"}}}
    specs = {
        "refine": {**common, "task": "refine", "source": {"path": source}, "clean": clean, "masks": masks},
        "publish": {**common, "task": "publish"},
    }
    files = {stem: f"{folder}/{stem}-{fmt}-{dedup}-{source.rpartition('-')[2]}.json" for stem in specs}
    for stem, spec in specs.items():
        with open(files[stem], "w", encoding="utf-8") as out:
            json.dump(spec, out)
    commands = [job(stem, file) for stem, file in files.items()]
    return Side(commands, partial(shutil.rmtree, lake, ignore_errors=True), {"SALT": "pepper"})


def by_hand(source: str, folder: str, fmt: str, *, dedup: bool) -> Side:
    """Return the floor."""
    command = script("floor_refine.py", source, f"{folder}/by_hand", fmt, "dedup" if dedup else "plain")
    return Side([command], lambda: None, {})


def same_table(folder: str, fmt: str) -> Callable[[Taken, Taken], None]:
    """Return the test that both sides have made the same table; the first round is looked at in whole, all for their rows."""
    seen: list[dict[str, str]] = []

    def agree(ours: Taken, floor: Taken) -> None:
        del floor
        if not seen:
            tables = (f"{folder}/lake/silver", f"{folder}/by_hand")
            found = [json.loads(subprocess.check_output(script("floor_refine.py", t, "checksum", fmt))) for t in tables]
            if found[0] != found[1]:
                raise SystemExit(f"the two sides disagree: {found[0]} and {found[1]}")
            seen.append(found[0])
        written = ours.printed[-1]["rows"]["written"]
        if str(written) != seen[0]["rows"]:
            raise SystemExit(f"{written} rows in this round, {seen[0]['rows']} in the first")

    return agree


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--format", choices=("parquet", "delta"), help="only this one")
    parser.add_argument("--plain", action="store_true", help="without looking for duplicates, too")
    parser.add_argument("--linear", action="store_true", help="the cost a row for several sizes")
    parser.add_argument("--smoke", action="store_true", help="one small round")
    arguments = parser.parse_args()
    rows, rounds = (30_000, 0) if arguments.smoke else (arguments.rows, arguments.rounds)
    formats = [arguments.format] if arguments.format else ["parquet", "delta"]
    with tempfile.TemporaryDirectory(prefix="bench-refine-") as folder:
        for size in dict.fromkeys((min(SMALL, rows), rows)):
            source = cached("orders", size)
            print(f"{size:,} rows in {FILES} files, {size_of(source) / MB:.0f} MB")
            for fmt in formats:
                for dedup in (False, True) if arguments.plain else (True,):
                    sides = [side(source, folder, fmt, dedup=dedup) for side in (refine, by_hand)]
                    label = f"{fmt}: clean, {'dedup, ' if dedup else ''}mask, write, publish"
                    compare(label, *sides, rounds, same_table(folder, fmt), "" if size < rows else "1.3x")
        if arguments.linear:
            for fmt in formats:
                sizes = [rows // 8, rows // 4, rows // 2, rows]
                side_of = lambda n, fmt=fmt: refine(cached("orders", n), folder, fmt, dedup=True)  # noqa: E731
                linear(f"{fmt}: clean, dedup, mask, write, publish", sizes, side_of, rounds)


if __name__ == "__main__":
    main()
