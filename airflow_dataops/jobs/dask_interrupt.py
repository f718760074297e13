# SPDX-License-Identifier: Apache-2.0
"""Whatever ends a driver from outside of its main thread becomes an exception there, or after a grace the end of the process."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from airflow_dataops.core.dataproc_dask.result import Code
from airflow_dataops.core.errors import DataOpsError, TransientError

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_TICK = 1.0


class Interrupted(BaseException):
    """The work has to end now. No ``Exception``, so that a user's broad ``except`` does not swallow it."""

    def __init__(self, error: DataOpsError) -> None:
        super().__init__(error.message)
        self.error = error


class Interrupter:
    """Turns SIGTERM and :meth:`end` into :class:`Interrupted` in the main thread, once.

    A function that sits in C code, or swallows the exception, is not waited for: ``last_words`` is called in another thread after
    ``grace`` seconds, and has to end the process.

    Args:
        last_words: Called with the error.
        grace: Seconds from the first signal.
    """

    def __init__(self, last_words: Callable[[DataOpsError], None], grace: float = 30.0) -> None:
        self.grace = grace
        self._last_words = last_words
        self._error: DataOpsError | None = None
        self._raised = self._shielded = False
        self._settled = threading.Event()
        self._former: dict[int, Any] = {}
        self._former_fd = -1
        self._pipe = (-1, -1)

    def __enter__(self) -> Self:
        self._pipe = os.pipe()
        os.set_blocking(self._pipe[1], False)
        # The wakeup pipe is written by C: it says that a signal came also while no Python code runs in the main thread.
        self._former_fd = signal.set_wakeup_fd(self._pipe[1], warn_on_full_buffer=False)
        self._former = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        threading.Thread(target=self._guard, name="dask-driver-guard", daemon=True).start()
        threading.Thread(target=self._follow_spark, name="dask-driver-parent", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._settled.set()
        for number, former in self._former.items():
            signal.signal(number, former)
        signal.set_wakeup_fd(self._former_fd)
        os.close(self._pipe[1])  # the guard then reads the end

    def end(self, error: DataOpsError) -> None:
        """End the work for this reason; callable from any thread."""
        if self._error is None:
            self._error = error
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    def shield(self) -> None:
        """Raise nothing from here on: the work is over, and what is left has its own bounds."""
        self._shielded = True

    @property
    def reason(self) -> DataOpsError | None:
        """Why the work was told to end; None where it was not."""
        return self._error

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._error is None:
            self._error = _cancelled(signal.Signals(number).name)
        if not self._raised and not self._shielded:
            self._raised = True
            raise Interrupted(self._error)

    def _guard(self) -> None:
        numbers = b"?"
        while numbers and not set(numbers) & set(_SIGNALS):  # signals that the user's code handles come here, too
            numbers = os.read(self._pipe[0], 64)
        if numbers and not self._settled.wait(self.grace):
            self._last_words(self._error or _cancelled("SIGTERM"))
        os.close(self._pipe[0])

    def _follow_spark(self) -> None:
        """End with spark-submit: its JVM waits for us, and does not take us along when it is killed."""
        parent = os.getppid()
        if not _is_java(parent):
            return
        while not self._settled.wait(_TICK):
            if os.getppid() != parent:
                self.end(_cancelled("the end of spark-submit"))
                return


def _is_java(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip() == "java"
    return False


def _cancelled(what: str) -> DataOpsError:
    return TransientError(
        f"the driver was told to stop by {what}",
        hint="somebody cancelled the job, its cluster was deleted, or it took too long",
        code=Code.CANCELLED,
    )


__all__ = ["Interrupted", "Interrupter"]
