# SPDX-License-Identifier: Apache-2.0
"""What a task and its trigger need of any machine: its client, its steps, and who hears of them."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, Generic, Protocol, TypeVar

from airflow_dataops.core.machine import Note
from airflow_dataops.core.pacing import CursorT, Piece
from airflow_dataops.triggers._log_budget import LogBudget

SECONDS_TO_TELL = 5.0  # of one step: what a trigger cannot tell by then it tells after its next look
SECONDS_TO_TELL_ALL = 120.0  # where the driver goes: 7 MiB, if nobody else tells anything
UNTOLD = "(the driver's last lines are not told: all triggers together write too much)"


class Step(Protocol):
    """What all machines' steps have."""

    @property
    def action(self) -> Any: ...

    @property
    def delay(self) -> timedelta: ...

    @property
    def notes(self) -> tuple[Note, ...]: ...


StepT = TypeVar("StepT", bound=Step)


class Log(Protocol[CursorT]):
    """A log that is told; ``cursor`` is how far."""

    cursor: CursorT


class Listener(Generic[StepT]):
    """Hears every step, and tells its notes.

    Args:
        say: Takes a line for the task's log.
        budget: In a trigger, what all triggers of this process may write together. None on a worker, whose log nobody shares.

    Attributes:
        step: The last step: what to go on from when everything has to end at once.
        hurried: True leaves everything but the notes alone; there are seconds left.
        behind: Of the lines that were last to be told some were not, for want of budget.
    """

    def __init__(self, say: Callable[[str], None], budget: LogBudget | None = None) -> None:
        self.step: StepT | None = None
        self.hurried = self.behind = False
        self._say, self._budget = say, budget

    async def __call__(self, step: StepT) -> None:
        """Keep the step and tell what is new."""
        self.step = step
        for note in step.notes:
            self._say(f"{note.code}: {note.text}")
        if not self.hurried:
            await self.stream(step)

    async def stream(self, step: StepT) -> None:
        """Tell what the driver has written since the last step."""

    async def tell(self, log: Log[CursorT], pieces: Iterable[Piece[CursorT]], until: float) -> int:
        """Tell a log's lines piece by piece, as far as the budget goes; returns how many.

        The cursor is never ahead of what was told: who is cancelled, or gives up, has told a piece whole or not at all.

        Args:
            log: Its cursor moves behind each piece.
            pieces: What is to be told.
            until: How long a trigger may wait for its budget, of ``time.monotonic()``.
        """
        told, self.behind = 0, False
        for piece in pieces:
            if self._budget is None:
                await asyncio.sleep(0)  # a task that is killed is cancelled between two pieces
            elif piece.lines and not await self._budget.take(piece.cost, until):
                self.behind = True
                break
            for line in piece.lines:
                self._say(line)
            log.cursor = piece.cursor
            told += len(piece.lines)
        return told

    async def aclose(self) -> None:
        """Note how far has been told, where that is kept anywhere."""


class Driven(ABC, Generic[StepT]):
    """One run with all that drives it.

    Attributes:
        listener: Hears every step.
    """

    listener: Listener[StepT]

    @abstractmethod
    async def drive(self, step: StepT, until: Callable[[StepT], bool] | None = None) -> StepT:
        """Perform steps until the run is over, or until ``until`` says so; returns the last one."""

    @abstractmethod
    def resume(self, state: Any) -> StepT:
        """Return the first step after a state that another process had."""

    @abstractmethod
    def stop(self, state: Any, why: str) -> StepT:
        """Return the first step of ending the run now, without waiting for what is told to go."""

    async def leave_loop(self) -> None:
        """Let go of what belongs to this event loop, which ends."""

    @abstractmethod
    async def aclose(self) -> None:
        """Let go of all connections."""

    def close(self) -> None:
        """Let go of what does not belong to an event loop."""
