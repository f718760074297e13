# SPDX-License-Identifier: Apache-2.0
"""What a driver has written last is told by the task: lines of a trigger that is about to end may be lost."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from airflow_dataops.clients.google import CloudError
from airflow_dataops.core.dataproc_dask.driver_log import part_uri
from airflow_dataops.core.machine import CallError
from airflow_dataops.operators.dataproc_dask import DataprocDaskJobOperator, _rest
from tests.unit.operators.dataproc_dask.memory import LOG, World, arguments
from tests.unit.operators.shell import Shell, fire

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(60)]


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    caplog.set_level(logging.INFO)
    heard: list[str] = []

    def so_far() -> str:
        heard.append(capsys.readouterr().out)
        return "".join(heard) or caplog.text

    return so_far


@pytest.fixture
def fired(world: World, monkeypatch: pytest.MonkeyPatch) -> tuple[Shell, Any]:
    """A task whose trigger has told two lines of its driver's output, and the event."""
    monkeypatch.setattr(_rest, "_SECONDS_BETWEEN_TRIES", 0.0)
    world.buckets.objects[part_uri(LOG, 0)] = b"one\ntwo\n"

    async def write() -> None:
        if any(job.view.state == "DONE" for job in world.google.jobs.values()):
            world.buckets.objects[part_uri(LOG, 0)] = b"one\ntwo\nthree\nfour"

    world.on_sleep = write
    task = Shell(DataprocDaskJobOperator(task_id="delays", deferrable=True, **arguments()))
    return task, fire(task.begin())


def test_the_task_goes_on_behind_what_the_trigger_has_told(
    fired: tuple[Shell, Any], world: World, said: Callable[[], str]
) -> None:
    task, event = fired
    world.buckets.objects[part_uri(LOG, 0)] = b"one\ntwo\nthree\nfour"
    task.complete(event)
    assert [said().count(word) for word in ("three", "four")] == [1, 1]


def test_an_event_of_an_older_version_is_understood(fired: tuple[Shell, Any], said: Callable[[], str]) -> None:
    task, event = fired
    del event["log"]
    assert task.complete(event)["clusters"]["deleted"] == 1
    assert "three" not in said()


def test_an_output_that_is_gone_is_said_and_fails_nothing(
    fired: tuple[Shell, Any], world: World, said: Callable[[], str]
) -> None:
    task, event = fired
    del world.buckets.objects[part_uri(LOG, 0)]
    task.complete(event)
    assert said().count("there is no output of the driver (any more)") == 1


def test_an_output_that_cannot_be_read_fails_nothing(
    fired: tuple[Shell, Any], world: World, said: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise CloudError(CallError("UNAVAILABLE", "words"), "list")

    task, event = fired
    monkeypatch.setattr(world.buckets, "sizes", broken)
    task.complete(event)
    assert said().count("what the driver has written last cannot be read, and is not told") == 1
