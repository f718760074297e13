# SPDX-License-Identifier: Apache-2.0
"""What a key means and what a file will do, as text for a terminal."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from airflow_dataops.core.errors import unknown_name
from dag_factories.describe import attributes, branches, summary
from dag_factories.plans.model import Plan, TaskPlan
from dag_factories.project import ProjectSpec
from dag_factories.references import KINDS
from dag_factories.schema import PROJECT, names
from dag_factories.specs import spec_of

# Function that checks a value -> what it takes, in an author's words.
_NAMED = {
    "seconds": "duration (`5m`)",
    "size": "size (`4GB`)",
    "moment": "date (`2026-01-31`)",
    "timezone": "time zone (`Europe/Paris`)",
    "as_list": "name, or list of names",
    "_mask": "kind of mask, or keys and values",
}
_WRITTEN = {"lake": "${lake}", "run": "${run.…}", "env": "${env:…}", "var": "${var:…}", "conn": "${conn:…}"}
_BASIC = {
    str: "text",
    int: "whole number",
    float: "number",
    Decimal: "number",
    bool: "true or false",
    type(None): "null",
    Any: "any value",
}


def explain_key(dotted: str) -> str:
    """Return the explanation of a kind (``bronze_to_silver``), or of a key in it (``bronze_to_silver.clean.dedup``).

    Raises:
        SpecError: There is no such kind (``UNKNOWN_KIND``) or key (``UNKNOWN_KEY``).
    """
    kind, *path = dotted.split(".")
    if kind not in names():
        raise unknown_name("kind", kind, names(), code="UNKNOWN_KIND")
    model: Any = ProjectSpec if kind == PROJECT else spec_of(kind)
    found: list[Any] = [model]
    owner, text, field = model, summary(model), None
    for step in path:
        owner, field = _field(found, step)
        if field is None:
            text, found = "Any name.", _inside(found)
            continue
        text = attributes(owner).get(_name_of(owner, step), "")
        found = branches(field.annotation)
    lines = [dotted, f"  {text}"] if text else [dotted]
    if field is not None:
        lines += [f"  type: {type_text(field)}", f"  {_default(field)}"]
    references = getattr(model, "REFERENCES", {}).get(".".join(path))
    if references:
        lines.append("  references: " + ", ".join(_WRITTEN[kind] for kind in KINDS if kind in references))
    for part in dict.fromkeys(part for kind in found for part in _models(kind)):
        lines += ["", *_keys(part)]
    return "\n".join(lines)


def explain_plan(plan: Plan) -> str:
    """Return what a pipeline will do: its runs, its tasks in order with what each is told, and who is told."""
    dag, told = plan.dag, dict[str, list[str]]()
    for alert in plan.alerts:
        told.setdefault(alert.severity, []).append(alert.route)
    alerts = ", ".join(f"{severity} -> {' and '.join(routes)}" for severity, routes in told.items())
    lines = [
        f"{plan.name} ({plan.kind}) on target {plan.target}",
        f"  runs:   {_runs(dag)}",
        *([f"  tables: {', '.join(plan.assets)}"] if plan.assets else []),
        f"  alerts: {alerts or 'none'}",
    ]
    for task in plan.tasks:
        lines += ["", *_task(task)]
    return "\n".join(lines)


def _runs(dag: Mapping[str, Any]) -> str:
    schedule, start = dag.get("schedule"), dag.get("start_date")
    if schedule is None:
        return "not scheduled; each run is triggered: by a person, the API or another DAG"
    written = schedule if isinstance(schedule, str) else json.dumps(schedule)
    since = f" from {start}" if start else ""
    return f"{written}{since} in {dag.get('timezone')}, catchup {'on' if dag.get('catchup') else 'off'}"


def type_text(field: Any) -> str:
    """Return a field's type in an author's words."""
    checks = [*field.metadata, *_metadata(field.annotation)]
    named = [
        _NAMED[name]
        for name in (getattr(getattr(check, "func", None), "__name__", "") for check in checks)
        if name in _NAMED
    ]
    if named:
        return named[0]
    kinds = branches(field.annotation)
    return " or ".join(dict.fromkeys(_type(kind) for kind in kinds if kind is not type(None) or len(kinds) == 1))


def _metadata(annotation: Any) -> list[Any]:
    """Return what is annotated at any depth of a union."""
    found = list(getattr(annotation, "__metadata__", ()))
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, typing.Annotated):
        found += [check for part in typing.get_args(annotation) for check in _metadata(part)]
    return found


def _type(kind: Any) -> str:
    if kind in _BASIC:
        return _BASIC[kind]
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return " | ".join(str(value) for value in arguments)
    if origin is dict:
        return f"name -> {' or '.join(_type(part) for part in branches(arguments[1]))}"
    if origin in (list, tuple):
        return f"list of {' or '.join(_type(part) for part in branches(arguments[0]))}"
    if isinstance(kind, types.GenericAlias):
        return str(kind)
    return (
        "keys and values"
        if isinstance(kind, type) and issubclass(kind, BaseModel)
        else getattr(kind, "__name__", str(kind))
    )


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True)
    if default is PydanticUndefined or isinstance(default, BaseModel):
        return "optional"
    return "optional" if default is None else f"default: {json.dumps(default, ensure_ascii=False, default=str)}"


def _keys(model: type[BaseModel]) -> list[str]:
    texts = attributes(model)
    lines = []
    for name, field in model.model_fields.items():
        key = field.alias or name
        lines.append(f"  {key}: {type_text(field)}{'  (required)' if field.is_required() else ''}")
        if texts.get(name):
            lines.append(f"      {texts[name]}")
    return lines


def _field(found: list[Any], step: str) -> tuple[Any, Any]:
    """Return the model and the field that a step names; None for both where any name may stand."""
    known = []
    for kind in found:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            for name, field in kind.model_fields.items():
                if step == (field.alias or name):
                    return kind, field
                known.append(field.alias or name)
        elif typing.get_origin(kind) in (dict, list):
            return kind, None
    raise unknown_name("key", step, known, code="UNKNOWN_KEY")


def _inside(found: list[Any]) -> list[Any]:
    return [branch for kind in found if typing.get_args(kind) for branch in branches(typing.get_args(kind)[-1])]


def _name_of(model: type[BaseModel], key: str) -> str:
    return next((name for name, field in model.model_fields.items() if (field.alias or name) == key), key)


def _models(kind: Any) -> list[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [kind]
    return [model for part in typing.get_args(kind) if part is not kind for model in _models(part)]


def _task(task: TaskPlan) -> list[str]:
    after = f" after {', '.join(task.upstream)}" if task.upstream else ""
    lines = [f"{task.id}{after}: {task.doc}" if task.doc else f"{task.id}{after}"]
    if task.role == "teardown":
        lines.append("  teardown: runs whatever happened before")
    told = task.arguments if task.job is None else task.job.spec
    lines += [f"  {key}: {_value(value)}" for key, value in told.items()]
    arguments = ", ".join(f"{name}={value}" for name, value in task.task_args.items())
    return [*lines, f"  task arguments: {arguments}"]


def _value(value: Any) -> str:
    """Return a plan's value on one line; a reference as the author wrote it, a secret by its name alone."""
    return (
        json.dumps(_readable(value), ensure_ascii=False)
        if not isinstance(_readable(value), str)
        else str(_readable(value))
    )


def _readable(value: Any) -> Any:
    if isinstance(value, list):
        return [_readable(item) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("ref")
    if kind in ("run", "env"):
        return value["template"]
    if kind == "secret":
        return "${" + value["secret"] + "}"
    if kind in ("file", "folder"):
        return value["path"]
    if kind == "output":
        return f"({value['key']} of {value['task']})"
    return {key: _readable(item) for key, item in value.items()}
