# SPDX-License-Identifier: Apache-2.0
"""How fast logs are told where many programs share one way to their readers: in pieces, by a token bucket.

A triggerer's lines all go through one pipe, which its supervisor empties between other work. When the pipe is full, whoever writes next
waits, and every trigger of the process with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

CursorT = TypeVar("CursorT")

LINE = 250  # bytes that a log adds to a line: its time, its level, whose it is
PIECE = 4 << 10  # what is told at once: so much is read from the pipe at once


@dataclass(frozen=True)
class Piece(Generic[CursorT]):
    """Lines that are told together: all of them, or none.

    Attributes:
        lines: The lines; there may be none.
        cursor: How far the log has been told with them.
    """

    lines: tuple[str, ...]
    cursor: CursorT

    @property
    def cost(self) -> int:
        """Bytes that the lines are in a log."""
        return sum(len(line) + LINE for line in self.lines)


def cuts(sizes: Iterable[int]) -> list[int]:
    """Return before which lines a text is cut into pieces, and the number of its lines: no piece costs more than 4 KiB, or it is one line.

    Args:
        sizes: Of each line.
    """
    found: list[int] = []
    cost = number = 0
    for number, size in enumerate(sizes, 1):
        if cost and cost + size + LINE > PIECE:
            found.append(number - 1)
            cost = 0
        cost += size + LINE
    return [*found, number]


@dataclass(frozen=True)
class Pace:
    """A token bucket that gives out places in a queue: who comes later is not served before.

    All that is remembered is when the bucket will be full again. What costs more than the bucket holds passes when it is full, and is paid
    for by those who come after.

    Attributes:
        rate: Bytes a second.
        burst: Bytes that the bucket holds.
    """

    rate: float = 64 << 10
    burst: float = 64 << 10

    def take(self, full_at: float, cost: float, now: float) -> tuple[float, float]:
        """Return how many seconds to wait, and when the bucket will be full again if somebody waits for it.

        Args:
            full_at: When the bucket will be full, or was; any time of the past in the beginning.
            cost: Bytes that are wanted.
            now: The time in seconds, by a clock that never goes back.
        """
        full_at = max(full_at, now)
        missing = (full_at - now) * self.rate + min(cost, self.burst) - self.burst
        return max(0.0, missing / self.rate), full_at + cost / self.rate
