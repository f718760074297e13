# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json

import pytest

from airflow_dataops.core.kafka_health.codes import Severity
from airflow_dataops.core.kafka_health.course import Course, Goal, course_of, is_refused, read_course, seen_in
from airflow_dataops.core.kafka_health.snapshot import GroupSnapshot
from tests.kafka_looks import at, dark
from tests.unit.core.kafka_health.samples import GROUP, TOPIC, Watch, check_of


def through(course: Course, *snapshots: GroupSnapshot) -> list[Course]:
    """Return the course after each of these looks."""
    watch, found = Watch(check_of()), []
    for snapshot in snapshots:
        course = course.after(watch.look(snapshot))
        found.append(course)
    return found


def test_so_many_looks_are_taken_whatever_they_see() -> None:
    course = course_of(check_of(looks=3))
    found = through(course, at(0, 1, 9), dark(1, "_TRANSPORT"), at(2, 9, 9))
    assert [one.over for one in found] == [False, False, True]
    assert [one.done for one in found] == [1, 2, 3]
    assert found[-1].healthy


@pytest.mark.parametrize("goal", list(Goal))
@pytest.mark.parametrize(
    "code", ["SASL_AUTHENTICATION_FAILED", "GROUP_AUTHORIZATION_FAILED", "PROBE_NOT_INSTALLED", "PROBE_SETTINGS"]
)
def test_an_account_that_is_refused_is_asked_once(goal: Goal, code: str) -> None:
    [after] = through(Course(goal, 3), dark(0, code))
    assert after.over
    assert after.healthy is (goal is Goal.LOOKS)


@pytest.mark.parametrize("code", ["_TRANSPORT", "PROBE_TIMEOUT", "COORDINATOR_LOAD_IN_PROGRESS"])
def test_what_may_pass_is_waited_for(code: str) -> None:
    assert not through(Course(Goal.HEALTHY, 1), dark(0, code))[0].over
    assert not is_refused(Watch(check_of()).look(dark(0, code)))


def test_one_good_look_is_not_enough_while_records_wait() -> None:
    found = through(Course(Goal.HEALTHY, 3), at(0, 1, 9), at(1, 2, 9), at(2, 3, 9))
    assert [one.over for one in found] == [False, False, True]
    assert found[-1].healthy


def test_a_group_that_stands_still_never_is_healthy() -> None:
    """Its first looks are good ones: that it stands still is seen by the third."""
    found = through(Course(Goal.HEALTHY, 3), *(at(minute, 1, 9) for minute in range(9)))
    assert not any(one.over for one in found)
    assert found[0].well == 1
    assert found[-1].well == 0


def test_where_nothing_waits_one_look_is_enough() -> None:
    assert through(Course(Goal.HEALTHY, 3), at(0, 9, 9))[0].healthy


def test_good_looks_have_to_follow_one_another() -> None:
    found = through(Course(Goal.HEALTHY, 2), at(0, 1, 9), dark(1, "_TRANSPORT"), at(2, 2, 9), at(3, 3, 9))
    assert [one.well for one in found] == [1, 0, 1, 2]
    assert [one.over for one in found] == [False, False, False, True]


def test_a_warning_is_good_enough_where_that_is_asked_for() -> None:
    check = check_of(lag={"warning": 3})
    for accept, well in ((Severity.OK, 0), (Severity.WARNING, 1)):
        course = Course(Goal.HEALTHY, 1, accept).after(Watch(check).look(at(0, 1, 9)))
        assert (course.well, course.over) == (well, bool(well))


def test_a_course_survives_json() -> None:
    course = Course(Goal.HEALTHY, 3, Severity.WARNING, 7, 2)
    assert read_course(json.loads(json.dumps(course.document()))) == course


def test_partitions_whose_waiting_record_was_seen_are_read_last() -> None:
    watch = Watch(check_of())
    watch.look(at(0, 1, 9))
    assert watch.window is not None
    assert seen_in(watch.window) == []
    watch.look(
        at(1, 1, 9).model_copy(
            update={"partitions": (at(1, 1, 9).partitions[0].model_copy(update={"next_offset": 4}),)}
        )
    )
    assert seen_in(watch.window) == [(TOPIC, 0)]
    assert watch.verdicts[-1].group == GROUP
