# SPDX-License-Identifier: Apache-2.0
"""Which run it is, is the same on every Airflow: each version is compared with one file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_dataops.core.slices import window_bounds
from airflow_dataops.core.tables import WindowSlice
from dag_factories.intervals import Schedule

pytestmark = pytest.mark.airflow

EXPECTED = Path(__file__).parents[3] / "golden" / "runs.json"
# Before and after both changes of the clock in 2024.
CASES = [
    ("@daily", "UTC", "2024-01-31T00:00"),
    ("@daily", "Europe/Paris", "2024-03-29T23:00"),
    ("@daily", "America/New_York", "2024-11-02T04:00"),
    ("@hourly", "Europe/Paris", "2024-10-26T23:00"),
    ("30 2 * * *", "Europe/Paris", "2024-03-30T01:30"),
    ("0 6 * * 1-5", "Asia/Kolkata", "2024-02-29T00:30"),
    ("@weekly", "UTC", "2024-02-25T00:00"),
    ("@monthly", "Europe/Paris", "2024-01-31T23:00"),
]


def scheduled(cron: str, zone: str, start: str) -> list[dict[str, Any]]:
    """Return the first four runs that the scheduler makes from a start date on, as our operators see them."""
    import pendulum
    from airflow.timetables.base import DataInterval, TimeRestriction

    from airflow_dataops.operators._context import run_of
    from dag_factories.realise.arguments import timetable

    made = timetable(cron, zone)
    try:
        from airflow.serialization.encoders import coerce_to_core_timetable
    except ImportError:
        core = made
    else:
        core = coerce_to_core_timetable(made)
    found: list[dict[str, Any]] = []
    last: DataInterval | None = None
    restriction = TimeRestriction(earliest=pendulum.parse(start, tz="UTC"), latest=None, catchup=True)
    for _ in range(4):
        info = core.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
        last = info.data_interval
        dag_run = SimpleNamespace(
            logical_date=info.logical_date,
            data_interval_start=last.start,
            data_interval_end=last.end,
            run_id=f"scheduled__{info.logical_date.isoformat()}",
        )
        run = run_of({"dag_run": dag_run}, "orders", zone)
        window = window_bounds(WindowSlice(column="at", size="day", lookback="1d"), run)
        found.append(
            {
                "key": run.key,
                "interval": [end.isoformat() for end in run.interval()],
                "date": run.value("date"),
                "hour": run.value("hour"),
                "window": [end.isoformat() for end in window],
            }
        )
    return found


def test_scheduled_runs_are_the_same_on_every_airflow() -> None:
    found = {" ".join(case): scheduled(*case) for case in CASES}
    if os.environ.get("UPDATE_GOLDEN"):
        EXPECTED.write_text(json.dumps(found, indent=1) + "\n")
    assert found == json.loads(EXPECTED.read_text())


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_runs_without_airflow_have_the_same_intervals(case: tuple[str, str, str]) -> None:
    cron, zone, start = case
    schedule = Schedule(cron, zone)
    at = schedule.at_or_after(datetime.fromisoformat(start).replace(tzinfo=UTC))
    found = [[at.isoformat(), (at := schedule.next(at)).isoformat()] for _ in range(4)]
    assert found == [run["interval"] for run in json.loads(EXPECTED.read_text())[" ".join(case)]]


def test_a_run_started_by_hand_is_the_same_on_every_airflow(
    dag_of: Callable[..., Any], run_dag: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_dataops.operators._context import run_of
    from airflow_dataops.operators.refine import PublishTableOperator, RefineTableOperator, RunReportOperator

    seen: dict[str, Any] = {}
    for cls in (PublishTableOperator, RefineTableOperator, RunReportOperator):
        monkeypatch.setattr(
            cls, "execute", lambda self, context: seen.update({self.task_id: run_of(context, "orders", self.timezone)})
        )
    run_dag(dag_of("timezone: Europe/Paris\n"), datetime(2024, 7, 2, 12, 34, 56, tzinfo=UTC))
    run = seen["refine"]
    assert (run.key, *run.interval()) == (
        "2024-06-30T220000",
        datetime(2024, 6, 30, 22, tzinfo=UTC),
        datetime(2024, 7, 1, 22, tzinfo=UTC),
    )
    assert (run.timezone, run.value("date")) == ("Europe/Paris", "2024-07-01")
