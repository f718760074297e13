# SPDX-License-Identifier: Apache-2.0
"""Dates -> the data intervals of a schedule, the same as Airflow's ``CronDataIntervalTimetable`` makes them, without Airflow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from airflow_dataops.core.errors import SpecError

# croniter has names of its own for most of these; @quarterly is Airflow's.
PRESETS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@quarterly": "0 0 1 */3 *",
    "@yearly": "0 0 1 1 *",
}
_EVERY_DAY = PRESETS["@daily"]
_WITHOUT_INTERVAL = frozenset({"@once", "@continuous"})
_MOST_RUNS = 10_000

Interval = tuple[datetime, datetime]


class Schedule:
    """A cron schedule in a time zone.

    Args:
        cron: Cron expression or preset.
        timezone: IANA name of the time zone.
    """

    def __init__(self, cron: str, timezone: str) -> None:
        from croniter import croniter

        self._zone = ZoneInfo(timezone)
        self._cron = croniter(PRESETS.get(cron, cron))
        # Once an hour or more often: the hour that happens twice in autumn has its own runs, so steps are counted in real time.
        self._hourly = self._cron.expanded[1] == ["*"]

    def next(self, moment: datetime) -> datetime:
        """Return the first boundary after ``moment``, in UTC."""
        return self._step(moment, forward=True)

    def previous(self, moment: datetime) -> datetime:
        """Return the last boundary before ``moment``, in UTC."""
        return self._step(moment, forward=False)

    def at_or_after(self, moment: datetime) -> datetime:
        """Return ``moment`` where it is a boundary, else the next one."""
        following = self.next(moment)
        return moment if self.previous(following) == moment else following

    def at_or_before(self, moment: datetime) -> datetime:
        """Return ``moment`` where it is a boundary, else the one before."""
        before = self.previous(moment)
        return moment if self.next(before) == moment else before

    def _step(self, moment: datetime, *, forward: bool) -> datetime:
        clock = moment.astimezone(self._zone).replace(tzinfo=None, fold=0)
        self._cron.set_current(clock, force=True)
        found = self._cron.get_next(datetime) if forward else self._cron.get_prev(datetime)
        if self._hourly:
            return moment.astimezone(UTC) + (found - clock)
        # A time that happens twice is its second instance; one that never does is as far behind midnight as it would have been.
        late = found.replace(tzinfo=self._zone, fold=1)
        real = late.astimezone(UTC)
        exists = real.astimezone(self._zone).replace(tzinfo=None, fold=0) == found
        return real if exists else late.replace(fold=0).astimezone(UTC)


def schedule_of(dag: dict[str, Any]) -> Schedule | None:
    """Return the schedule of a plan's DAG arguments; None where its runs have no data interval of their own."""
    cron = dag.get("schedule")
    if not isinstance(cron, str) or cron in _WITHOUT_INTERVAL:
        return None
    return Schedule(cron, dag["timezone"])


def latest_interval(schedule: Schedule, now: datetime) -> Interval:
    """Return the last interval that is over at ``now``: what a run started by hand in Airflow works on."""
    end = schedule.at_or_before(now)
    return schedule.previous(end), end


def intervals_of(text: str, schedule: Schedule | None, timezone: str) -> list[Interval]:
    """Return the data intervals that a date or a range of dates names.

    Args:
        text: ``2024-01-31``: all intervals that start on this day, or, where none does, the one that holds it.
            ``2024-01-31T06:00``: the interval that holds this moment. ``2024-01-01..2024-01-31``: both ends included.
        schedule: The schedule; without one, each day is an interval.
        timezone: IANA name of the zone in which the dates are meant.

    Raises:
        SpecError: The text is no date or range (``BAD_DATE``), the range ends before it starts (``BAD_DATE``), or it holds more than
            10000 intervals (``TOO_MANY_RUNS``).
    """
    schedule = schedule or Schedule(_EVERY_DAY, timezone)
    first, dots, last = text.partition("..")
    low = _ends(first, timezone)
    high = _ends(last, timezone) if dots else low
    if high[1] < low[1]:
        raise SpecError(f"the range {text} ends before it starts", hint=f"write {last}..{first}", code="BAD_DATE")
    found = []
    for interval in _between(schedule, low[0], high[1]):
        found.append(interval)
        if len(found) > _MOST_RUNS:
            raise SpecError(
                f"{text} names more than {_MOST_RUNS} runs", hint="write a shorter range", code="TOO_MANY_RUNS"
            )
    return found or [_holding(schedule, low[0])]


def _between(schedule: Schedule, low: datetime, high: datetime) -> Iterator[Interval]:
    start = schedule.at_or_after(low)
    while start < high:
        end = schedule.next(start)
        yield start, end
        start = end


def _holding(schedule: Schedule, moment: datetime) -> Interval:
    start = schedule.at_or_before(moment)
    return start, schedule.next(start)


def _ends(text: str, timezone: str) -> Interval:
    """Return the day that a date names, or a moment twice, in UTC."""
    zone = ZoneInfo(timezone)
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            day = date.fromisoformat(text)
            ends = (
                datetime(d.year, d.month, d.day, tzinfo=zone).astimezone(UTC) for d in (day, day + timedelta(days=1))
            )
            return next(ends), next(ends)
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise SpecError(
            f"{text!r} is no date: {error}",
            hint="write 2024-01-31, 2024-01-31T06:00 or 2024-01-01..2024-01-31",
            code="BAD_DATE",
        ) from None
    moment = (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    return moment, moment
