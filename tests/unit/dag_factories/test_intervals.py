# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_dataops.core.errors import SpecError
from dag_factories.intervals import PRESETS, Schedule, intervals_of, latest_interval, schedule_of

ZONES = ["UTC", "Europe/Paris", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Casablanca"]
CRONS = [*PRESETS, "30 2 * * *", "*/15 * * * *", "15 1,2,3 * * *", "0 */2 * * *", "0 6 * * 1-5", "59 23 31 12 *"]
HOUR = timedelta(hours=1)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.airflow
@settings(deadline=None)
@given(
    st.sampled_from(CRONS),
    st.sampled_from(ZONES),
    st.integers(1_672_531_200, 1_767_139_200).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
)
def test_the_interval_of_a_moment_is_airflows(cron: str, zone: str, now: datetime) -> None:
    import pendulum
    from airflow.timetables.interval import CronDataIntervalTimetable

    timetable = CronDataIntervalTimetable(cron, timezone=pendulum.timezone(zone))
    theirs = timetable.infer_manual_data_interval(run_after=pendulum.instance(now))
    assert latest_interval(Schedule(cron, zone), now) == (theirs.start, theirs.end)


def test_a_date_names_the_intervals_that_start_on_it() -> None:
    found = intervals_of("2024-01-31", Schedule("@hourly", "UTC"), "UTC")
    assert (len(found), found[0][0], found[-1][1]) == (24, utc("2024-01-31"), utc("2024-02-01"))


def test_a_date_on_which_none_starts_names_the_interval_that_holds_it() -> None:
    assert intervals_of("2024-01-31", Schedule("@monthly", "UTC"), "UTC") == [(utc("2024-01-01"), utc("2024-02-01"))]


def test_a_moment_names_the_interval_that_holds_it() -> None:
    assert intervals_of("2024-01-31T06:30", Schedule("@hourly", "UTC"), "UTC") == [
        (utc("2024-01-31T06:00"), utc("2024-01-31T07:00"))
    ]


def test_a_range_holds_both_its_ends() -> None:
    found = intervals_of("2024-01-30..2024-02-01", Schedule("@daily", "UTC"), "UTC")
    assert [start for start, _ in found] == [utc("2024-01-30"), utc("2024-01-31"), utc("2024-02-01")]


def test_a_date_is_meant_in_the_time_zone() -> None:
    found = intervals_of("2024-07-01", Schedule("@daily", "Europe/Paris"), "Europe/Paris")
    assert found == [(utc("2024-06-30T22:00"), utc("2024-07-01T22:00"))]


@pytest.mark.parametrize(("day", "hours"), [("2024-03-31", 23), ("2024-10-27", 25)])
def test_a_day_on_which_the_clock_changes_is_one_day(day: str, hours: int) -> None:
    (only,) = intervals_of(day, Schedule("@daily", "Europe/Paris"), "Europe/Paris")
    assert only[1] - only[0] == hours * HOUR


@pytest.mark.parametrize(("day", "runs"), [("2024-03-31", 23), ("2024-10-27", 25)])
def test_each_real_hour_is_an_interval(day: str, runs: int) -> None:
    found = intervals_of(day, Schedule("@hourly", "Europe/Paris"), "Europe/Paris")
    assert (len(found), {end - start for start, end in found}) == (runs, {HOUR})


def test_without_a_schedule_a_date_is_a_day() -> None:
    assert intervals_of("2024-01-31", None, "UTC") == [(utc("2024-01-31"), utc("2024-02-01"))]


@pytest.mark.parametrize("schedule", [None, "@once", "@continuous", {"assets": ["file:///x"]}])
def test_what_is_no_cron_has_no_intervals(schedule: object) -> None:
    assert schedule_of({"schedule": schedule, "timezone": "UTC"}) is None


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2024-02-30", "2024-1-1", "2024-01-01..", "..2024-01-01", "2024-01-02..2024-01-01", "9999-12-31"],
)
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        intervals_of(text, Schedule("@daily", "UTC"), "UTC")
    assert (caught.value.code, bool(caught.value.hint)) == ("BAD_DATE", True)


def test_a_range_without_end_is_refused() -> None:
    with pytest.raises(SpecError, match="TOO_MANY_RUNS"):
        intervals_of("1990-01-01..2024-01-01", Schedule("*/5 * * * *", "UTC"), "UTC")
