# SPDX-License-Identifier: Apache-2.0
"""The SQL that the tasks of a pipeline will run, for its author's eyes. Nothing is run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from importlib import import_module
from typing import Any, get_type_hints

from airflow_dataops.core.errors import InputError, SpecError
from dag_factories.check.columns import source_columns
from dag_factories.check.context import Context
from dag_factories.check.tables import staged_columns
from dag_factories.plans.model import JobPlan, Plan, TaskPlan
from dag_factories.project import Project
from dag_factories.resolve import ValueResolver, resolve


def sql_of(
    plan: Plan, project: Project, context: Context, *, dates: str | None, now: datetime
) -> Iterator[tuple[str, str]]:
    """Yield the id of each task that runs SQL and its engine (``"refine (spark)"``), with one of its statements, in that engine's dialect.

    Args:
        plan: The pipeline's plan.
        project: Its project.
        context: What its checks look at.
        dates: The run whose SQL is wanted, as for ``dataops run``; the latest without it.
        now: The time at which it is asked for; aware.

    Raises:
        InputError: The columns of the source are not known, since no file of it is here (``SOURCE_MISSING``).
        SpecError: A reference has no value here, or the kind runs no SQL (``NO_SQL``).
    """
    if "clean" not in context.model.model_fields:
        raise SpecError(f"{plan.kind} runs functions, and no SQL", hint="leave --sql out", code="NO_SQL")
    from airflow_dataops.core.sql.dialects import dialect_of
    from airflow_dataops.jobs.secrets import lookup
    from dag_factories.run import run_contexts

    source = _typed(source_columns(context))
    staged = _typed(staged_columns(context))
    run = run_contexts(plan, dates, now)[0]
    for task in plan.tasks:
        step = _step(task)
        if step is None:
            continue
        job = import_module(f"airflow_dataops.jobs.{step.stem}")
        if not hasattr(job, "explain"):
            continue
        fields = resolve(step.spec, ValueResolver(project.root, run, lookup, {}))
        spec = get_type_hints(job.run)["spec"].model_validate({**fields, "run": run, "task": task.id})
        for text in job.explain(spec, source if fields.get("source") else staged):
            yield f"{task.id} ({spec.engine})", _pretty(text, dialect_of(spec.engine))


def _step(task: TaskPlan) -> JobPlan | None:
    """Return what a task does, also where a Spark driver does it; None where it is no step."""
    in_driver = dict(task.arguments.get("step") or {})
    return JobPlan(stem=in_driver.pop("job"), spec=in_driver) if in_driver else task.job


def _typed(columns: Mapping[str, str | None] | None) -> dict[str, str]:
    if columns is None:
        raise InputError(
            "the SQL depends on the columns of the source, and no file of it is here to read them from",
            hint="deliver the source's first file, or choose a target whose lake is here with --target",
            code="SOURCE_MISSING",
        )
    # A hive partition has no type in any file; the engine guesses it from all values, which are not read here.
    return {name: kind or "string" for name, kind in columns.items()}


def _pretty(text: str, dialect: str) -> str:
    import sqlglot

    made: list[Any] = sqlglot.transpile(text, read=dialect, write=dialect, pretty=True)
    return ";\n".join(made)
