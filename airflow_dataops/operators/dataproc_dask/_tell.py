# SPDX-License-Identifier: Apache-2.0
"""What a task tells of a run: addresses in XCom, metrics, and a few lines in its log."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import Stats

from airflow_dataops.links._dask_addresses import cluster_url, job_url, logs_url, workflow_url
from airflow_dataops.links.dataproc_dask import CLUSTER_KEY, DASHBOARD_KEY, JOB_KEY, LOGS_KEY

if TYPE_CHECKING:
    from airflow_dataops.core.dataproc_dask.run import DaskRun
    from airflow_dataops.core.dataproc_dask.state import Life, State
    from airflow_dataops.core.dataproc_dask.summary import Summary


def tell_links(context: Any, run: DaskRun, state: State, dashboard: str = "") -> None:
    """Leave the addresses of the cluster and job that are there or about to be, so that the links work while the task runs.

    Google chooses the names of a workflow's, so until they are known the links open the workflow.

    Args:
        context: Airflow's.
        run: What is wanted.
        state: How far it is.
        dashboard: Address of Dask's dashboard, where another task knows it.
    """
    from airflow_dataops.core.dataproc_dask.state import Goal

    project, region = run.cluster.project, run.cluster.region
    if state.goal is not Goal.WORKFLOW:
        job = state.job_id or (state.execution_id if state.job_name else "")
        _push(context, project, region, state.base, state.cluster_name, job)
        _push_dashboard(context, project, region, state.cluster_name, dashboard or _dashboard(state.lives))
        return
    _push(context, project, region, state.base, state.cluster, state.job_id)
    _push_dashboard(context, project, region, state.cluster, _dashboard(state.lives))
    for key, name in ((CLUSTER_KEY, state.cluster), (JOB_KEY, state.job_id)):
        if state.operation and not name:
            context["ti"].xcom_push(key=key, value=workflow_url(project, region, state.operation))


def tell(operator: Any, context: Any, summary: Summary) -> None:
    """Tell how a run ended: corrected addresses, metrics, and lines with the seconds and the cost."""
    from airflow_dataops.core.dataproc_dask.state import Goal
    from airflow_dataops.core.dataproc_dask.summary import alert_line, metrics_of

    project, region = summary.project, summary.region
    _push(context, project, region, summary.base, summary.cluster_name, summary.job_id)
    if summary.goal is not Goal.JOB:  # the cluster is another task's, which knows its address
        _push_dashboard(context, project, region, summary.cluster_name, _dashboard(summary.lives))
    ti = context["ti"]
    for metric in metrics_of(summary, {"dag_id": ti.dag_id, "task_id": ti.task_id}):
        if metric.kind == "incr":
            Stats.incr(metric.name, int(metric.value), tags=metric.tags)
        else:
            getattr(Stats, metric.kind)(metric.name, metric.value, tags=metric.tags)
    spent = ", ".join(f"{phase} {seconds:.0f} s" for phase, seconds in summary.seconds.items())
    price = "" if summary.cost is None else f"; it cost {summary.cost} {summary.currency}"
    operator.log.info("%s: %s%s", summary.cluster_name or summary.base, spent, price)
    if summary.failure is not None:
        operator.log.error(alert_line(summary.failure))
    if summary.kept_until is not None:
        operator.log.warning(
            "cluster %s stays for a look, until %s at the latest", summary.cluster_name, summary.kept_until.isoformat()
        )


def _push(context: Any, project: str, region: str, base: str, cluster: str, job: str) -> None:
    found = {LOGS_KEY: logs_url(project, base)}
    if cluster:
        found[CLUSTER_KEY] = cluster_url(project, region, cluster)
    if job:
        found[JOB_KEY] = job_url(project, region, job)
    for key, value in found.items():
        context["ti"].xcom_push(key=key, value=value)


def _push_dashboard(context: Any, project: str, region: str, cluster: str, dashboard: str) -> None:
    if cluster:
        address = dashboard or cluster_url(project, region, cluster, tab="interfaces")
        context["ti"].xcom_push(key=DASHBOARD_KEY, value=address)


def _dashboard(lives: Iterable[Life]) -> str:
    """Return the address of the dashboard of the cluster that is there; empty where there is none, or it was not seen yet."""
    return next((life.dashboard for life in lives if life.gone_at is None and life.dashboard), "")
