# SPDX-License-Identifier: Apache-2.0
"""Arguments of a plan -> arguments of the installed Airflow: dates, durations, schedules, callbacks, pods."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Any

from airflow_dataops.core.errors import MissingDependency, SpecError
from dag_factories.plans.model import Plan, TaskPlan
from dag_factories.realise.alerts import Callbacks
from dag_factories.specs.arguments import CALLBACKS, DURATIONS

# Airflow 2.11 refuses a task without a start date; what has no schedule, or follows assets, needs none from its author.
FIRST_DATE = "2000-01-01"
_PRESETS_WITHOUT_INTERVAL = frozenset({"@once", "@continuous"})
_RENAMED_ON_2 = {"fail_fast": "fail_stop"}
_SINCE = {
    "disable_bundle_versioning": (3, 0),
    "allowed_run_types": (3, 2),
    "rerun_with_latest_version": (3, 2),
}


_CONVERTED = DURATIONS | CALLBACKS | {"executor_config", "retry_exponential_backoff"}
_CONFIGURED = ("max_active_tasks", "max_active_runs", "max_consecutive_failed_dag_runs", "disable_bundle_versioning")


@cache
def airflow_version() -> tuple[int, int]:
    """Return major and minor version of the installed Airflow."""
    from airflow import __version__

    major, minor = __version__.split(".")[:2]
    return int(major), int(minor)


def configured() -> dict[str, Any]:
    """Return the arguments that a DAG without them takes from Airflow's configuration.

    Airflow 3 reads the configuration again for each DAG, a twentieth of what a DAG of five tasks costs; a folder reads it once.
    """
    if airflow_version() < (3, 0):
        return {}
    from airflow.providers.common.compat.sdk import DAG

    silent = DAG("silent", schedule=None)
    return {name: getattr(silent, name) for name in _CONFIGURED}


def dag_arguments(
    plan: Plan, callbacks: Callbacks, documentation: str, configured: Mapping[str, Any] = MappingProxyType({})
) -> dict[str, Any]:
    """Return the keyword arguments of ``DAG`` other than its id.

    Args:
        plan: The plan.
        callbacks: What its names of routes and callbacks stand for.
        documentation: Text of the DAG's page.
        configured: Arguments from Airflow's configuration (:func:`configured`); those of the plan win.

    Raises:
        SpecError: The installed Airflow has no such argument (``NOT_IN_THIS_AIRFLOW``).
    """
    given = dict(plan.dag)
    timezone, schedule = given.pop("timezone"), given.pop("schedule", None)
    given["doc_md"] = documentation or None
    given["start_date"] = moment(given.get("start_date") or FIRST_DATE, timezone)
    if given.get("end_date"):
        given["end_date"] = moment(given["end_date"], timezone)
    if "params" in given:
        given["params"] = {name: _param(value) for name, value in given["params"].items()}
    made = {name: _value(name, value, callbacks) for name, value in given.items()}
    return {
        **configured,
        **{_argument(name): value for name, value in made.items() if value is not None},
        "schedule": timetable(schedule, timezone),
        "catchup": bool(given.get("catchup")),
    }


class TaskArguments:
    """The keyword arguments that every task takes. Most tasks of a plan are told the same, which is converted once.

    Args:
        callbacks: What the plan's names of routes and callbacks stand for.
    """

    def __init__(self, callbacks: Callbacks) -> None:
        self._callbacks = callbacks
        self._told: dict[str, Any] | None = None
        self._made: dict[str, Any] = {}

    def of(self, task: TaskPlan) -> dict[str, Any]:
        """Return those of one task; the alerts of the plan are added to the callbacks."""
        if task.task_args != self._told:
            self._told, self._made = task.task_args, self._converted(task.task_args)
        made = dict(self._made)
        if task.tells_verdict and (functions := self._callbacks.on_verdict()):
            made["on_success_callback"] = [*made.get("on_success_callback", []), *functions]
        if task.role != "teardown" and task.trigger_rule != "all_success":
            made["trigger_rule"] = task.trigger_rule
        if task.doc and "doc_md" not in task.task_args:
            made["doc_md"] = task.doc
        return made

    def _converted(self, told: dict[str, Any]) -> dict[str, Any]:
        made = {
            _argument(name): _value(name, value, self._callbacks) if name in _CONVERTED else value
            for name, value in told.items()
        }
        if functions := self._callbacks.on_failure:
            made["on_failure_callback"] = [*(made.get("on_failure_callback") or []), *functions]
        return {name: value for name, value in made.items() if value is not None}


def timetable(schedule: Any, timezone: str) -> Any:
    """Return the timetable of a schedule.

    A cron expression is always a :class:`CronDataIntervalTimetable`: Airflow 3's own choice for a text gives intervals of length 0.
    """
    if isinstance(schedule, dict):
        from airflow.providers.common.compat.sdk import Asset

        return [Asset(uri=uri) for uri in schedule["assets"]]
    if schedule is None or schedule in _PRESETS_WITHOUT_INTERVAL:
        return schedule
    return _cron_class()(schedule, timezone=_zone(timezone))


def _value(name: str, value: Any, callbacks: Callbacks) -> Any:
    if value is None:
        return None
    if name in DURATIONS:
        return timedelta(seconds=value)
    if name in CALLBACKS:
        return callbacks.named(value, name) or None
    if name == "executor_config" and isinstance(value.get("pod_override"), dict):
        return {**value, "pod_override": _pod(value["pod_override"])}
    if name == "retry_exponential_backoff" and not isinstance(value, bool) and airflow_version() < (3, 2):
        raise _too_old("retry_exponential_backoff as a number", (3, 2), "write retry_exponential_backoff: true")
    return value


@cache
def _argument(name: str) -> str:
    """Return the argument's name on the installed Airflow."""
    version = airflow_version()
    if version < _SINCE.get(name, (0, 0)):
        raise _too_old(name, _SINCE[name], f"remove {name}")
    return _RENAMED_ON_2.get(name, name) if version < (3, 0) else name


def _too_old(what: str, since: tuple[int, int], hint: str) -> SpecError:
    installed = ".".join(map(str, airflow_version()))
    return SpecError(
        f"{what} needs Airflow {since[0]}.{since[1]}; installed is {installed}",
        hint=f"{hint}, or move to that version",
        code="NOT_IN_THIS_AIRFLOW",
    )


@cache
def _cron_class() -> Any:
    sdk = import_module("airflow.sdk" if airflow_version() >= (3, 0) else "airflow.timetables.interval")
    found = getattr(sdk, "CronDataIntervalTimetable", None)  # absent from the SDK of Airflow 3.0
    return found or import_module("airflow.timetables.interval").CronDataIntervalTimetable


@cache
def _zone(name: str) -> Any:
    import pendulum

    return pendulum.timezone(name)


def moment(text: str, timezone: str) -> datetime:
    """Return the moment of an ISO text; one without an offset is meant in ``timezone``."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=_zone(timezone))


def _param(value: Any) -> Any:
    if not isinstance(value, dict) or "default" not in value:
        return value
    from airflow.providers.common.compat.sdk import Param

    return Param(**value)


def _pod(document: dict[str, Any]) -> Any:
    try:
        generator = import_module("airflow.providers.cncf.kubernetes.pod_generator").PodGenerator
    except ImportError as error:
        raise MissingDependency(
            "executor_config.pod_override needs the Kubernetes provider",
            hint="pip install 'airflow-dataops[kubernetes]'",
        ) from error
    return generator.deserialize_model_dict(document)
