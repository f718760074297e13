# SPDX-License-Identifier: Apache-2.0
"""The trigger through restarts and kills; with Kubernetes in memory."""

from __future__ import annotations

import asyncio
import itertools
import logging
from typing import Any

import pytest
from airflow.triggers.base import BaseTrigger

from airflow_dataops.core.spark_k8s.state import CallKind
from airflow_dataops.operators.spark_k8s import SparkKubernetesSubmitOperator
from airflow_dataops.triggers import _task_state
from tests.unit.operators.shell import Shell, Ti, again, asleep, cancel, fire
from tests.unit.operators.spark_k8s.memory import SECRET, World, arguments, connect

pytestmark = [pytest.mark.airflow]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    connect(monkeypatch, "store", conn_type="generic", password=SECRET)
    made = World()
    made.patch(monkeypatch)
    return made


@pytest.fixture
def task() -> Shell:
    return Shell(SparkKubernetesSubmitOperator(task_id="sum", deferrable=True, **arguments()))


async def working(world: World, trigger: Any, sleeps: int = 1) -> asyncio.Task[Any]:
    """Let a trigger go on until its driver works, and leave it in its so-manieth sleep from there."""
    slept = itertools.count(1)
    return await asleep(world, trigger, lambda: world.works() > 0 and next(slept) == sleeps)


def test_a_restarted_triggerer_deletes_nothing_and_makes_nothing_twice(world: World, task: Shell) -> None:
    trigger = task.begin()

    async def restart() -> None:
        await cancel(await working(world, trigger))
        await trigger.cleanup()

    asyncio.run(restart())
    assert world.kube.count(CallKind.DELETE_POD) == 0
    assert world.open == 0
    found = task.complete(fire(again(trigger)))
    assert world.kube.count(CallKind.CREATE_POD) == 1
    assert (found["exit_code"], found["adopted"]) == (0, False)


def test_on_kill_deletes_without_waiting(world: World, task: Shell) -> None:
    trigger = task.begin()

    async def kill() -> None:
        await cancel(await working(world, trigger))
        await trigger.on_kill()
        await trigger.cleanup()

    asyncio.run(kill())
    assert world.kube.count(CallKind.DELETE_POD) == 1
    assert world.open == 0
    world.settle()
    assert world.kube.ours() == []


def test_on_kill_before_the_trigger_has_begun_deletes_what_the_task_made(world: World, task: Shell) -> None:
    trigger = task.begin()
    asyncio.run(trigger.on_kill())
    world.settle()
    assert world.kube.ours() == []


@pytest.mark.parametrize(
    ("state", "deleted"), [("failed", True), ("removed", True), ("deferred", False), (None, False)]
)
def test_where_airflow_has_no_on_kill_the_tasks_state_decides(
    world: World, task: Shell, monkeypatch: pytest.MonkeyPatch, state: str | None, deleted: bool
) -> None:
    monkeypatch.delattr(BaseTrigger, "on_kill", raising=False)
    monkeypatch.setattr(_task_state, "task_state", lambda _: state)
    trigger = task.begin()
    trigger.task_instance = Ti("sum")

    async def end() -> None:
        await cancel(await working(world, trigger))
        await trigger.cleanup()

    asyncio.run(end())
    assert (world.kube.count(CallKind.DELETE_POD) == 1) is deleted


@pytest.mark.parametrize("killed", [False, True])
def test_a_restarted_triggerer_goes_on_with_the_log_where_the_last_one_stopped(
    world: World,
    task: Shell,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    killed: bool,
) -> None:
    from airflow_dataops.triggers import _kept

    caplog.set_level(logging.INFO)
    monkeypatch.setattr(_task_state, "task_state", lambda _: "deferred")
    store: dict[str, Any] = {}
    monkeypatch.setattr(_kept.XCom, "set", lambda key, value, **place: store.update({key: value}))
    monkeypatch.setattr(_kept.XCom, "get_one", lambda key, **place: store.get(key))
    trigger = task.begin()
    trigger.task_instance = Ti("sum")

    async def restart() -> dict[str, Any]:
        sleeper = await working(world, trigger, sleeps=3)
        before = dict(store)
        await cancel(sleeper)
        return before

    before = asyncio.run(restart())
    assert store
    if killed:  # it could leave nothing at its end, and what it had said a moment before may be in no log
        store.clear()
        store.update(before)
    following = again(trigger)
    following.task_instance = trigger.task_instance
    task.complete(fire(following))
    told = capsys.readouterr().out or caplog.text
    assert told.count("bye") == 1
    assert told.count("hello from the driver") == (2 if killed else 1)


@pytest.mark.parametrize(("looks", "times"), [(2, 0), (3, 1)])
def test_what_was_just_told_is_kept_a_while_later(
    world: World, task: Shell, monkeypatch: pytest.MonkeyPatch, looks: int, times: int
) -> None:
    from airflow_dataops.triggers import _kept, _spark_driven

    kept: list[Any] = []
    monkeypatch.setattr(_kept.XCom, "set", lambda key, value, **place: kept.append(value["value"]))
    monkeypatch.setattr(_kept.XCom, "get_one", lambda key, **place: None)
    monkeypatch.setattr(_spark_driven, "_SECONDS_TO_BE_WRITTEN", 0.0)  # a while: until the next look
    trigger = task.begin()
    trigger.task_instance = Ti("sum")

    async def work() -> tuple[int, Any]:
        sleeper = await working(world, trigger, sleeps=looks)
        now = trigger._driven.listener.cursor.model_dump(mode="json")
        before = kept.count(now)
        await cancel(sleeper)
        return before, now

    before, now = asyncio.run(work())
    assert now["told"] > 0
    assert before == times
    assert kept.count(now) == 1
