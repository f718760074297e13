# SPDX-License-Identifier: Apache-2.0
"""What all machines of the core share: words of a decision, errors of a call, and the pause after one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

SETTLE = timedelta(seconds=60)  # a request whose answer was lost has come true by then, or never will
SETTLE_WHEN_KILLED = timedelta(seconds=8)
KILLED_TIME = timedelta(seconds=25)  # Airflow gives on_kill 30 seconds
NO_TIME = timedelta()


@dataclass(frozen=True)
class CallError:
    """An answer that is an error.

    Attributes:
        code: Name of the status, as the area's API calls it: ``UNAVAILABLE``.
        message: The other side's text.
    """

    code: str
    message: str = ""


@dataclass(frozen=True)
class Gone:
    """There is no such thing (404 of a read)."""


@dataclass(frozen=True)
class Accepted:
    """A call that has nothing to say was taken."""


@dataclass(frozen=True)
class Wait:
    """Send nothing."""


@dataclass(frozen=True)
class Note:
    """Something that people want to read in the task's log, with a stable code."""

    code: str
    text: str


def backoff(count: int, first: timedelta, longest: timedelta, jitter: float) -> timedelta:
    """Return how long to wait after the n-th error in a row, counted from 1.

    Args:
        count: Errors in a row.
        first: Pause after the first one; it doubles with each.
        longest: Upper end.
        jitter: A number from 0 up to 1 that spreads callers: the pause is half to all of the doubled length.
    """
    whole = min(longest.total_seconds(), first.total_seconds() * 2.0 ** min(max(count, 1) - 1, 30))
    return timedelta(seconds=whole * (0.5 + 0.5 * jitter))
