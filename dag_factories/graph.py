# SPDX-License-Identifier: Apache-2.0
"""Plan -> Mermaid."""

from __future__ import annotations

from dag_factories.plans.model import Plan, TaskPlan

_SHAPES = {"work": ('["', '"]'), "setup": ('(["', '"])'), "teardown": ('(["', '"])')}


def mermaid(plan: Plan) -> str:
    """Return the tasks and tables of a plan as a Mermaid flow chart.

    Teardowns are round, on dotted arrows: they run whatever happened. A table is a cylinder.
    """
    lines = ["flowchart LR"]
    for group, title in plan.groups.items():
        inside = [_node(task) for task in plan.tasks if task.group == group]
        lines += [f"  subgraph {group}[{_quoted(title)}]", *(f"  {line}" for line in inside), "  end"]
    lines += [_node(task) for task in plan.tasks if task.group not in plan.groups]
    lines += [
        f"  {upstream} {'-.->' if task.role == 'teardown' else '-->'} {task.id}"
        for task in plan.tasks
        for upstream in task.upstream
    ]
    for number, uri in enumerate(plan.assets):
        lines.append(f"  asset{number}[({_quoted(uri)})]")
        lines += [f"  {task.id} ==> asset{number}" for task in plan.tasks if uri in task.outlets]
    return "\n".join(lines) + "\n"


def _node(task: TaskPlan) -> str:
    opened, closed = _SHAPES[task.role]
    return f"  {task.id}{opened}{task.id}{closed}"


def _quoted(text: str) -> str:
    return '"' + text.replace('"', "#quot;") + '"'
