# SPDX-License-Identifier: Apache-2.0
"""Airflow's context -> the alert; what the context does not have is left out: an alert without a link is better than none."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_dataops.core.alert import AlertMessage

RESULT_KEY = "return_value"


def message_of(context: Any, severity: str | None, message: str | None) -> AlertMessage:
    """Return what a callback's context is worth telling.

    Args:
        context: Airflow's context of a task's or a DAG's callback.
        severity: The author's word; else what the pipeline set (``dataops_severity``), else ``critical`` for a failure.
        message: The author's title.
    """
    from airflow_dataops.core.alert import AlertMessage, lines_of, title_of

    failure = context.get("exception") or context.get("reason")
    level = severity or context.get("dataops_severity") or ("critical" if failure else "info")
    result = _pulled(context, RESULT_KEY)
    result = result if isinstance(result, dict) else {}
    dag_run, task_instance = context.get("dag_run"), context.get("ti")
    pipeline, key = _run(context, result)
    task = getattr(task_instance, "task_id", None)
    return AlertMessage.model_validate(
        {
            "severity": level,
            "pipeline": pipeline,
            "task": task,
            "run_key": key,
            "run_id": getattr(dag_run, "run_id", None) or context.get("run_id"),
            "title": message or title_of(level, pipeline, task, None if failure else result.get("verdict")),
            "reasons": lines_of(str(failure)) if failure else [str(reason) for reason in result.get("reasons", [])],
            "page": _page(context),
            "log": getattr(task_instance, "log_url", None),
        }
    )


def _run(context: Any, result: dict[str, Any]) -> tuple[str, str | None]:
    """Name of the pipeline and key of the run: what the task returned, else what they must be."""
    from airflow_dataops.operators._context import run_of

    task, dag = context.get("task"), context.get("dag")
    pipeline = result.get("pipeline") or getattr(task, "pipeline", None) or getattr(dag, "dag_id", None)
    pipeline = str(pipeline or getattr(context.get("dag_run"), "dag_id", "unknown"))
    if result.get("run_key"):
        return pipeline, str(result["run_key"])
    with suppress(Exception):
        return pipeline, run_of(context, pipeline, "UTC").key
    return pipeline, None


def _page(context: Any) -> str | None:
    from airflow_dataops.links.result_page import XCOM_KEY

    page = _pulled(context, XCOM_KEY)
    return str(page) if page else None


def _pulled(context: Any, key: str) -> Any:
    task_instance = context.get("ti")
    if task_instance is None:
        return None
    with suppress(Exception):  # a callback of a whole DAG has no task's store to ask
        index = getattr(task_instance, "map_index", -1)
        return task_instance.xcom_pull(task_ids=task_instance.task_id, key=key, map_indexes=index)
    return None


__all__ = ["message_of"]
