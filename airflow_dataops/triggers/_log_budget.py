# SPDX-License-Identifier: Apache-2.0
"""How much all triggers of a process may write into their tasks' logs."""

from __future__ import annotations

import asyncio
import time

from airflow_dataops.core.pacing import Pace


class LogBudget:
    """A token bucket that is waited for without holding up the event loop.

    Args:
        pace: Its size and rate.
    """

    def __init__(self, pace: Pace = Pace()) -> None:  # noqa: B008  a frozen dataclass
        self._pace = pace
        self._full_at = 0.0

    async def take(self, cost: int, until: float) -> bool:
        """Wait until so much may be written; False, at once, where that would be too late: nothing is taken then.

        Who is cancelled meanwhile leaves its place empty.

        Args:
            cost: Bytes.
            until: When it is too late, of ``time.monotonic()``.
        """
        now = time.monotonic()
        wait, full_at = self._pace.take(self._full_at, cost, now)
        if wait and now + wait > until:
            return False
        self._full_at = full_at
        await asyncio.sleep(wait)  # also of nothing: hundreds of triggers share the event loop
        return True


SHARED = LogBudget()

__all__ = ["SHARED", "LogBudget"]
