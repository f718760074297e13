# SPDX-License-Identifier: Apache-2.0
"""What a task and its trigger need of any machine: its client, its steps, and who hears of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Generic, Protocol, TypeVar

from airflow_dataops.core.machine import Note


class Step(Protocol):
    """What all machines' steps have."""

    @property
    def action(self) -> Any: ...

    @property
    def delay(self) -> timedelta: ...

    @property
    def notes(self) -> tuple[Note, ...]: ...


StepT = TypeVar("StepT", bound=Step)


class Listener(Generic[StepT]):
    """Hears every step, and tells its notes.

    Args:
        say: Takes a line for the task's log.

    Attributes:
        step: The last step: what to go on from when everything has to end at once.
        hurried: True leaves everything but the notes alone; there are seconds left.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.step: StepT | None = None
        self.hurried = False
        self._say = say

    async def __call__(self, step: StepT) -> None:
        """Keep the step and tell what is new."""
        self.step = step
        for note in step.notes:
            self._say(f"{note.code}: {note.text}")
        if not self.hurried:
            await self.stream(step)

    async def stream(self, step: StepT) -> None:
        """Tell what the driver has written since the last step."""

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
