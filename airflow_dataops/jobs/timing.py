# SPDX-License-Identifier: Apache-2.0
"""Wall seconds of a job's steps."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from airflow_dataops.core.faults import FaultPoint, reached


class Timer:
    """Call it with a step's name as a context manager; a step that runs twice is added up."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._steps: dict[str, float] = {}

    @contextlib.contextmanager
    def __call__(self, step: str, done: FaultPoint) -> Iterator[None]:
        """Measure what is done inside; ``done`` is where the work has come to at its end."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._steps[step] = self._steps.get(step, 0.0) + time.perf_counter() - start
        reached(done)

    def seconds(self) -> dict[str, float]:
        """Return step -> seconds, and ``total`` since the timer was made."""
        taken = {**self._steps, "total": time.perf_counter() - self._start}
        return {step: round(seconds, 4) for step, seconds in taken.items()}
