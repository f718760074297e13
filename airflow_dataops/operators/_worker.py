# SPDX-License-Identifier: Apache-2.0
"""A machine on a worker: driven while a task waits for it, and ended at once when the task is killed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Generic

from airflow_dataops.triggers._driven import Driven, StepT

_SECONDS_TO_CANCEL = 2.0
_SECONDS_TO_KILL = 25.0


class Worker(Generic[StepT]):
    """Drives one run on an event loop and a thread of its own.

    Args:
        driven: The run.
        say: Takes a line for the task's log.
        else_ended_by: What ends the run where the requests do not get through, for people.
    """

    def __init__(self, driven: Driven[StepT], say: Callable[[str], None], else_ended_by: str) -> None:
        self.driven, self.killed = driven, False
        self._say, self._else_ended_by = say, else_ended_by
        self._driving: tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]] | None = None
        self._idle = threading.Event()
        self._idle.set()

    def follow(self, step: StepT, *, pauses: bool) -> StepT:
        """Drive until the end, or with ``pauses`` to the first long wait, and let go of everything; returns the last step.

        Where anything but a kill breaks it, what was made is told to go.

        Raises:
            TransientError: :meth:`kill` was called.
        """
        from airflow_dataops.clients.drive import run_blocking
        from airflow_dataops.core.errors import TransientError

        message = "the task was killed while it ran -> run it again when you like"
        if self.killed:
            raise TransientError(message, code="KILLED")
        try:
            last = run_blocking(self._drive(step, is_long_wait if pauses else None))
        except asyncio.CancelledError:
            raise TransientError(message, code="KILLED") from None
        except Exception as error:
            self.kill(f"the task failed: {type(error).__name__}: {error}")
            self.driven.close()
            raise
        self.driven.close()
        return last

    def kill(self, why: str) -> None:
        """End the run: send what ends it, within 25 seconds. Also from a signal handler."""
        from airflow_dataops.clients.drive import run_blocking

        self.killed = True
        if self._driving is not None:
            loop, task = self._driving
            loop.call_soon_threadsafe(task.cancel)
            self._idle.wait(_SECONDS_TO_CANCEL)
        step: Any = self.driven.listener.step
        if step is None:
            return  # nothing has been sent yet
        self.driven.listener.hurried = True
        ending = self.driven.stop(step.state, why)
        try:
            run_blocking(asyncio.wait_for(self._drive(ending, None), _SECONDS_TO_KILL))
        except TimeoutError:
            self._say(f"the requests did not get through in time; {self._else_ended_by}")

    async def _drive(self, step: StepT, until: Callable[[StepT], bool] | None) -> StepT:
        task = asyncio.current_task()
        if task is not None:
            self._driving = (asyncio.get_running_loop(), task)
        self._idle.clear()
        try:
            last = await self.driven.drive(step, until)
            await self.driven.listener.aclose()
            return last
        finally:
            self._driving = None
            try:
                await self.driven.leave_loop()
            finally:
                self._idle.set()


def is_long_wait(step: StepT) -> bool:
    """Tell whether a step waits for the other side: from there on the triggerer waits at less cost."""
    from airflow_dataops.core.machine import Wait

    return isinstance(step.action, Wait) and step.delay.total_seconds() > 0
