# SPDX-License-Identifier: Apache-2.0
"""Triggers of one event loop: what they share, what they tell, and what ends them."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from airflow.triggers import base

from airflow_dataops.clients.kafka_health import probe
from airflow_dataops.clients.kafka_health.probe import KafkaAccess, Probes, Token
from airflow_dataops.core.kafka_health.course import Course, Goal, course_of
from airflow_dataops.triggers import _kafka_access
from airflow_dataops.triggers._kafka_access import Accesses
from airflow_dataops.triggers.kafka_health import KafkaConsumerHealthEventTrigger, KafkaConsumerHealthTrigger
from tests.kafka_looks import answer, at
from tests.unit.core.kafka_health.samples import GROUP, check_of
from tests.unit.operators.shell import again, cancel, fire

pytestmark = pytest.mark.airflow

FAKE = Path(__file__).parents[1] / "clients" / "kafka_health" / "fake_child.py"
CONNECTION = {"kafka_config_id": "kafka_default", "aws_conn_id": None}
has_events = hasattr(base, "BaseEventTrigger")


@pytest.fixture(autouse=True)
def connection(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"bootstrap.servers": "nowhere:1"}
    monkeypatch.setenv("AIRFLOW_CONN_KAFKA_DEFAULT", json.dumps({"conn_type": "kafka", "extra": extra}))
    monkeypatch.setattr(_kafka_access, "SHARED", Accesses(_kafka_access._of_hook))


def trigger(group: str = GROUP, **given: Any) -> KafkaConsumerHealthTrigger:
    check = check_of(group=group)
    course = given.pop("course", course_of(check))
    document = check.model_dump(mode="json", exclude_unset=True)
    return KafkaConsumerHealthTrigger(document, CONNECTION, course.document(), wait=False, **given)


def test_500_triggers_share_eight_processes_and_read_the_connection_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Real processes; only what they ask is not Kafka."""
    monkeypatch.setattr(probe, "PROBES", Probes((sys.executable, "-I", "-S", str(FAKE), str(tmp_path))))
    read: list[Any] = []

    def reads(connection: dict[str, Any]) -> KafkaAccess:
        read.append(connection)
        # as a callback does: each token is another one
        return KafkaAccess({"bootstrap.servers": "nowhere:1"}, Token(f"token-{len(read)}", 9e9))

    monkeypatch.setattr(_kafka_access, "SHARED", Accesses(reads))

    async def first(one: KafkaConsumerHealthTrigger) -> Any:
        return [event.payload async for event in one.run()]

    async def all_of_them() -> list[Any]:
        return await asyncio.gather(*(first(again(trigger(f"group-{number}"))) for number in range(500)))

    found = asyncio.run(all_of_them())
    assert [payload["document"]["group"] for [payload] in found] == [f"group-{number}" for number in range(500)]
    asked = [json.loads(path.read_text()) for path in tmp_path.glob("asked-*.json")]
    assert sum(len(one["groups"]) for one in asked) == 500
    assert len(asked) <= 16
    assert max(one["beside"] for one in asked) <= probe.MOST_PROCESSES
    assert len(read) == 1


def test_a_connection_that_is_not_there_ends_the_task_with_its_error() -> None:
    made = trigger()
    made.connection = {"kafka_config_id": "nowhere", "aws_conn_id": None}
    with pytest.MonkeyPatch.context() as patch:
        from airflow_dataops.core.errors import SpecError

        def reads(_: Any) -> KafkaAccess:
            raise SpecError("there is no connection nowhere", code="KAFKA_CONNECTION")

        patch.setattr(_kafka_access, "SHARED", Accesses(reads))
        assert fire(made)["error"]["code"] == "KAFKA_CONNECTION"


def test_a_trigger_goes_on_with_what_the_task_saw(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_dataops.core.kafka_health.packing import pack
    from tests.unit.core.kafka_health.samples import Watch

    watch = Watch(check_of())
    for minute in range(2):
        watch.look(at(minute, 1, 9))
    assert watch.window is not None
    answer(monkeypatch, at(2, 1, 9))
    payload = fire(again(trigger(window=pack(watch.window), before="ok")))
    assert (payload["code"], payload["event"]) == ("STALLED", True)


def test_a_trigger_that_waits_can_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_dataops.clients.kafka_health import watch

    answer(monkeypatch, at(0, 1, 9))

    async def run() -> None:
        asleep = asyncio.Event()

        async def for_ever(seconds: float) -> None:
            asleep.set()
            await asyncio.sleep(3600)

        monkeypatch.setattr(watch, "pause", for_ever)

        async def consume() -> None:
            async for _ in trigger(course=Course(Goal.HEALTHY, 9)).run():
                raise AssertionError("it has ended already")

        running = asyncio.create_task(consume())
        await asleep.wait()
        await cancel(running)

    asyncio.run(run())


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_connection_is_read_again_when_it_is_old_its_token_ends_or_it_failed() -> None:
    clock, read = Clock(), 0
    expires = [1100.0, 9e9]

    def reads(_: dict[str, Any]) -> KafkaAccess:
        nonlocal read
        read += 1
        if read == 3:
            raise OSError("no database today")
        return KafkaAccess({}, Token("t", expires[min(read, 2) - 1]))

    async def run() -> None:
        accesses = Accesses(reads, clock)
        for wait, count in ((0.0, 1), (30.0, 1), (20.0, 2), (20.0, 2)):
            clock.now += wait
            await accesses.get(CONNECTION)
            assert read == count
        clock.now += 60
        with pytest.raises(OSError, match="no database"):
            await accesses.get(CONNECTION)
        await accesses.get(CONNECTION)
        assert read == 4

    asyncio.run(run())


@pytest.mark.skipif(has_events, reason="this Airflow has event triggers")
def test_airflow_2_has_no_event_triggers() -> None:
    with pytest.raises(RuntimeError, match="no event triggers"):
        KafkaConsumerHealthEventTrigger({"group": GROUP})


class State(dict[str, Any]):
    """The state of the one asset that is watched."""

    async def aget(self, key: str) -> Any:
        return self.get(key)

    async def aset(self, key: str, value: Any) -> None:
        self[key] = value


async def events(found: KafkaConsumerHealthEventTrigger, count: int) -> list[tuple[str | None, str]]:
    running: AsyncIterator[Any] = found.run()
    told = [(await anext(running)).payload for _ in range(count)]
    await running.aclose()  # type: ignore[attr-defined]
    return [(one["before"], one["severity"]) for one in told]


@pytest.mark.skipif(not has_events, reason="needs the event triggers of Airflow 3")
def test_an_event_trigger_fires_at_changes_only_and_remembers_over_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    check = {"group": GROUP, "delay": {}, "lag": {"warning": 3, "critical": 6}}
    seen = [at(0, 9, 9), at(1, 9, 17), at(2, 10, 17), at(3, 13, 17), at(4, 17, 17)]
    answer(monkeypatch, *seen)
    made = again(KafkaConsumerHealthEventTrigger(check))
    made.asset_state_store = state = State()
    assert asyncio.run(events(made, 2)) == [("ok", "critical"), ("critical", "warning")]
    assert list(state.values()) == ["critical"]  # the last event was not known to be taken
    answer(monkeypatch, at(4, 1, 9), at(5, 9, 9))
    made = again(KafkaConsumerHealthEventTrigger(check))
    made.asset_state_store = state
    assert asyncio.run(events(made, 1)) == [("critical", "ok")]
