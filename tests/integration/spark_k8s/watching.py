# SPDX-License-Identifier: Apache-2.0
"""What a test does while a driver runs, and to the task that waits for it."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from airflow_dataops.core.errors import TransientError
from tests.services.kube.accounts import Namespace, until
from tests.unit.operators.shell import Shell


def pods(namespace: Namespace) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = namespace.api("GET", namespace.path("pods"))["items"]
    return found


def running(namespace: Namespace) -> dict[str, Any]:
    """Return the one driver, as soon as its program runs."""
    until(lambda: [one for one in pods(namespace) if one["status"]["phase"] == "Running"])
    [pod] = pods(namespace)
    return pod


def leave(trigger: Any, namespace: Namespace, *, killed: bool = False) -> None:
    """Run a trigger until its driver runs; then its process ends, or (``killed``) a person has it end the task."""

    async def run() -> None:
        first = asyncio.create_task(trigger.run().__anext__())
        await asyncio.to_thread(running, namespace)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        if killed:
            await trigger.on_kill()
        await trigger.cleanup()

    asyncio.run(run())


def kill(task: Shell, namespace: Namespace) -> None:
    """Run a task that waits itself, and have a person end it as soon as its driver runs."""

    def end() -> None:
        running(namespace)
        task.operator.on_kill()

    killer = threading.Thread(target=end, daemon=True)
    killer.start()
    with pytest.raises(TransientError, match="KILLED"):
        task.run()
    killer.join()
