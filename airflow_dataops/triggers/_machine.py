# SPDX-License-Identifier: Apache-2.0
"""A trigger that drives a machine to its end, and survives every restart of the triggerer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_dataops.triggers._driven import Driven

SECONDS_TO_KILL = 25.0  # Airflow gives a trigger's on_kill 30
_ENDED = {"failed", "success", "skipped", "upstream_failed", "removed"}


class _MachineTrigger(BaseTrigger):
    """Go on with a run where a task left it, and fire one event with how it ended.

    A triggerer that restarts makes the trigger anew with the same arguments: it looks at what is there, makes nothing twice and deletes
    nothing that is still wanted. A task that a person marks or clears ends its run: on Airflow 3.3 by :meth:`on_kill`; on Airflow 2, whose
    triggers have none, by a look at the task's state when the trigger is cancelled.
    """

    state_document: dict[str, Any]
    _else_ended_by = "what is left has a deadline of its own"  # for people: where the requests did not get through
    _driven: Driven[Any] | None = None

    def _open(self) -> Driven[Any]:
        """Return what drives the run. It blocks, so it is called beside the event loop."""
        raise NotImplementedError

    def _told(self, ended: Any) -> dict[str, Any]:
        """Return the event's payload. It may block, so it is called beside the event loop."""
        raise NotImplementedError

    def _state(self) -> Any:
        """Return the state that the trigger was made with."""
        raise NotImplementedError

    def _is_told_first(self, step: Any) -> bool:  # noqa: ARG002  for those who leave something
        """Tell whether what is left to do is for the task, after it has told how the run ended."""
        return False

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Drive the run to its end; yields one event.

        Raises:
            asyncio.CancelledError: The triggerer stops, or somebody ended the task.
        """
        try:
            ended = await self._follow(stopping=False)
            payload = await asyncio.to_thread(self._told, ended)
            await self.cleanup()
        except asyncio.CancelledError:
            await self._leave()
            if not hasattr(BaseTrigger, "on_kill") and await self._was_ended_by_someone():
                await self.on_kill()
            raise
        yield TriggerEvent(payload)  # type: ignore[no-untyped-call]

    async def on_kill(self) -> None:
        """Send what ends the run. It does not wait for the end."""
        self.log.info("the task was ended by hand, and so is what was made for it")
        try:
            await asyncio.wait_for(self._follow(stopping=True), SECONDS_TO_KILL)
        except TimeoutError:
            self.log.warning("the requests did not get through in time; %s", self._else_ended_by)

    async def cleanup(self) -> None:
        """Let go of the connections; what runs there goes on."""
        if self._driven is not None:
            driven, self._driven = self._driven, None
            await driven.aclose()

    async def _leave(self) -> None:
        """Leave what the next process needs; the triggerer stops, or somebody ended the task. It must not raise."""

    async def _follow(self, *, stopping: bool) -> Any:
        if self._driven is None:
            self._driven = await asyncio.to_thread(self._open)
        driven = self._driven
        driven.listener.hurried = stopping
        heard = driven.listener.step
        state = heard.state if heard is not None else self._state()
        why = "the task was ended by hand while it was deferred"
        if stopping:
            return await driven.drive(driven.stop(state, why))
        return await driven.drive(driven.resume(state), self._is_told_first)

    async def _was_ended_by_someone(self) -> bool:
        """Tell whether the task of this trigger has ended although its event never came; a cleared one is begun anew, and adopts."""
        if self.task_instance is None:
            return False
        from asgiref.sync import sync_to_async

        from airflow_dataops.triggers._task_state import task_state

        return await sync_to_async(task_state)(self.task_instance) in _ENDED
