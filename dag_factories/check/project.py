# SPDX-License-Identifier: Apache-2.0
"""``dataops.yaml`` by itself, and a pipeline against it: targets, routes, callbacks, masks, paths."""

from __future__ import annotations

from collections.abc import Iterator

from airflow_dataops.core.errors import SpecError, did_you_mean
from airflow_dataops.core.secrets import has_a_password, names_a_secret
from dag_factories.check.context import Context
from dag_factories.check.texts import reference_problems
from dag_factories.names import CALLBACKS, NOTIFIERS, is_registered, registered
from dag_factories.project import Project
from dag_factories.references import SECRET_KINDS
from dag_factories.specs.arguments import CALLBACKS as CALLBACK_ARGUMENTS
from dag_factories.specs.base import Path, Problem


def check_project(project: Project) -> Iterator[Problem]:
    """Yield what is wrong in ``dataops.yaml`` as a whole: its default target, its lakes, its routes."""
    spec = project.spec
    if spec.default_target not in spec.targets:
        message = f"default_target {spec.default_target!r} is none of the targets: {', '.join(spec.targets)}"
        hint = did_you_mean(spec.default_target, spec.targets)
        yield Problem(("default_target",), "UNKNOWN_TARGET", message, hint)
    for name, target in spec.targets.items():
        kinds = frozenset({"env", "var", "conn"})
        yield from reference_problems(("targets", name, "lake"), target.lake, kinds, is_path=True)
    for name, route in spec.alerts.items():
        if not is_registered(NOTIFIERS, route.notifier):
            known = registered(NOTIFIERS)
            message = f"unknown notifier {route.notifier!r}; known are: {', '.join(known)}"
            yield Problem(
                ("alerts", name, "notifier"), "UNKNOWN_NOTIFIER", message, did_you_mean(route.notifier, known)
            )
        for argument, value in route.arguments.items():
            if isinstance(value, str) and "${" in value:
                yield from reference_problems(("alerts", name, argument), value, SECRET_KINDS)
            elif isinstance(value, str) and (names_a_secret(argument) or has_a_password(value)):
                message = f"{argument} is or holds a secret; a file only names it"
                yield Problem(
                    ("alerts", name, argument), "SECRET_IN_FILE", message, "write ${env:NAME} or ${conn:ID.password}"
                )


def check_routes(context: Context) -> Iterator[Problem]:
    """Yield alert routes and callbacks that nothing is registered for."""
    spec, routes = context.spec, context.project.spec.alerts
    if spec is None:
        return
    for severity in ("critical", "warning", "info"):
        for index, name in enumerate(getattr(spec.alerts, severity)):
            if name not in routes:
                path = _item(context, ("alerts", severity), index)
                message = f"unknown alert route {name!r}; dataops.yaml has: {', '.join(routes) or 'none'}"
                hint = did_you_mean(name, routes) or f"add to dataops.yaml: alerts: {{{name}: {{notifier: log}}}}"
                yield Problem(path, "UNKNOWN_ROUTE", message, hint)
    places = [("dag",), ("defaults",), *(("tasks", task) for task in spec.tasks)]
    for place in places:
        holder = spec.tasks[place[1]] if place[0] == "tasks" else getattr(spec, place[0])
        for argument in sorted(CALLBACK_ARGUMENTS & holder.model_fields_set):
            for index, name in enumerate(getattr(holder, argument)):
                if name not in routes and not is_registered(CALLBACKS, name):
                    known = [*routes, *registered(CALLBACKS)]
                    message = f"unknown callback {name!r}; known routes and callbacks are: {', '.join(known) or 'none'}"
                    yield Problem(
                        _item(context, (*place, argument), index),
                        "UNKNOWN_CALLBACK",
                        message,
                        did_you_mean(name, known),
                    )


def check_masks(context: Context) -> Iterator[Problem]:
    """Yield tags that ``dataops.yaml`` has no mask for: a column would be published as it is."""
    masks = context.project.spec.masks
    for name, column in (getattr(context.spec, "columns", None) or {}).items():
        for index, tag in enumerate(column.tags):
            if column.mask is None and tag not in masks:
                path = _item(context, ("columns", name, "tags"), index)
                message = (
                    f"no mask is set for the tag {tag!r}; dataops.yaml has masks for: {', '.join(masks) or 'none'}"
                )
                hint = did_you_mean(tag, masks) or f"add to dataops.yaml: masks: {{{tag}: sha256}}"
                yield Problem(path, "UNKNOWN_TAG_MASK", message, hint)


def check_confinement(context: Context) -> Iterator[Problem]:
    """Yield sources and targets outside of the project's folder and the lake."""
    if context.target is None:
        return
    for key in ("source", "target"):
        table = getattr(context.spec, key, None)
        if table is None:
            continue
        try:
            context.project.confined(table.path, context.target)
        except SpecError as error:
            yield Problem((key, "path"), error.code, error.message, error.hint)


def _item(context: Context, path: Path, index: int) -> Path:
    """Return the place of an item of a list that may also be written as one text."""
    value: object = context.data
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return (*path, index) if isinstance(value, list) else path


__all__ = ["check_confinement", "check_masks", "check_project", "check_routes"]
