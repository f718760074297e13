# SPDX-License-Identifier: Apache-2.0
"""Wall seconds of a job's steps."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator


class Timer:
    """Call it with a step's name as a context manager; a step that runs twice is added up."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._steps: dict[str, float] = {}

    @contextlib.contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        """Measure what is done inside."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._steps[step] = self._steps.get(step, 0.0) + time.perf_counter() - start

    def seconds(self) -> dict[str, float]:
        """Return step -> seconds, and ``total`` since the timer was made."""
        taken = {**self._steps, "total": time.perf_counter() - self._start}
        return {step: round(seconds, 4) for step, seconds in taken.items()}
