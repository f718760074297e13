# SPDX-License-Identifier: Apache-2.0
"""Plan -> Airflow DAG. The only package of ``dag_factories`` that touches Airflow; it knows no kind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dag_factories.operators import operator_class
from dag_factories.plans.model import Plan, TaskPlan
from dag_factories.realise.alerts import Callbacks
from dag_factories.realise.arguments import TaskArguments, dag_arguments
from dag_factories.realise.macros import Macros
from dag_factories.resolve import MACROS, JinjaResolver, Unrendered, resolve

# A field of a job's spec -> the operator's argument, where every Airflow task has another one of that name.
_OPERATORS_NAME = {"resources": "job_resources"}
_NESTED = (dict, list)


def realise(
    plan: Plan, *, root: Path, loader: str, source: str = "", configured: Mapping[str, Any] = MappingProxyType({})
) -> Any:
    """Return the DAG of a plan.

    Args:
        plan: The plan.
        root: The project's folder.
        loader: The Python file that Airflow reads the DAG from; workers read it again.
        source: Text of the YAML file, shown on the DAG's page as it is written: no reference in it is expanded.
        configured: Arguments of DAGs that say nothing (:func:`dag_factories.realise.arguments.configured`), where several DAGs are made.

    Raises:
        SpecError: An argument does not exist on the installed Airflow (``NOT_IN_THIS_AIRFLOW``), a callback is not registered
            (``UNKNOWN_CALLBACK``), or an operator does not exist (``UNKNOWN_OPERATOR``).
    """
    from airflow.providers.common.compat.sdk import DAG, Asset, TaskGroup

    callbacks = Callbacks(plan, root)
    timezone = plan.dag["timezone"]
    dag = DAG(
        dag_id=plan.name,
        user_defined_macros={MACROS: Macros(plan.name, timezone)},
        **dag_arguments(plan, callbacks, documentation(plan, source), configured),
    )
    dag.fileloc = loader
    groups = {
        name: TaskGroup(name, tooltip=title, prefix_group_id=False, dag=dag, parent_group=dag.task_group)
        for name, title in plan.groups.items()
    }
    assets = {uri: Asset(uri=uri) for uri in plan.assets}
    made: dict[str, Any] = {}
    rendered, arguments = Rendered(root), TaskArguments(callbacks)
    for task in plan.tasks:
        cls = operator_class(task.operator)
        operator = cls(
            task_id=task.id,
            dag=dag,
            task_group=groups.get(task.group or ""),
            outlets=[assets[uri] for uri in task.outlets],
            **_own_arguments(task, cls, rendered, timezone),
            **arguments.of(task),
        )
        for upstream in task.upstream:
            _connect(made[upstream], operator)
        made[task.id] = _with_role(operator, task)
    return dag


def documentation(plan: Plan, source: str) -> str:
    """Return the Markdown of the DAG's page: the author's text, then the YAML as it is written."""
    fence = "```"
    while fence in source:
        fence += "`"
    text = str(plan.dag.get("doc_md") or "")
    shown = f"`{plan.source_file}`, target `{plan.target}`\n\n{fence}yaml\n{source.rstrip()}\n{fence}" if source else ""
    return "\n\n".join(part for part in (text, shown) if part)


class Rendered:
    """Values of one plan as Airflow renders them; what several tasks have in common, a source or a slice, is written once.

    Args:
        root: The project's folder.
    """

    def __init__(self, root: Path) -> None:
        self._root, self._jinja = root, JinjaResolver(root)
        self._known: dict[int, Any] = {}  # the plan keeps its values, so that no other one has the same id

    def value(self, value: Any, cls: type[Any], name: str) -> Any:
        """Return a value for an operator's field; only fields that Airflow renders are written as Jinja.

        Raises:
            SpecError: A reference stands in another field (``REFERENCE_NOT_ALLOWED``).
        """
        text = isinstance(value, str)
        if not text and not isinstance(value, _NESTED):
            return value
        if name not in cls.template_fields:
            return value if text else resolve(value, Unrendered(self._root, f"{cls.__name__}.{name}"))
        if text:
            return self._jinja.literal(value)
        if id(value) not in self._known:
            self._known[id(value)] = resolve(value, self._jinja)
        return self._known[id(value)]


def _own_arguments(task: TaskPlan, cls: type[Any], rendered: Rendered, timezone: str) -> dict[str, Any]:
    """Return what the operator itself takes."""
    given = {**(task.job.spec if task.job else {}), **task.arguments}
    made = {}
    for name, value in given.items():
        argument = _OPERATORS_NAME.get(name, name)
        made[argument] = rendered.value(value, cls, argument)
    if task.job:
        made["timezone"] = timezone
    return made


def _connect(before: Any, after: Any) -> None:
    """Let a task wait for another one of the same DAG.

    That both ends are tasks of one DAG is known here; ``set_upstream`` finds it out for each edge, with the DAG's hash computed twice.
    """
    before.downstream_task_ids.add(after.task_id)
    after.upstream_task_ids.add(before.task_id)


def _with_role(operator: Any, task: TaskPlan) -> Any:
    if task.role == "setup":
        return operator.as_setup()
    if task.role == "teardown":
        # A teardown never turns a failed run green, and with this one's own failure the run is still what its work was.
        return operator.as_teardown(on_failure_fail_dagrun=False)
    return operator


__all__ = ["documentation", "realise"]
