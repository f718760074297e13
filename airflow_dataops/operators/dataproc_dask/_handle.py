# SPDX-License-Identifier: Apache-2.0
"""What the task that makes a shared cluster leaves for those that use and delete it: names and times, in XCom."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_dataops.operators import _identity
from airflow_dataops.operators.dataproc_dask import _job_name, _steps

if TYPE_CHECKING:
    from airflow_dataops.core.dataproc_dask.run import DaskRun
    from airflow_dataops.core.dataproc_dask.summary import Summary
    from airflow_dataops.core.identity import RunIdentity
    from airflow_dataops.operators.dataproc_dask._steps import DaskOperator, Wanted


def handle_of(wanted: Wanted, summary: Summary) -> dict[str, Any]:
    """Return what the others need: the cluster's names, what it is made of, whose it is, and since when it is there."""
    life = summary.lives[-1] if summary.lives else None
    return {
        "identity": wanted.identity.model_dump(mode="json"),
        "spec": wanted.run.cluster.model_dump(mode="json"),
        "policy": wanted.run.policy.model_dump(mode="json"),
        "asked_at": life.asked_at.isoformat() if life else None,
        "ready_at": life.ready_at.isoformat() if life and life.ready_at else None,
        "dashboard": life.dashboard if life else "",
    }


def pull(context: Any, task_id: str) -> dict[str, Any] | None:
    """Return what the task left; in a mapped group that of the same index, else the only one."""
    ti = context["ti"]
    index = getattr(ti, "map_index", -1)
    own = [] if index is None or index < 0 else [index]
    for one in (*own, -1):
        found = ti.xcom_pull(task_ids=task_id, map_indexes=one)
        if isinstance(found, dict) and "identity" in found:
            return found
    return None


def needed(handle: dict[str, Any] | None, task_id: str) -> dict[str, Any]:
    """Return the handle.

    Raises:
        AirflowFailException: The task left none.
    """
    if handle is None:
        raise AirflowFailException(
            f"CLUSTER_MISSING: task {task_id!r} of this run left no cluster -> name the task that makes it, with its groups, and let it "
            "run before"
        )
    return handle


def cluster_of(handle: dict[str, Any] | None) -> tuple[str, str] | None:
    """Return the cluster's name and UUID."""
    if handle is None or not handle["cluster"]["uuid"]:
        return None
    return handle["cluster"]["name"], handle["cluster"]["uuid"]


def identity_of(context: Any, handle: dict[str, Any] | None, instance: str | None, task_id: str) -> RunIdentity:
    """Return whose the cluster is."""
    from airflow_dataops.core.identity import RunIdentity

    if handle is None:
        return _identity.identity_of(context, instance, task_id)
    return RunIdentity.model_validate(handle["identity"])


def run_of(
    operator: DaskOperator, handle: dict[str, Any] | None, cluster: Any, policy: Any, job: Any = None
) -> DaskRun:
    """Return the run, of what the task left; the operator's own policy counts before that.

    Raises:
        AirflowFailException: The task left nothing and no cluster is given, or something is not valid.
    """
    if handle is None and not cluster:
        needed(handle, str(getattr(operator, "cluster_task_id", "")))
    known = handle or {"spec": cluster, "policy": {}}
    return _steps.run_of(operator, known["spec"], job, policy or known["policy"])


def job_on_cluster(operator: DaskOperator, context: Any, cluster_task_id: str, job: dict[str, Any]) -> Wanted:
    """Return what a task wants that runs a job on the cluster of another one.

    A job without a name is called by its task; a mapped task adds its index.

    Raises:
        AirflowFailException: The other task left no cluster, or something is not valid.
    """
    from airflow_dataops.core.dataproc_dask.state import Goal

    handle = needed(pull(context, cluster_task_id), cluster_task_id)
    identity = identity_of(context, handle, None, cluster_task_id)
    name = job.get("name") or _job_name.job_name(operator.task_id)
    index = getattr(context["ti"], "map_index", -1)
    if index is not None and index not in (-1, identity.map_index):
        name = _job_name.mapped_job_name(str(name), index)
    job = {**job, "name": name}
    run = run_of(operator, handle, None, operator.policy, job)
    return _steps.Wanted(run, identity, Goal.JOB, cluster_of(handle), handle.get("dashboard", ""))


def with_cost(operator: DaskOperator, handle: dict[str, Any] | None, summary: Summary) -> Summary:
    """Return the summary of a deletion with what the cluster cost in its whole life."""
    from airflow_dataops.clients.dataproc_dask.drive import utcnow
    from airflow_dataops.core.dataproc_dask.budget import actual_cost

    card = _steps.card_of(operator)
    if handle is None or card is None or not handle["asked_at"]:
        return summary
    states = [(name, handle[key]) for name, key in (("CREATING", "asked_at"), ("RUNNING", "ready_at")) if handle[key]]
    history = [(name, datetime.fromisoformat(at)) for name, at in states]
    run = run_of(operator, handle, None, None)
    amount = actual_cost(run.cluster, card, [(history, utcnow())])
    return summary.model_copy(update={"cost": amount, "currency": card.currency})
