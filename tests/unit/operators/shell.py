# SPDX-License-Identifier: Apache-2.0
"""What Airflow does with an operator and its trigger, without a database; and the ways in which it can end them."""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_dataops.triggers._machine import _MachineTrigger


class Ti:
    """A task instance with its XComs, which all task instances of one run share."""

    def __init__(self, task_id: str, store: dict[tuple[str, int, str], Any] | None = None, map_index: int = -1) -> None:
        self.dag_id, self.task_id, self.run_id, self.map_index = "d", task_id, "manual__2026", map_index
        self.try_number, self.max_tries = 1, 0
        self.store = {} if store is None else store

    def xcom_push(self, *, key: str, value: Any) -> None:
        self.store[self.task_id, self.map_index, key] = json.loads(json.dumps(value))

    def xcom_pull(self, *, task_ids: str, key: str = "return_value", map_indexes: int = -1) -> Any:
        return self.store.get((task_ids, map_indexes, key))


class Shell:
    """One task, through its tries."""

    def __init__(self, operator: Any, ti: Ti | None = None) -> None:
        self.operator, self.ti = operator, ti or Ti(operator.task_id)
        self.context = {"ti": self.ti, "task": operator}

    def begin(self) -> Any:
        """Run ``execute``; returns what it returns, or the trigger that it defers to."""
        try:
            return self._done(self.operator.execute(self.context))
        except TaskDeferred as deferred:
            left = deferred
        assert left.method_name == "execute_complete"
        assert left.timeout is not None
        return again(left.trigger)

    def complete(self, event: Any) -> Any:
        """Resume the task with its trigger's event."""
        return self._done(self.operator.resume_execution("execute_complete", {"event": event}, self.context))

    def run(self) -> Any:
        """Run the task to its end."""
        found = self.begin()
        return self.complete(fire(found)) if isinstance(found, _MachineTrigger) else found

    def break_off(self, error: str = "Trigger timeout") -> None:
        """Resume the task as Airflow does when its deferral has timed out, or its trigger broke."""
        self.operator.resume_execution("__fail__", {"error": error}, self.context)

    def _done(self, value: Any) -> Any:
        if value is not None:
            self.ti.xcom_push(key="return_value", value=value)
        return value


def again(trigger: Any) -> Any:
    """Return the trigger as another process makes it, of JSON."""
    path, arguments = trigger.serialize()
    module, _, name = path.rpartition(".")
    kind = getattr(importlib.import_module(module), name)
    assert kind is type(trigger)
    return kind(**json.loads(json.dumps(arguments)))


def fire(trigger: Any) -> Any:
    """Run a trigger to its event, and return what that carries, as JSON."""

    async def run() -> Any:
        events = [event async for event in trigger.run()]
        await trigger.cleanup()
        [event] = events
        return json.loads(json.dumps(event.payload))

    return asyncio.run(run())


async def asleep(world: Any, trigger: Any, there: Callable[[], bool]) -> asyncio.Task[Any]:
    """Run a trigger up to the first sleep at which ``there`` is true, and leave it asleep.

    Args:
        world: Its ``on_sleep`` is awaited at every sleep.
        trigger: It must not have come to its event by then.
        there: Asked at every sleep.
    """
    reached = asyncio.Event()

    async def look() -> None:
        if there():
            reached.set()
            await asyncio.sleep(3600)

    async def run() -> None:
        async for _ in trigger.run():
            raise AssertionError("it has ended already")

    world.on_sleep = look
    running = asyncio.create_task(run())
    await reached.wait()
    world.on_sleep = None
    return running


async def cancel(running: asyncio.Task[Any]) -> None:
    """End a trigger as a triggerer does that stops."""
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
