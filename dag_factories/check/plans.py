# SPDX-License-Identifier: Apache-2.0
"""The plan that a pipeline becomes: can it be made, and does it have the tasks that the file speaks of."""

from __future__ import annotations

from collections.abc import Iterator

from airflow_dataops.core.errors import SpecError, did_you_mean
from dag_factories.check.context import Context
from dag_factories.specs.base import Problem


def check_plan(context: Context) -> Iterator[Problem]:
    """Yield why no plan can be made, and tasks that the plan does not have."""
    try:
        plan = context.plan
    except SpecError as error:
        if error.code not in (
            "UNKNOWN_REFERENCE",
            "REFERENCE_NOT_ALLOWED",
            "SECRET_IN_FILE",
            "UNKNOWN_SHAPE",
        ):  # found in its place already
            yield Problem(("kind",), error.code, error.message, error.hint)
        return
    if plan is None or context.spec is None or not context.spec.tasks:
        return
    known = [task.id for task in plan.tasks]
    for name in context.spec.tasks:
        if name not in known:
            message = f"the pipeline has no task {name!r}; it has: {', '.join(known)}"
            yield Problem(("tasks", name), "UNKNOWN_TASK", message, did_you_mean(name, known), on_key=True)
