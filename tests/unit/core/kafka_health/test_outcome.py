# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from airflow_dataops.core.kafka_health.outcome import Action, Outcome, outcome_of
from airflow_dataops.core.kafka_health.snapshot import GroupSnapshot, unread
from tests.unit.core.kafka_health.samples import GROUP, START, Watch, check_of, snapshot_of, trace, view

WELL = snapshot_of(view(9, 9))
WARNED = snapshot_of(view(-1, 9))
BAD = snapshot_of(view(5, 9, log_start=7))
AWAY = unread(GROUP, START, "_TRANSPORT")
REFUSED = unread(GROUP, START, "SASL_AUTHENTICATION_FAILED")


@pytest.mark.parametrize(
    ("snapshot", "on_unknown", "outcome"),
    [
        (WELL, "fail", Outcome(Action.SUCCEED, None, event=False)),
        (WARNED, "fail", Outcome(Action.SUCCEED, "warning", event=True)),
        (BAD, "fail", Outcome(Action.FAIL, "critical", event=True)),
        (BAD, "skip", Outcome(Action.FAIL, "critical", event=True)),
        (AWAY, "fail", Outcome(Action.RETRY, "warning", event=True)),
        (AWAY, "warn", Outcome(Action.SUCCEED, "warning", event=True)),
        (AWAY, "skip", Outcome(Action.SKIP, "warning", event=True)),
        (REFUSED, "fail", Outcome(Action.FAIL, "warning", event=True)),
        (REFUSED, "warn", Outcome(Action.SUCCEED, "warning", event=True)),
        (REFUSED, "skip", Outcome(Action.SKIP, "warning", event=True)),
    ],
)
def test_what_a_task_does(snapshot: GroupSnapshot, on_unknown: Any, outcome: Outcome) -> None:
    assert outcome_of(Watch(check_of()).look(snapshot), on_unknown) == outcome


def test_an_event_is_told_when_something_changes_and_not_again() -> None:
    watch = Watch(check_of())
    looks = [*trace([(9, 9), (9, 10), (9, 11), (9, 12), (9, 13)]), snapshot_of(view(13, 13), minute=5)]
    assert [outcome_of(watch.look(look), "fail").event for look in looks] == [False, False, False, True, False, True]
