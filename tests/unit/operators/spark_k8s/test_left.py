# SPDX-License-Identifier: Apache-2.0
"""A driver that has ended is deleted by the task, after it has told how: a triggerer that dies before its event is kept finds it again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_dataops.core.errors import TransientError
from airflow_dataops.core.spark_k8s.state import CallKind
from tests.unit.core.spark_k8s.fates import Fate
from tests.unit.operators.shell import Shell, again, fire
from tests.unit.operators.spark_k8s.memory import TRACEBACK, Client, World, shell

pytestmark = [pytest.mark.airflow]


def fired(*fates: Fate, world: World) -> tuple[Shell, Any, Any]:
    """Return a deferred task whose trigger has fired, the trigger, and its event."""
    world.kube.fates = iter(fates)
    task = shell(policy={"keep_failed_for": None})
    trigger = task.begin()
    return task, trigger, fire(trigger)


def test_the_trigger_leaves_a_driver_that_has_ended(world: World) -> None:
    task, _, event = fired(world=world)
    assert [one["name"] for one in event["left"]] == world.kube.made
    assert world.kube.count(CallKind.DELETE_POD) == 0
    assert task.complete(event)["result"] == {"rows": 3}
    assert world.kube.ours() == []


@pytest.mark.parametrize("fate", [Fate(), Fate(exit_code=1, log=TRACEBACK)])
def test_a_triggerer_that_dies_with_its_event_is_followed_by_the_same_verdict(world: World, fate: Fate) -> None:
    _, trigger, event = fired(fate, world=world)
    twice = fire(again(trigger))
    assert twice["left"] == event["left"]
    assert (twice["failure"] or {}).get("code") == (event["failure"] or {}).get("code")
    assert world.kube.count(CallKind.CREATE_POD) == 1


def test_a_failure_is_told_and_its_driver_deleted(world: World) -> None:
    task, _, event = fired(Fate(exit_code=1, log=TRACEBACK), world=world)
    assert world.kube.count(CallKind.DELETE_POD) == 0
    with pytest.raises(TransientError, match="no such column"):
        task.complete(event)
    assert world.kube.ours() == []


def test_what_cannot_be_deleted_does_not_unmake_a_success(world: World, said: Callable[[], str]) -> None:
    task, _, event = fired(world=world)
    world.kube.on_call = lambda call: "refused" if call.kind is CallKind.DELETE_POD else "ok"
    assert task.complete(event)["exit_code"] == 0
    assert "told to go, and still there" in said()


def test_the_task_tells_what_the_trigger_has_left_of_the_log_before_it_deletes_the_driver(
    world: World, said: Callable[[], str]
) -> None:
    task, _, event = fired(world=world)
    assert (said().count("hello from the driver"), said().count("bye")) == (1, 0)
    told_by_then: list[int] = []

    def deleted(_: Any) -> str:
        told_by_then.append(said().count("bye"))
        return "ok"

    world.kube.on_call = deleted
    task.complete(event)
    assert told_by_then == [1]
    assert (said().count("hello from the driver"), said().count("bye")) == (1, 1)


def test_an_event_of_an_older_version_is_understood(world: World, said: Callable[[], str]) -> None:
    task, _, event = fired(world=world)
    del event["log"]
    assert task.complete(event)["exit_code"] == 0
    assert "bye" not in said()
    assert world.kube.ours() == []


def test_a_driver_that_is_gone_before_its_last_lines_were_read_is_said_and_fails_nothing(
    world: World, said: Callable[[], str]
) -> None:
    task, _, event = fired(world=world)
    world.kube.pods.clear()
    assert task.complete(event)["exit_code"] == 0
    assert said().count("is gone with it, and was not told") == 1


def test_last_lines_that_cannot_be_read_fail_nothing(
    world: World, said: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    task, _, event = fired(world=world)

    async def broken(*_: Any, **__: Any) -> Any:
        raise OSError("no network")

    monkeypatch.setattr(Client, "get", broken)
    assert task.complete(event)["exit_code"] == 0
    assert "has written last cannot be read: no network" in said()


def test_a_trigger_that_deletes_a_driver_tells_all_of_its_log_itself(world: World, said: Callable[[], str]) -> None:
    world.kube.fates = iter([Fate(exit_code=143, pod_reason="Evicted"), Fate()])
    task = shell(policy={"keep_failed_for": None, "attempts": 2})
    event = fire(task.begin())
    told = said()
    assert (told.count("hello from the driver"), told.count("bye")) == (2, 1)
    assert event["log"] is not None


def test_a_driver_that_is_kept_is_read_to_its_end_by_the_task(world: World, said: Callable[[], str]) -> None:
    world.kube.fates = iter([Fate(exit_code=1, log=TRACEBACK)])
    task = shell(policy={"keep_failed_for": "1h"})
    event = fire(task.begin())
    assert event["kept_until"] is not None
    assert "bye" not in said()
    with pytest.raises(TransientError, match="no such column"):
        task.complete(event)
    assert said().count("bye") == 1
