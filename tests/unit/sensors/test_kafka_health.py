# SPDX-License-Identifier: Apache-2.0
"""Waiting for a consumer group, on the worker and in the triggerer; what the brokers say is written down."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)

from airflow_dataops.sensors.kafka_health import KafkaConsumerHealthSensor
from airflow_dataops.triggers import _kafka_access
from tests.kafka_looks import answer, at, dark
from tests.unit.core.kafka_health.samples import GROUP
from tests.unit.operators.shell import Ti, again, fire

pytestmark = pytest.mark.airflow


@pytest.fixture(autouse=True)
def connection(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"bootstrap.servers": "nowhere:1"}
    monkeypatch.setenv("AIRFLOW_CONN_KAFKA_DEFAULT", json.dumps({"conn_type": "kafka", "extra": extra}))
    monkeypatch.setattr(_kafka_access, "SHARED", _kafka_access.Accesses(_kafka_access._of_hook))


def wait(deferrable: bool, **given: Any) -> tuple[Any, Ti]:
    """Run a sensor to its end; returns what it returns, and its task instance."""
    check = {"delay": {}, **given.pop("check", {})}
    sensor = KafkaConsumerHealthSensor(task_id="wait", group=GROUP, check=check, deferrable=deferrable, **given)
    ti = Ti("wait")
    context = {"ti": ti}
    try:
        return sensor.execute(context), ti
    except TaskDeferred as deferred:
        left = deferred
    assert left.timeout is not None
    return getattr(sensor, left.method_name)(context, fire(again(left.trigger))), ti


both = pytest.mark.parametrize("deferrable", [False, True])


@both
def test_it_waits_until_all_has_been_read(monkeypatch: pytest.MonkeyPatch, deferrable: bool) -> None:
    answers = answer(monkeypatch, at(0, 1, 9), dark(1, "_TRANSPORT"), at(2, 1, 9), at(3, 9, 9))
    found, _ = wait(deferrable, poke_interval=30)
    assert (found["severity"], found["looks"]) == ("ok", 4)
    assert answers.slept == pytest.approx([30.0] * 3, abs=5)


@both
def test_three_good_looks_are_enough_while_records_wait(monkeypatch: pytest.MonkeyPatch, deferrable: bool) -> None:
    answer(monkeypatch, at(0, 1, 9), at(1, 2, 9), at(2, 4, 9))
    assert wait(deferrable)[0]["total_lag"] == 5


@both
def test_when_the_time_is_over_it_says_why(monkeypatch: pytest.MonkeyPatch, deferrable: bool) -> None:
    answer(monkeypatch, at(0, 1, 9))
    given = {"check": {"lag": {"critical": 5}}, "timeout": 1, "poke_interval": 60}
    with pytest.raises(
        AirflowSensorTimeout, match="not healthy after 1 s: group edge-worker is critical: LAG_EXCEEDED"
    ):
        wait(deferrable, **given)
    with pytest.raises(AirflowSkipException, match="LAG_EXCEEDED"):
        wait(deferrable, soft_fail=True, **given)


@both
def test_an_account_that_is_refused_fails_at_once(monkeypatch: pytest.MonkeyPatch, deferrable: bool) -> None:
    answers = answer(monkeypatch, dark(0, "SASL_AUTHENTICATION_FAILED"))
    with pytest.raises(AirflowFailException, match="UNAUTHENTICATED"):
        wait(deferrable)
    assert len(answers.asked) == 1


@both
def test_a_warning_may_be_good_enough(monkeypatch: pytest.MonkeyPatch, deferrable: bool) -> None:
    answer(monkeypatch, at(0, 1, 9))
    check = {"lag": {"warning": 5}, "looks": 1}
    assert wait(deferrable, check=check, until="warning")[0]["severity"] == "warning"


def test_what_would_forget_is_refused() -> None:
    with pytest.raises(AirflowFailException, match="deferrable=True"):
        wait(False, mode="reschedule")
    with pytest.raises(AirflowFailException, match="known are ok, warning"):
        wait(False, until="fine")
