# SPDX-License-Identifier: Apache-2.0
"""What a task tells when it has ended: a document, metrics, and one line where it failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from pydantic import AwareDatetime

from airflow_dataops.core.dataproc_dask import names
from airflow_dataops.core.dataproc_dask.bill import cost, seconds_by_phase
from airflow_dataops.core.dataproc_dask.budget import RateCard
from airflow_dataops.core.dataproc_dask.diagnosis import Failure
from airflow_dataops.core.dataproc_dask.driver_log import LogCursor
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.dataproc_dask.state import Goal, Life, Outcome, State
from airflow_dataops.core.metrics import Metric
from airflow_dataops.core.model import Model

Histories = Mapping[str, Sequence[tuple[str, datetime]]]

_AREA = "dataops.dataproc_dask"


class Summary(Model):
    """How a task's try ended; it travels from the trigger to the task as JSON.

    Attributes:
        goal: What was wanted.
        project: Project id.
        region: Region.
        base: Stem of the run's names.
        cluster_name: The last cluster; empty where Google was to name it, and there was none.
        cluster_uuid: Its UUID.
        job_id: The job; empty where none was sent.
        job_state: Its last known state.
        log_uri: Where its driver's output is.
        log: How far that has been told, where the rest is for the task; None where it is not, or an older version says this.
        result_uri: Where its result is, whether or not it left one.
        failure: Why it failed; None where it succeeded.
        kept_until: Until when, at the latest, Google leaves the cluster for a look.
        seconds: Seconds by phase.
        lives: The clusters of this try.
        created: Clusters that this try made.
        adopted: Clusters that it took over.
        deleted: Clusters that it saw to be gone.
        cost: What they cost so far; None without a rate card.
        currency: The rate card's.
    """

    schema_version: Literal[1] = 1
    goal: Goal
    project: str
    region: str
    base: str
    cluster_name: str = ""
    cluster_uuid: str = ""
    job_id: str = ""
    job_state: str = ""
    log_uri: str | None = None
    log: LogCursor | None = None
    result_uri: str | None = None
    failure: Failure | None = None
    kept_until: AwareDatetime | None = None
    seconds: dict[str, float] = {}
    lives: tuple[Life, ...] = ()
    created: int = 0
    adopted: int = 0
    deleted: int = 0
    cost: Decimal | None = None
    currency: str = ""


def summarise(
    run: DaskRun, state: State, card: RateCard | None, now: datetime, histories: Histories | None = None
) -> Summary:
    """Return the summary of a try.

    Args:
        run: What was wanted.
        state: What is remembered at its end, or before.
        card: Prices; None tells no cost.
        now: The time.
        histories: UUID -> Google's own account of a cluster's states; a cluster that is missing there is counted as the run saw it.

    Raises:
        SpecError: The card has no price for a machine or disk type (``RATE_MISSING``).
    """
    outcome = state.outcome or Outcome()
    real = [life for life in state.lives if life.uuid]
    uri = run.job.spec_uri if run.job else None
    owns = state.goal in (Goal.RUN, Goal.WORKFLOW)
    return Summary(
        goal=state.goal,
        project=run.cluster.project,
        region=run.cluster.region,
        base=state.base,
        cluster_name=real[-1].name if real else "" if state.goal is Goal.WORKFLOW else state.cluster_name,
        cluster_uuid=state.uuid or (real[-1].uuid if real else ""),
        job_id=state.job_id,
        job_state=state.job_state,
        log_uri=state.job_log,
        result_uri=f"{names.job_folder(uri, state.execution_id)}/result.json" if uri and state.job_id else None,
        failure=outcome.failure,
        kept_until=outcome.kept_until,
        seconds=seconds_by_phase(state, now),
        lives=tuple(real),
        created=sum(life.asked_at >= state.began_at for life in real),
        adopted=sum(life.asked_at < state.began_at for life in real),
        deleted=sum(life.gone_at is not None for life in real),
        cost=cost(run, state, card, now, histories or {}) if card is not None and owns else None,
        currency=card.currency if card is not None else "",
    )


def xcom_of(summary: Summary) -> dict[str, Any]:
    """Return what of a summary is worth keeping in XCom."""
    found: dict[str, Any] = {
        "cluster": {"name": summary.cluster_name, "uuid": summary.cluster_uuid},
        "seconds": summary.seconds,
        "clusters": {"created": summary.created, "adopted": summary.adopted, "deleted": summary.deleted},
    }
    if summary.job_id:
        found["job"] = {"id": summary.job_id, "state": summary.job_state, "log_uri": summary.log_uri}
    if summary.cost is not None:
        found["cost"] = {"amount": str(summary.cost), "currency": summary.currency}
    return found


def metrics_of(summary: Summary, tags: dict[str, str]) -> list[Metric]:
    """Return the metrics ``dataops.dataproc_dask.*`` of a task's try.

    Args:
        summary: How it ended.
        tags: DAG and task.
    """
    counts = {"created": summary.created, "adopted": summary.adopted, "deleted": summary.deleted}
    found = [Metric("incr", f"{_AREA}.{name}", count, tags) for name, count in counts.items() if count]
    if summary.failure is not None:
        found.append(Metric("incr", f"{_AREA}.failed", 1, {**tags, "code": summary.failure.code.value}))
    found += [
        Metric("timing", f"{_AREA}.seconds.{phase}", round(length * 1000, 3), tags)
        for phase, length in summary.seconds.items()
    ]
    if summary.cost is not None:
        found.append(Metric("gauge", f"{_AREA}.cost", float(summary.cost), {**tags, "currency": summary.currency}))
    return found


def alert_line(failure: Failure) -> str:
    """Return the line of a task's log that alerts count: ``dataops.dataproc_dask.failed code=JOB_FAILED``."""
    return f"{_AREA}.failed code={failure.code.value}"


def failure_line(failure: Failure) -> str:
    """Return what happened and what to do, in one line."""
    message = " ".join(failure.message.split())
    hint = " ".join((failure.hint or "").split())
    where = "" if failure.log_uri is None or failure.log_uri in f"{message} {hint}" else f" (log: {failure.log_uri})"
    return f"{failure.code}: {message}" + (f" -> {hint}" if hint else "") + where
