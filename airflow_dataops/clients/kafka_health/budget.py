# SPDX-License-Identifier: Apache-2.0
"""The time that a probe has, and how its steps share it."""

from __future__ import annotations

import time

from airflow_dataops.core.kafka_health.causes import PATIENCE

_LEAST = 0.5
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0


class Budget:
    """Seconds from now on.

    Args:
        seconds: How many.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left; none is 0."""
        return max(0.0, self._end - time.monotonic())

    def share(self) -> float:
        """Return the seconds that the next call may take: half of what is left, so that those after it have some."""
        return max(_LEAST, self.left() / 2)


class Patience:
    """Pauses between tries, a little longer each, for as long as it makes sense to wait.

    Args:
        budget: Of the probe.
    """

    def __init__(self, budget: Budget) -> None:
        self._end = Budget(min(PATIENCE, budget.left() / 3))
        self._pause = _FIRST_PAUSE

    def pause(self) -> bool:
        """Wait, and return True; False at once where it is enough."""
        if self._end.left() < self._pause:
            return False
        time.sleep(self._pause)
        self._pause = min(_LONGEST_PAUSE, self._pause * 2)
        return True
