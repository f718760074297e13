# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.run import RunContext
from airflow_dataops.core.slices import no_window, slice_predicate, window_bounds
from airflow_dataops.core.sql.dialects import render
from airflow_dataops.core.sql.types import parse_type
from airflow_dataops.core.tables import FullSlice, PartitionSlice, RunSlice, WindowSlice

CONNECTION = duckdb.connect()
CONNECTION.execute("set TimeZone = 'UTC'")

DAY = WindowSlice(column="t", size="day")


def run(start: str, end: str, timezone: str = "UTC") -> RunContext:
    bounds = (datetime.fromisoformat(start).replace(tzinfo=UTC), datetime.fromisoformat(end).replace(tzinfo=UTC))
    return RunContext(pipeline="p", key="k", interval_start=bounds[0], interval_end=bounds[1], timezone=timezone)


def belongs(value: Any, kind: str, window: WindowSlice, context: RunContext) -> bool | None:
    test = slice_predicate(window, context, {"t": kind})
    assert test is not None
    typed = f"select cast(? as {render(parse_type(kind), 'duckdb')}) as t"
    row = CONNECTION.execute(f"select {render(test, 'duckdb')} from ({typed})", [value]).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize("owned", [FullSlice(), PartitionSlice(values={"day": "1"}), RunSlice()])
def test_only_a_window_tests_rows(owned: Any) -> None:
    assert slice_predicate(owned, run("2013-01-01", "2013-01-02"), {}) is None
    assert no_window(owned, {}) is None


@pytest.mark.parametrize(
    ("value", "kind", "inside"),
    [
        ("2013-01-01 00:00:00", "timestamp", True), ("2013-01-01 23:59:59.999999", "timestamp", True),
        ("2013-01-02 00:00:00", "timestamp", False), ("2012-12-31 23:59:59", "timestamp", False),
        ("2013-01-02 00:30:00+01", "timestamptz", True), ("2013-01-01", "date", True), ("2013-01-02", "date", False),
        ("2013-01-01T10:00:00Z", "string", True), ("2013-01-02T00:30:00+01:00", "string", True), ("2013-01-01", "string", True),
        ("yesterday", "string", None), (None, "timestamp", None), (None, "string", None),
    ],
)  # fmt: skip
def test_a_day_in_utc(value: Any, kind: str, inside: bool | None) -> None:
    assert belongs(value, kind, DAY, run("2013-01-01", "2013-01-02")) is inside


@pytest.mark.parametrize(
    ("value", "kind", "inside"),
    [
        ("2013-01-01", "date", True), ("2013-01-02", "date", False), ("2013-01-01", "string", True), ("2013-01-02", "string", False),
        ("2013-01-01 04:59:59", "timestamp", False), ("2013-01-01 05:00:00", "timestamp", True),
        ("2013-01-02T04:59:59Z", "string", True), ("2013-01-01T00:00:00-05:00", "string", True), ("x", "string", None),
    ],
)  # fmt: skip
def test_a_day_of_another_time_zone(value: Any, kind: str, inside: bool | None) -> None:
    assert belongs(value, kind, DAY, run("2013-01-01 05:00", "2013-01-02 05:00", "America/New_York")) is inside


def test_a_date_belongs_to_the_hour_in_which_it_begins() -> None:
    hourly = WindowSlice(column="t")
    assert belongs("2013-01-01", "date", hourly, run("2013-01-01 00:00", "2013-01-01 01:00")) is True
    assert belongs("2013-01-01", "date", hourly, run("2013-01-01 01:00", "2013-01-01 02:00")) is False


@given(
    st.dates(date(2012, 12, 1), date(2013, 12, 1)),
    st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia"]),
)
def test_every_date_belongs_to_exactly_one_day(day: date, zone: str) -> None:
    hits = []
    for back in range(-1, 3):
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC) - timedelta(days=back)
        context = RunContext(
            pipeline="p", key="k", interval_start=noon, interval_end=noon + timedelta(seconds=1), timezone=zone
        )
        hits.append(belongs(day, "date", DAY, context))
    assert hits.count(True) == 1


@given(st.datetimes(datetime(2013, 1, 1), datetime(2013, 12, 31)))  # noqa: DTZ001
def test_a_text_and_a_timestamp_of_the_same_moment_belong_alike(moment: datetime) -> None:
    context = run("2013-03-10 05:00", "2013-03-11 04:00", "America/New_York")
    start, end = window_bounds(DAY, context)
    inside = start <= moment.replace(tzinfo=UTC) < end
    assert belongs(moment, "timestamp", DAY, context) is inside
    assert belongs(moment.isoformat(), "string", DAY, context) is inside


@pytest.mark.parametrize(
    ("value", "kind", "lost"), [(None, "date", True), ("x", "string", True), ("2013-01-01", "string", False)]
)
def test_rows_without_a_moment(value: Any, kind: str, lost: bool) -> None:
    test = no_window(DAY, {"t": kind})
    assert test is not None
    sql = f"select {render(test, 'duckdb')} from (select cast(? as {render(parse_type(kind), 'duckdb')}) as t)"
    assert duckdb.connect().execute(sql, [value]).fetchone() == (lost,)


@pytest.mark.parametrize(
    ("columns", "code"),
    [({"time": "timestamp"}, "UNKNOWN_COLUMN"), ({"t": "integer"}, "BAD_WINDOW"), ({"t": "time"}, "BAD_WINDOW")],
)
def test_a_window_needs_a_time_column(columns: dict[str, str], code: str) -> None:
    with pytest.raises(SpecError) as error:
        slice_predicate(DAY, run("2013-01-01", "2013-01-02"), columns)
    assert error.value.code == code


def test_a_window_needs_an_interval() -> None:
    with pytest.raises(SpecError) as error:
        slice_predicate(DAY, RunContext(pipeline="p", key="k"), {"t": "date"})
    assert error.value.code == "RUN_WITHOUT_INTERVAL"
