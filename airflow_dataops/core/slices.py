# SPDX-License-Identifier: Apache-2.0
"""The slice of a table that a run owns: from the declaration to two moments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from airflow_dataops.core.run import RunContext
from airflow_dataops.core.tables import WindowSlice

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def window_bounds(window: WindowSlice, run: RunContext) -> tuple[datetime, datetime]:
    """Return the half-open interval, in UTC, whose rows the run owns.

    The run's data interval is widened to whole units of ``size`` in the pipeline's time zone, then ``lookback`` is taken off its
    start. A day of 23 or 25 hours is one unit.

    Raises:
        SpecError: The run has no data interval (``RUN_WITHOUT_INTERVAL``).
    """
    start, end = run.interval()
    if window.size is not None:
        zone = ZoneInfo(run.timezone)
        start = _floor(start.astimezone(zone), window.size)
        floor_of_end = _floor(end.astimezone(zone), window.size)
        end = floor_of_end if floor_of_end.astimezone(UTC) == end.astimezone(UTC) else _next(floor_of_end, window.size)
    back = timedelta(**{_UNITS[window.lookback[-1]]: int(window.lookback[:-1])})
    return (start - back).astimezone(UTC), end.astimezone(UTC)


def _floor(moment: datetime, size: str) -> datetime:
    hour = moment.replace(minute=0, second=0, microsecond=0)
    if size == "hour":
        return hour
    day = hour.replace(hour=0, fold=0)
    if size == "week":
        return day - timedelta(days=day.weekday())
    if size == "month":
        return day.replace(day=1)
    if size == "year":
        return day.replace(month=1, day=1)
    return day


def _next(unit_start: datetime, size: str) -> datetime:
    if size == "hour":
        return (unit_start.astimezone(UTC) + timedelta(hours=1)).astimezone(unit_start.tzinfo)
    if size == "month":
        return (unit_start + timedelta(days=32)).replace(day=1)
    if size == "year":
        return unit_start.replace(year=unit_start.year + 1)
    return unit_start + timedelta(days=7 if size == "week" else 1)
