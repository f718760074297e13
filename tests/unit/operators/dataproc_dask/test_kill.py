# SPDX-License-Identifier: Apache-2.0
"""A task that is killed while its worker waits for Google, from another thread or inside a signal handler."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from typing import Any

import pytest

from airflow_dataops.core.dataproc_dask.turn import CallKind
from airflow_dataops.core.errors import TransientError
from airflow_dataops.operators.dataproc_dask import DataprocDaskJobOperator
from tests.unit.operators.dataproc_dask.memory import World, arguments
from tests.unit.operators.shell import Shell

pytestmark = [pytest.mark.airflow]


@pytest.fixture
def task() -> Shell:
    return Shell(DataprocDaskJobOperator(task_id="delays", deferrable=False, **arguments()))


def asleep(world: World, state: str) -> threading.Event:
    """Let the machine sleep for ever once the job is in a state, or with ``CREATING`` the cluster."""
    there = threading.Event()

    async def look() -> None:
        views: list[Any] = [job.view for job in world.google.jobs.values()]
        views += [cluster.view for cluster in world.google.clusters.values()]
        if any(view.state == state for view in views):
            world.on_sleep = None
            there.set()
            await asyncio.sleep(3600)

    world.on_sleep = look
    return there


@pytest.mark.parametrize("state", ["CREATING", "RUNNING"])
def test_a_killed_task_has_deleted_its_cluster_and_says_so(world: World, task: Shell, state: str) -> None:
    there = asleep(world, state)

    def kill() -> None:
        there.wait()
        task.operator.on_kill()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    with pytest.raises(TransientError, match="KILLED: the task was killed"):
        task.run()
    killer.join()
    assert world.google.alive() == []
    assert world.google.count(CallKind.DELETE) == 1


def test_it_works_inside_a_signal_handler(world: World, task: Shell) -> None:
    there = asleep(world, "RUNNING")
    before = signal.signal(signal.SIGTERM, lambda *_: task.operator.on_kill())
    sender = threading.Thread(target=lambda: (there.wait(), os.kill(os.getpid(), signal.SIGTERM)), daemon=True)
    try:
        sender.start()
        with pytest.raises(TransientError, match="KILLED"):
            task.run()
    finally:
        sender.join()
        signal.signal(signal.SIGTERM, before)
    assert world.google.alive() == []


def test_a_time_out_that_airflow_raises_in_the_task_is_followed_by_on_kill(world: World, task: Shell) -> None:
    class TimeOut(BaseException):
        pass

    def strike(*_: Any) -> None:
        raise TimeOut

    there = asleep(world, "RUNNING")
    before = signal.signal(signal.SIGALRM, strike)
    sender = threading.Thread(target=lambda: (there.wait(), os.kill(os.getpid(), signal.SIGALRM)), daemon=True)
    try:
        sender.start()
        with pytest.raises(TimeOut):
            task.run()
    finally:
        sender.join()
        signal.signal(signal.SIGALRM, before)
    assert len(world.google.alive()) == 1
    task.operator.on_kill()
    assert world.google.alive() == []


def test_killing_a_task_that_has_deferred_leaves_the_run_to_its_trigger(world: World, task: Shell) -> None:
    task.operator.deferrable = True
    task.begin()
    task.operator.on_kill()
    assert len(world.google.alive()) == 1
