# SPDX-License-Identifier: Apache-2.0
"""Names of routes and callbacks -> the functions that Airflow calls. What they need is imported when something is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from airflow_dataops.core.errors import unknown_name
from dag_factories.names import CALLBACKS, NOTIFIERS
from dag_factories.plans.model import Plan, Route
from dag_factories.resolve import ValueResolver, resolve

Callback = Callable[[Any], None]

_SEVERITY = {"passed": "info", "warned": "warning", "quarantined": "warning"}


class Tell:
    """A callback that tells one route.

    Args:
        route: Which notifier, and with what.
        severity: What the message is worth; in the context it is ``dataops_severity``.
        pipeline: Name of the pipeline.
        timezone: Its time zone.
        root: The project's folder.
    """

    def __init__(self, route: Route, severity: str, pipeline: str, timezone: str, root: Path) -> None:
        self.route, self.severity = route, severity
        self._pipeline, self._timezone, self._root = pipeline, timezone, root

    def __call__(self, context: Any) -> None:
        """Make the notifier, with the references in its arguments resolved here, on the worker, and let it tell."""
        from airflow_dataops.operators._context import run_of

        # The callback of a whole DAG may come without its run; only a reference to the run would need it.
        run = run_of(context, self._pipeline, self._timezone) if context.get("dag_run") else None
        arguments = resolve(self.route.arguments, ValueResolver(self._root, run, _secret, {}))
        notifier = registered(NOTIFIERS, self.route.notifier).load()
        context["dataops_severity"] = self.severity
        notifier(**arguments)(context)


class TellVerdict:
    """A callback of the task whose result carries the run's verdict: tells the routes that are meant for it.

    Args:
        routes: Severity -> what tells it.
    """

    def __init__(self, routes: dict[str, list[Tell]]) -> None:
        self.routes = routes

    def __call__(self, context: Any) -> None:
        """Read the verdict that the task returned, and tell it; a failed run has been told by the task that failed."""
        task_instance = context["ti"]
        result = task_instance.xcom_pull(task_ids=task_instance.task_id) or {}
        for tell in self.routes.get(_SEVERITY.get(str(result.get("verdict")), ""), []):
            tell(context)


class Registered:
    """A callback of another package, by the name under which it is registered.

    Args:
        name: Name in the entry-point group :data:`CALLBACKS`.
    """

    def __init__(self, name: str) -> None:
        registered(CALLBACKS, name)
        self.name = name

    def __call__(self, context: Any) -> None:
        """Load the function and call it."""
        registered(CALLBACKS, self.name).load()(context)


class Callbacks:
    """All functions of one plan's names.

    Args:
        plan: The plan.
        root: The project's folder.
    """

    def __init__(self, plan: Plan, root: Path) -> None:
        self._plan, self._root = plan, root

    def named(self, names: Sequence[str], kind: str) -> list[Callback]:
        """Return what stands for the names in an argument such as ``on_failure_callback``.

        Raises:
            SpecError: A name is neither a route nor a registered callback (``UNKNOWN_CALLBACK``).
        """
        severity = "critical" if kind == "on_failure_callback" else "info"
        routes = self._plan.routes
        return [self._tell(name, severity) if name in routes else Registered(name) for name in names]

    @cached_property
    def on_failure(self) -> list[Callback]:
        """What is called when any task fails for good."""
        return [self._tell(alert.route, "critical") for alert in self._plan.alerts if alert.severity == "critical"]

    def on_verdict(self) -> list[Callback]:
        """Return what is called when the task that carries the verdict has succeeded."""
        routes: dict[str, list[Tell]] = {}
        for alert in self._plan.alerts:
            if alert.severity != "critical":
                routes.setdefault(alert.severity, []).append(self._tell(alert.route, alert.severity))
        return [TellVerdict(routes)] if routes else []

    def _tell(self, route: str, severity: str) -> Tell:
        plan = self._plan
        if route not in plan.routes:
            raise unknown_name("alert route", route, plan.routes, code="UNKNOWN_ROUTE")
        return Tell(plan.routes[route], severity, plan.name, plan.dag["timezone"], self._root)


@cache
def registered(group: str, name: str) -> EntryPoint:
    """Return an entry point.

    Raises:
        SpecError: Nothing is registered under the name (``UNKNOWN_CALLBACK``, ``UNKNOWN_NOTIFIER``).
    """
    found = entry_points(group=group)
    if name not in found.names:
        what = "notifier" if group == NOTIFIERS else "alert route or callback"
        code = "UNKNOWN_NOTIFIER" if group == NOTIFIERS else "UNKNOWN_CALLBACK"
        raise unknown_name(what, name, found.names, code=code)
    return found[name]


def _secret(name: str) -> str:
    """Return a value that Airflow hides in logs from now on: an address with a token in it is the usual case."""
    from airflow_dataops.hooks._secrets import lookup_secrets

    return lookup_secrets([name])[name]
