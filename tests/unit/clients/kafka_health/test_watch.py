# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
from typing import Any

import pytest

from airflow_dataops.clients.kafka_health.probe import KafkaAccess
from airflow_dataops.clients.kafka_health.watch import Watch, Watched
from airflow_dataops.core.kafka_health.codes import Severity
from airflow_dataops.core.kafka_health.course import Course, Goal, course_of
from airflow_dataops.core.kafka_health.snapshot import GroupSnapshot
from airflow_dataops.core.kafka_health.verdict import GroupVerdict
from tests.kafka_looks import Answers, answer, at, dark
from tests.unit.core.kafka_health.samples import check_of

ACCESS = KafkaAccess({"bootstrap.servers": "nowhere:1"})


class Looked:
    """Looks with written answers, at a clock that runs while they wait."""

    def __init__(self, patch: pytest.MonkeyPatch, *snapshots: GroupSnapshot, **check: Any) -> None:
        self.answers: Answers = answer(patch, *snapshots)
        self.heard: list[GroupVerdict] = []
        self.check = check_of(**check)

    async def _access(self) -> KafkaAccess:
        return ACCESS

    async def _hear(self, verdict: GroupVerdict) -> None:
        self.heard.append(verdict)

    def follow(self, course: Course | None = None, **how: Any) -> Watched:
        watch = Watch(self.check, self._access, self._hear, clock=lambda: 1000.0 + sum(self.answers.slept))
        return asyncio.run(watch.follow(course or course_of(self.check), **how))


def test_looks_are_an_interval_apart_and_each_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = Looked(monkeypatch, at(0, 1, 9), at(1, 2, 9), at(2, 3, 9), looks=3, interval="20s")
    found = looked.follow()
    assert (found.course.done, found.course.over) == (3, True)
    assert looked.answers.slept == [20.0, 20.0]
    assert len(looked.heard) == 3
    assert len(found.window.looks) == 3


def test_a_group_that_stands_still_is_seen_in_one_task(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = Looked(monkeypatch, *(at(minute, 1, 9 + minute) for minute in range(3)), looks=3)
    found = looked.follow()
    assert [one.severity for one in looked.heard] == [Severity.OK, Severity.CRITICAL, Severity.CRITICAL]
    assert found.verdict.counts == {"STALLED": 1}


def test_no_look_begins_after_the_end_and_there_is_one_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    for ends_at, looks in ((0.0, 1), (1059.0, 1), (1060.0, 2)):
        looked = Looked(monkeypatch, at(0, 1, 9))
        found = looked.follow(Course(Goal.HEALTHY, 9), ends_at=ends_at)
        assert (len(looked.heard), found.course.over) == (looks, False)


def test_the_verdict_is_compared_with_what_was_before_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = Looked(monkeypatch, dark(0, "_TRANSPORT"), at(1, 9, 9), looks=2)
    found = looked.follow()
    assert found.verdict.before is None
    assert not found.report(looked.check).event
    assert found.since("critical").report(looked.check).event


def test_an_account_that_is_refused_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = Looked(monkeypatch, dark(0, "SASL_AUTHENTICATION_FAILED"), looks=3)
    assert looked.follow().course.over
    assert len(looked.answers.asked) == 1
    assert looked.answers.slept == []


def test_many_partitions_are_judged_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = Looked(monkeypatch, at(0, 1, 9, partitions=1000))
    assert looked.follow().verdict.total_lag == 8000
