# SPDX-License-Identifier: Apache-2.0
"""What a task tells of a run: addresses and the run in XCom, metrics, and a few lines in its log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import Stats

from airflow_dataops.links.spark_k8s import HISTORY_KEY, POD_KEY
from airflow_dataops.operators.spark_k8s._mlflow import Tracked

if TYPE_CHECKING:
    from airflow_dataops.core.spark_k8s.run import SparkRun
    from airflow_dataops.core.spark_k8s.state import Outcome, State

RUN_KEY = "dataops_spark_run"


def tell_links(context: Any, run: SparkRun, state: State) -> None:
    """Leave the addresses that are known, so that the links work while the task runs."""
    from airflow_dataops.core.spark_k8s.links import console_url, history_url

    _push(
        context,
        history_url(run, state.app_id) if state.app_id else None,
        console_url(run, state.pod_name) if state.pod_name and state.uid else None,
    )


def tell(operator: Any, context: Any, run: SparkRun, outcome: Outcome) -> dict[str, Any]:
    """Tell how a run ended; returns the document that is kept of it."""
    from airflow_dataops.core.secrets import hide_in
    from airflow_dataops.core.spark_k8s.report import alert_line, document_of, metrics_of
    from airflow_dataops.operators.spark_k8s._result import read_result
    from airflow_dataops.triggers._spark_driven import secrets_if_known

    kept = document_of(run, outcome)
    if outcome.ok and run.app.result not in (None, "termination"):
        # The driver had the run's secrets, and XCom is no place for them: whatever way the result came.
        kept["result"] = hide_in(read_result(operator, str(run.app.result)), secrets_if_known(run))
    _push(context, kept["history_url"], kept["pod_url"])
    Tracked(operator, context).end(kept)
    ti = context["ti"]
    ti.xcom_push(key=RUN_KEY, value=kept)
    for metric in metrics_of(outcome, {"dag_id": ti.dag_id, "task_id": ti.task_id}):
        if metric.kind == "incr":
            Stats.incr(metric.name, int(metric.value), tags=metric.tags)
        else:
            getattr(Stats, metric.kind)(metric.name, metric.value, tags=metric.tags)
    spent = ", ".join(f"{phase} {seconds:.0f} s" for phase, seconds in kept["seconds"].items())
    operator.log.info(
        "driver %s: %s; exit code %s, at most %s executors at once",
        kept["driver_pod"] or "(none)",
        spent or "never ran",
        kept["exit_code"],
        kept["executor_peak"],
    )
    if outcome.failure is not None:
        for line in outcome.failure.evidence:
            operator.log.info("evidence: %s", line)
        operator.log.error(alert_line(outcome.failure))
    if outcome.kept_until is not None:
        operator.log.warning("driver %s stays for a look; the next try deletes it", kept["driver_pod"])
    return kept


def _push(context: Any, history: str | None, pod: str | None) -> None:
    for key, address in ((HISTORY_KEY, history), (POD_KEY, pod)):
        if address is not None:
            context["ti"].xcom_push(key=key, value=address)
