# SPDX-License-Identifier: Apache-2.0
"""The slice of a table that a run owns: from the declaration to two moments, and to a test of rows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from airflow_dataops.core.errors import SpecError, unknown_name
from airflow_dataops.core.run import RunContext
from airflow_dataops.core.tables import Slice, WindowSlice

if TYPE_CHECKING:
    from sqlglot import exp

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


def slice_predicate(owned: Slice, run: RunContext, columns: Mapping[str, str]) -> exp.Expression | None:
    """Return the test that a row belongs to the run; None where all rows of the source (or table) do.

    A timestamp without zone is UTC. A date, also one in a text, is the day in the pipeline's time zone: it belongs to the run whose
    interval holds that day's first moment. A text is cast strictly; what is null or does not cast belongs to no run.

    Args:
        owned: What the run owns.
        run: The run.
        columns: Column -> canonical type of the table that the test is for.

    Raises:
        SpecError: The window column does not exist (``UNKNOWN_COLUMN``) or is no time (``BAD_WINDOW``), or the run has no data interval
            (``RUN_WITHOUT_INTERVAL``).
    """
    if not isinstance(owned, WindowSlice):
        return None
    from sqlglot import exp

    from airflow_dataops.core.sql import casts

    kind = _window_type(owned.column, columns)
    start, end = window_bounds(owned, run)
    column = exp.column(owned.column, quoted=True)
    if kind == "date":
        return _within(column, _dates(start, end, run), "DATE")
    if kind != "string":
        return _within(column, _texts(start, end), "TIMESTAMPTZ" if kind == "timestamptz" else "TIMESTAMPNTZ")
    moment = _within(casts.try_cast(column, kind, "timestamp"), _texts(start, end), "TIMESTAMPNTZ")
    if run.timezone == "UTC":
        return moment
    day = casts.try_cast(column.copy(), kind, "date")
    return exp.Case(
        ifs=[exp.If(this=exp.Not(this=casts.is_null(day)), true=_within(day.copy(), _dates(start, end, run), "DATE"))],
        default=moment,
    )


def no_window(owned: Slice, columns: Mapping[str, str]) -> exp.Expression | None:
    """Return the test that a row has no moment and so belongs to no run; None where the slice is no window.

    Raises:
        SpecError: As :func:`slice_predicate`.
    """
    if not isinstance(owned, WindowSlice):
        return None
    from sqlglot import exp

    from airflow_dataops.core.sql import casts

    kind = _window_type(owned.column, columns)
    column = exp.column(owned.column, quoted=True)
    return casts.is_null(casts.try_cast(column, kind, "timestamp") if kind == "string" else column)


def _window_type(column: str, columns: Mapping[str, str]) -> str:
    if column not in columns:
        raise unknown_name("window column", column, columns, code="UNKNOWN_COLUMN")
    kind = columns[column]
    if kind not in ("date", "timestamp", "timestamptz", "string"):
        raise SpecError(
            f"window column {column!r} is {kind}; a window needs a date, a timestamp or an ISO text",
            hint="choose another column, or deliver a column of type timestamp",
            code="BAD_WINDOW",
        )
    return kind


def _within(value: exp.Expression, bounds: tuple[str, str], kind: str) -> exp.Expression:
    from sqlglot import exp

    from airflow_dataops.core.sql.dialects import plain_cast

    low, high = (plain_cast(exp.Literal.string(text), "DATE" if kind == "DATE" else "TIMESTAMPNTZ") for text in bounds)
    if kind == "TIMESTAMPTZ":
        low, high = plain_cast(low, kind), plain_cast(high, kind)
    above, below = exp.GTE(this=value, expression=low), exp.LT(this=value.copy(), expression=high)
    return exp.Paren(this=exp.And(this=above, expression=below))


def _texts(start: datetime, end: datetime) -> tuple[str, str]:
    return start.replace(tzinfo=None).isoformat(sep=" "), end.replace(tzinfo=None).isoformat(sep=" ")


def _dates(start: datetime, end: datetime, run: RunContext) -> tuple[str, str]:
    """First day that begins in the interval, and first day that begins after it."""
    zone = ZoneInfo(run.timezone)
    days = []
    for moment in (start.astimezone(zone), end.astimezone(zone)):
        floor = _floor(moment, "day")
        begins = floor.astimezone(UTC) == moment.astimezone(UTC)
        days.append((floor if begins else floor + timedelta(days=1)).date().isoformat())
    return days[0], days[1]
