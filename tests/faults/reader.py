# SPDX-License-Identifier: Apache-2.0
"""A process that reads a table over and over, as a stranger would, and writes down what it saw and when."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import tables

# From the first to the second of each pair a reader of a parquet table may see a mix, or miss a file that it had listed.
OPENS = {"publish.marked", "compact.marked", "recovery.begun"}
SHUTS = {"publish.committed", "compact.committed", "recovery.done"}


@dataclass(frozen=True)
class Look:
    """One read.

    Attributes:
        way: How it read.
        began: Monotonic clock, nanoseconds.
        ended: The same.
        digest: Content of the table; None where the read failed.
        error: Why it failed.
    """

    way: str
    began: int
    ended: int
    digest: str | None
    error: str = ""


def poll(folder: str, table: str, table_format: str) -> None:
    """Read until a file ``stop`` is in ``folder`` or the starter is gone; ``ready`` is there after the first read.

    Looks go into ``looks``, one a line.
    """
    parent = os.getppid()

    def go_on() -> bool:
        return not os.path.exists(f"{folder}/stop") and os.getppid() == parent

    delta = table_format == "delta"
    ways = (tables.read_delta_table, tables.read_delta_files) if delta else (tables.read_parquet_table,)
    while not tables.is_there(table, table_format) and go_on():
        Path(folder, "looks").touch()
        Path(folder, "ready").touch()
        time.sleep(0.001)
    with Path(folder, "looks").open("w") as out:
        while go_on():
            began = time.monotonic()
            out.writelines(json.dumps(_look(way, table)) + "\n" for way in ways)
            out.flush()
            Path(folder, "ready").touch()
            # A look at a bucket is work for the server, too, which the jobs wait for: rest as long as it took.
            time.sleep(time.monotonic() - began if "://" in table else 0.001)


def _look(way: Callable[[str], tables.Rows], table: str) -> list[str | int | None]:
    began = time.monotonic_ns()
    try:
        seen, error = tables.digest(way(table)), ""
    except Exception as raised:  # noqa: BLE001 - whatever a reader would meet
        seen, error = None, f"{type(raised).__name__}: {str(raised)[:200]}"
    return [way.__name__, began, time.monotonic_ns(), seen, error]


def looks(folder: Path) -> list[Look]:
    """Return what the reader saw."""
    return [Look(*json.loads(line)) for line in (folder / "looks").read_text().splitlines()]


@dataclass
class Judged:
    """What a reader's looks amount to.

    Attributes:
        reads: Number of looks.
        mixed: Those that saw neither the table before nor the one after, or failed.
        seconds: From the first to the last of them.
        wrong: Those among them that must not be: of Delta all, of parquet those outside of the window of the renames.
    """

    reads: int = 0
    mixed: int = 0
    seconds: float = 0.0
    wrong: list[Look] = field(default_factory=list)


def judge(seen: Sequence[Look], allowed: set[str], trace: Sequence[tuple[str, int]], *, table_format: str) -> Judged:
    """Compare what a reader saw with the tables that it may see.

    Args:
        seen: Its looks.
        allowed: Digests of the table before and after.
        trace: Places that the jobs came to meanwhile, in the order of time.
        table_format: Of Delta no look may differ.
    """
    odd = [look for look in seen if look.digest not in allowed]
    found = Judged(len(seen), len(odd))
    if odd:
        found.seconds = (max(look.ended for look in odd) - min(look.began for look in odd)) / 1e9
    spans = windows(trace)
    inside = [look for look in odd if any(look.began <= shut and look.ended >= opened for opened, shut in spans)]
    found.wrong = odd if table_format == "delta" else [look for look in odd if look not in inside]
    return found


def windows(trace: Sequence[tuple[str, int]]) -> list[tuple[int, int]]:
    """Return the times between a commit point and its end; a kill in between leaves it open until somebody finishes it."""
    spans, opened = [], None
    for name, at in trace:
        if name in OPENS and opened is None:
            opened = at
        elif name in SHUTS and opened is not None:
            spans.append((opened, at))
            opened = None
    return spans if opened is None else [*spans, (opened, 2**63)]
