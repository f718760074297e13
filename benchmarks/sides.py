# SPDX-License-Identifier: Apache-2.0
"""Two ways to do the same work, in turn, each time in fresh processes: wall, processor and memory, and their ratios.

A fresh process pays for its start and its imports, has its own peak of memory, and cannot be helped by what the other has left behind.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
MB = 2**20


@dataclass(frozen=True)
class Taken:
    """What a side took: seconds, seconds of all threads, bytes resident at the most; and the JSON that its commands printed."""

    wall: float
    cpu: float
    peak: int
    printed: list[Any]


@dataclass(frozen=True)
class Side:
    """Commands that do the work one after the other, each a process of its own.

    Attributes:
        commands: Argument lists; each prints one JSON document.
        prepare: Called before, unmeasured: it takes away what the last round wrote.
        environment: Added to this process's own.
    """

    commands: Sequence[Sequence[str]]
    prepare: Callable[[], None]
    environment: dict[str, str]

    def run(self) -> Taken:
        """Do the work once."""
        self.prepare()
        done = [_measured(command, self.environment) for command in self.commands]
        return Taken(
            sum(one.wall for one in done),
            sum(one.cpu for one in done),
            max(one.peak for one in done),
            [document for one in done for document in one.printed],
        )


def job(stem: str, spec: str) -> list[str]:
    """Return the command that an operator runs for a job, with a spec in a file."""
    return [sys.executable, "-P", "-m", f"airflow_dataops.jobs.{stem}", "--spec", spec]


def script(name: str, *arguments: str) -> list[str]:
    """Return the command of a script in this folder."""
    return [sys.executable, str(Path(__file__).with_name(name)), *arguments]


def compare(
    label: str, ours: Side, floor: Side, rounds: int, agree: Callable[[Taken, Taken], None], reach: str = ""
) -> None:
    """Run both sides in turn, see that they agree, and print medians and ratios.

    Args:
        label: What is compared.
        ours: The product.
        floor: By hand.
        rounds: How often; one more before warms the pages of the files and is not counted.
        agree: Raises where the results differ.
        reach: What the ratio should be.
    """
    mine: list[Taken] = []
    theirs: list[Taken] = []
    for number in range(rounds + 1):
        if number % 2:
            by_hand, own = floor.run(), ours.run()
        else:
            own, by_hand = ours.run(), floor.run()
        agree(own, by_hand)
        if number or rounds == 0:
            mine.append(own)
            theirs.append(by_hand)
    print(f"{label}" + (f" (reach: {reach})" if reach else ""))
    for name, unit, scale in (("wall", "s", 1.0), ("cpu", "s", 1.0), ("peak", "MB", 1.0 / MB)):
        ours_, floor_ = (statistics.median(getattr(one, name) for one in side) * scale for side in (mine, theirs))
        digits = 0 if unit == "MB" else 2
        print(
            f"  {name:4} ours {ours_:8.{digits}f} {unit}, floor {floor_:8.{digits}f} {unit}, ratio {ours_ / floor_:.2f}"
        )
    each = [a.wall / b.wall for a, b in zip(mine, theirs, strict=True)]
    print(f"  wall ratio of each round: {', '.join(f'{ratio:.2f}' for ratio in each)}", flush=True)


def linear(label: str, sizes: Sequence[int], side_of: Callable[[int], Side], rounds: int) -> None:
    """Print microseconds a row of ours for several numbers of rows; the smallest of the rounds, since noise only adds."""
    print(f"{label}: microseconds of processor time a row, without the start (measured on 1000 rows), and peak memory")
    start = min(side_of(1000).run().cpu for _ in range(max(rounds, 1)))
    for rows in sizes:
        taken = [side_of(rows).run() for _ in range(max(rounds, 1))]
        cpu = min(one.cpu for one in taken) - start
        print(f"  {rows:>11,} rows: {cpu / rows * 1e6:.3f}, {max(one.peak for one in taken) / MB:.0f} MB", flush=True)


def _measured(command: Sequence[str], environment: dict[str, str]) -> Taken:
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as log:
        start = time.perf_counter()
        child = subprocess.Popen(
            command, stdout=out, stderr=log, env={**os.environ, "PYTHONPATH": path, **environment}, cwd="/"
        )
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        log.seek(0)
        text = out.read().decode()
        if child.returncode:
            raise SystemExit(f"{' '.join(command)} failed: {text}\n{log.read().decode()[-2000:]}")
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Taken(wall, usage.ru_utime + usage.ru_stime, peak, [json.loads(text)])
