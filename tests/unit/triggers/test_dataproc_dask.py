# SPDX-License-Identifier: Apache-2.0
"""The trigger through restarts, kills and breaks, and the tasks that follow them; with Google in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.triggers.base import BaseTrigger

from airflow_dataops.core.dataproc_dask.turn import CallKind
from airflow_dataops.operators.dataproc_dask import DataprocDaskJobOperator
from airflow_dataops.triggers import _task_state
from tests.unit.core.dataproc_dask.simulator import CreateFate
from tests.unit.operators.dataproc_dask.memory import World, arguments
from tests.unit.operators.shell import Shell, Ti, again, asleep, cancel, fire

pytestmark = pytest.mark.airflow


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    made.patch(monkeypatch)
    return made


@pytest.fixture
def task() -> Shell:
    return Shell(DataprocDaskJobOperator(task_id="delays", deferrable=True, **arguments()))


async def working(world: World, trigger: Any) -> asyncio.Task[Any]:
    """Let a trigger go on until its job runs, and leave it asleep there."""
    return await asleep(world, trigger, lambda: any(job.view.state == "RUNNING" for job in world.google.jobs.values()))


def test_a_task_defers_before_it_has_waited_and_needs_no_client_then(world: World, task: Shell) -> None:
    begun = world.google.now
    task.begin()
    assert world.google.now == begun
    assert world.google.count(CallKind.CREATE) == 1
    assert world.open == 0


def test_a_restarted_triggerer_deletes_nothing_and_makes_nothing_twice(world: World, task: Shell) -> None:
    trigger = task.begin()

    async def restart() -> None:
        await cancel(await working(world, trigger))
        await trigger.cleanup()

    asyncio.run(restart())
    assert world.google.count(CallKind.DELETE) == world.google.count(CallKind.CANCEL) == 0
    assert world.open == 0
    found = task.complete(fire(again(trigger)))
    assert world.google.count(CallKind.CREATE) == world.google.count(CallKind.SUBMIT) == 1
    assert found["clusters"] == {"created": 1, "adopted": 0, "deleted": 1}
    assert world.google.alive() == []


def test_on_kill_deletes_without_waiting(world: World, task: Shell) -> None:
    trigger = task.begin()

    async def kill() -> None:
        await cancel(await working(world, trigger))
        await trigger.on_kill()
        await trigger.cleanup()

    asyncio.run(kill())
    assert world.google.count(CallKind.DELETE) == 1
    assert world.google.alive() == []
    assert world.open == 0


def test_on_kill_before_the_trigger_has_begun_deletes_what_the_task_made(world: World, task: Shell) -> None:
    trigger = task.begin()
    asyncio.run(trigger.on_kill())
    assert world.google.alive() == []


@pytest.mark.parametrize(
    ("state", "deleted"),
    [("failed", True), ("success", True), ("removed", True), ("deferred", False), ("scheduled", False), (None, False)],
)
def test_where_airflow_has_no_on_kill_the_tasks_state_decides(
    world: World, task: Shell, monkeypatch: pytest.MonkeyPatch, state: str | None, deleted: bool
) -> None:
    monkeypatch.delattr(BaseTrigger, "on_kill", raising=False)
    monkeypatch.setattr(_task_state, "task_state", lambda _: state)
    trigger = task.begin()
    trigger.task_instance = Ti("delays")

    async def end() -> None:
        await cancel(await working(world, trigger))
        await trigger.cleanup()

    asyncio.run(end())
    assert (world.google.alive() == []) is deleted


@pytest.mark.parametrize("error", ["Trigger timeout", "Trigger failure"])
def test_a_time_out_or_a_broken_trigger_ends_with_no_cluster(world: World, task: Shell, error: str) -> None:
    task.begin()
    assert len(world.google.alive()) == 1
    with pytest.raises(Exception, match=error):
        task.break_off(error)
    assert world.google.alive() == []
    assert world.open == 0


def test_a_clean_up_that_cannot_reach_google_does_not_hide_why_the_task_failed(
    world: World, task: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    task.begin()

    def broken(*_: Any) -> Any:
        raise OSError("no network")

    monkeypatch.setattr(world.google, "observe", broken)
    with pytest.raises(Exception, match="Trigger timeout"):
        task.break_off()


def test_a_new_try_after_a_death_adopts_the_cluster_and_the_job(world: World, task: Shell) -> None:
    trigger = task.begin()

    async def die() -> None:
        await cancel(await working(world, trigger))

    asyncio.run(die())
    again_task = Shell(DataprocDaskJobOperator(task_id="delays", deferrable=True, **arguments()))
    again_task.ti.try_number, again_task.ti.max_tries = 2, 1
    again_task.operator.retries = 1
    found = again_task.run()
    assert world.google.count(CallKind.CREATE) == world.google.count(CallKind.SUBMIT) == 1
    assert found["clusters"] == {"created": 0, "adopted": 1, "deleted": 1}


def test_a_success_whose_task_died_counts_in_the_next_try_and_not_after_a_clear(world: World, task: Shell) -> None:
    fire(task.begin())
    retry = Shell(DataprocDaskJobOperator(task_id="delays", deferrable=True, retries=1, **arguments()))
    retry.ti.try_number, retry.ti.max_tries = 2, 1
    retry.run()
    assert world.google.count(CallKind.SUBMIT) == 1
    cleared = Shell(DataprocDaskJobOperator(task_id="delays", deferrable=True, retries=1, **arguments()))
    cleared.ti.try_number, cleared.ti.max_tries = 3, 3
    cleared.run()
    assert world.google.count(CallKind.SUBMIT) == 2
    assert world.google.alive() == []


def test_what_breaks_on_the_worker_ends_what_was_made(
    world: World, task: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    task.operator.deferrable = False
    world.google.creates = iter([CreateFate(after=1000)])

    async def break_it() -> None:
        if world.google.clusters:
            world.on_sleep = None
            raise OSError("broken")

    world.on_sleep = break_it
    with pytest.raises(OSError, match="broken"):
        task.run()
    assert world.google.alive() == []
    assert world.open == 0


def test_the_state_of_a_task_is_read_from_the_database_and_one_that_is_gone_was_removed(
    run_dag: Callable[..., Any],
) -> None:
    from airflow.providers.common.compat.sdk import DAG
    from airflow.providers.standard.operators.empty import EmptyOperator

    with DAG("dask_state", schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC), catchup=False) as dag:
        EmptyOperator(task_id="one")
    found = run_dag(dag, datetime(2024, 1, 2, tzinfo=UTC)).get_task_instance("one")
    assert _task_state.task_state(found) == "success"
    other = Ti("never")
    assert _task_state.task_state(other) == "removed"
