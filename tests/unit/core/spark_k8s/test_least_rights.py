# SPDX-License-Identifier: Apache-2.0
"""Airflow's account may create ConfigMaps and need not be able to read them."""

from __future__ import annotations

from airflow_dataops.core.machine import CallError
from airflow_dataops.core.spark_k8s.observation import Look
from airflow_dataops.core.spark_k8s.state import CallKind
from airflow_dataops.core.spark_k8s.turn import Call
from tests.unit.core.spark_k8s.performer import Task, task
from tests.unit.core.spark_k8s.simulator import NOW


def without_rights(one: Task) -> None:
    one.kube.on_read = lambda look: CallError("FORBIDDEN", "no get") if look is Look.CONFIG else None


def lost(kind: CallKind, one: Task) -> None:
    def fate(call: Call) -> str:
        return "lost" if call.kind is kind and one.kube.count(kind) == 1 else "ok"

    one.kube.on_call = fate


def test_a_config_whose_answer_was_lost_is_taken_for_ones_own() -> None:
    one = task()
    without_rights(one)
    lost(CallKind.CREATE_CONFIG, one)
    assert one.finish().ok
    assert (one.kube.now - NOW).total_seconds() < 150


def test_the_next_try_gives_a_driver_what_it_lacks() -> None:
    one = task()
    without_rights(one)
    step = one.start()
    while CallKind.CREATE_CONFIG not in [call.kind for _, call in one.kube.calls]:
        step = one.follow(step, 1)
    assert one.finish().ok
    assert one.kube.count(CallKind.CREATE_SECRET) == 1
    assert len(one.kube.made) == 1
