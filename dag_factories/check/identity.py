# SPDX-License-Identifier: Apache-2.0
"""The file's name, its kind's tasks, and its schedule."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from airflow_dataops.core.errors import did_you_mean
from dag_factories.check.context import Context
from dag_factories.project import Project
from dag_factories.specs.base import PipelineSpec, Problem

PRESETS = ("@once", "@continuous", "@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly")


def check_name(context: Context) -> Iterator[Problem]:
    """Yield a problem where the pipeline is not named as its file: it is found by that name without opening other files."""
    name, stem = context.data.get("name"), context.path.stem
    if isinstance(name, str) and name != stem:
        message = f"the name {name!r} is not that of the file {context.path.name}"
        yield Problem(("name",), "NAME_NOT_FILE", message, f"write name: {stem}, or rename the file to {name}.yaml")


def check_schedule(context: Context) -> Iterator[Problem]:
    """Yield a bad cron expression, a schedule without a start, and an end before the start."""
    schedule = context.data.get("schedule")
    if isinstance(schedule, str):
        yield from _cron(schedule)
    if context.spec is None:
        return
    start, end = _said(context.spec, context.project, "start_date"), _said(context.spec, context.project, "end_date")
    if isinstance(_said(context.spec, context.project, "schedule"), str) and start is None:
        message = "a schedule needs a start: the first moment of the first data interval"
        hint = "add start_date: 2024-01-01"
        yield Problem(("schedule",), "START_DATE_MISSING", message, hint, on_key=True, needs=("start_date",))
    if start and end and _comparable(end) < _comparable(start):
        message = f"end_date {end} lies before start_date {start}"
        yield Problem(("end_date",), "END_BEFORE_START", message, "write a later end_date, or none")


def _said(spec: PipelineSpec, project: Project, name: str) -> Any:
    """Return an argument of the DAG: the file's, else that of ``dataops.yaml``."""
    return getattr(spec, name) if name in spec.model_fields_set else project.dag_defaults.get(name)


def _cron(schedule: str) -> Iterator[Problem]:
    if schedule in PRESETS:
        return
    if schedule.startswith("@"):
        message = f"unknown preset {schedule!r}; known are: {', '.join(PRESETS)}"
        yield Problem(("schedule",), "BAD_CRON", message, did_you_mean(schedule, PRESETS))
        return
    from croniter import croniter  # what Airflow itself parses a schedule with

    try:
        croniter(schedule)
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        message = f"{schedule!r} is no cron expression: {error}"
        hint = "write minute, hour, day of month, month and day of week: '30 6 * * 1-5', or a preset such as @daily"
        yield Problem(("schedule",), "BAD_CRON", message, hint)


def _comparable(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=None)
