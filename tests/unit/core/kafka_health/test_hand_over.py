# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_dataops.core.kafka_health.course import Course, Goal
from airflow_dataops.core.kafka_health.hand_over import HealthReport, report_of
from airflow_dataops.core.kafka_health.outcome import Action
from airflow_dataops.core.kafka_health.packing import unpack
from airflow_dataops.core.kafka_health.snapshot import GroupSnapshot
from airflow_dataops.core.kafka_health.window import Window
from tests.kafka_looks import at, dark
from tests.unit.core.kafka_health.samples import Watch, check_of


def report(snapshot: GroupSnapshot, course: Course | None = None, **check: Any) -> HealthReport:
    watch = Watch(check_of(**check))
    verdict = watch.look(snapshot)
    course = (course or Course(Goal.LOOKS, 1)).after(verdict)
    return report_of(watch.check, verdict, watch.window or Window(), course)


def test_it_survives_json_with_all_that_a_task_needs() -> None:
    found = report(at(0, 1, 9), lag={"critical": 5})
    assert HealthReport.model_validate(json.loads(found.model_dump_json())) == found
    assert (found.action, found.alert, found.event, found.code) == (Action.FAIL, "critical", True, "LAG_EXCEEDED")
    assert found.line == "dataops.kafka.failed group=edge-worker code=LAG_EXCEEDED"
    assert found.document["reasons"][0].startswith("LAG_EXCEEDED: ")
    window = unpack(found.window)
    assert window is not None
    assert len(window.looks) == 1


def test_why_names_the_worst_and_what_to_do() -> None:
    found = report(at(0, 1, 9, partitions=3), lag={"critical": 5})
    assert found.why.startswith("group edge-worker is critical: LAG_EXCEEDED: ")
    assert "(and 2 findings more) -> " in found.why


def test_why_tells_what_is_missing_where_nothing_is_wrong() -> None:
    found = report(at(0, 1, 9), Course(Goal.HEALTHY, 3))
    assert not found.over
    assert found.why == "group edge-worker: ok, lag 8; 1 of 3 good looks in a row so far"


@pytest.mark.parametrize(
    ("on_unknown", "action"), [("fail", Action.RETRY), ("warn", Action.SUCCEED), ("skip", Action.SKIP)]
)
def test_what_is_unknown_ends_as_was_asked(on_unknown: str, action: Action) -> None:
    assert report(dark(0, "_TRANSPORT"), on_unknown=on_unknown).action is action
