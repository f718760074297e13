# SPDX-License-Identifier: Apache-2.0
"""What a task tells when its run has ended: a document, metrics, and one line where it failed."""

from __future__ import annotations

import json
from typing import Any

from airflow_dataops.core.metrics import Metric
from airflow_dataops.core.spark_k8s.failures import Failure
from airflow_dataops.core.spark_k8s.links import console_url, history_url
from airflow_dataops.core.spark_k8s.spec import RunParts
from airflow_dataops.core.spark_k8s.state import Outcome

_AREA = "dataops.spark_k8s"


def document_of(run: RunParts, outcome: Outcome) -> dict[str, Any]:
    """Return what of a run is worth keeping in XCom; ``result`` is what the program left as its termination message.

    Args:
        run: What was wanted.
        outcome: How it ended.
    """
    told = outcome.summary
    seconds = {"pending": told.pending_seconds, "run": told.run_seconds}
    found: dict[str, Any] = {
        "application_id": told.app_id,
        "driver_pod": told.pod,
        "namespace": run.target.namespace,
        "history_url": history_url(run, told.app_id) if told.app_id else None,
        "pod_url": console_url(run, told.pod) if told.pod else None,
        "seconds": {name: round(length, 3) for name, length in seconds.items() if length is not None},
        "executor_peak": told.executor_peak,
        "exit_code": told.exit_code,
        "attempt": told.attempt,
        "adopted": told.adopted,
        "result": result_of(told.result) if run.app.result == "termination" else None,
    }
    if told.application:
        found["application"] = told.application
    if outcome.failure is not None:
        found["failure"] = outcome.failure.model_dump(mode="json", include={"code", "message", "hint", "retryable"})
    return found


def result_of(text: str) -> Any:
    """Return a program's result: JSON where it is that, the text itself where not, None where there is none."""
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


def metrics_of(outcome: Outcome, tags: dict[str, str]) -> list[Metric]:
    """Return the metrics ``dataops.spark_k8s.*`` of a task's try.

    Args:
        outcome: How it ended.
        tags: DAG and task.
    """
    told = outcome.summary
    found = [Metric("incr", f"{_AREA}.adopted", 1, tags)] if told.adopted else []
    if outcome.failure is None:
        found.append(Metric("incr", f"{_AREA}.succeeded", 1, tags))
    else:
        found.append(Metric("incr", f"{_AREA}.failed", 1, {**tags, "code": outcome.failure.code.value}))
    for phase, length in (("pending", told.pending_seconds), ("run", told.run_seconds)):
        if length is not None:
            found.append(Metric("timing", f"{_AREA}.seconds.{phase}", round(length * 1000, 3), tags))
    if told.pod:
        found.append(Metric("gauge", f"{_AREA}.executor_peak", told.executor_peak, tags))
    return found


def alert_line(failure: Failure) -> str:
    """Return the line of a task's log that alerts count: ``dataops.spark_k8s.failed code=DRIVER_OOM``."""
    return f"{_AREA}.failed code={failure.code.value}"


def failure_line(failure: Failure) -> str:
    """Return what happened and what to do, in one line."""
    message, hint = (" ".join(text.split()) for text in (failure.message, failure.hint))
    return f"{failure.code.value}: {message}" + (f" -> {hint}" if hint else "")
