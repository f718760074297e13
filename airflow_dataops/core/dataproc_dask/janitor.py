# SPDX-License-Identifier: Apache-2.0
"""Which clusters of this Airflow nobody waits for any more.

Whether a run still goes on is not asked for: Airflow's database is not for a task to read. What is looked at is the cluster: its label that
says when its time is over, its state, and how long ago its last job ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from airflow_dataops.core import janitor
from airflow_dataops.core.dataproc_dask import names
from airflow_dataops.core.dataproc_dask.observation import CLUSTER_COMES, ClusterView
from airflow_dataops.core.durations import Duration
from airflow_dataops.core.janitor import length
from airflow_dataops.core.model import Model

_OVER = frozenset({"ERROR", "ERROR_DUE_TO_UPDATE", "STOPPED", "STOPPING", "UNKNOWN"})


class Verdict(StrEnum):
    """Why a cluster is deleted or left alone."""

    FOREIGN = "FOREIGN"  # not ours: never touched
    IN_USE = "IN_USE"
    YOUNG = "YOUNG"  # its task may still be about to deal with it
    KEPT = "KEPT"  # its job failed, and it stays for a look
    DELETING = "DELETING"
    STUCK = "STUCK"  # being deleted for too long: told again, and reported
    EXPIRED = "EXPIRED"
    BROKEN = "BROKEN"
    ORPHANED = "ORPHANED"  # it runs, and has had no job for long


class Activity(Model):
    """What is known about a cluster's jobs.

    Attributes:
        active_jobs: Jobs that have not ended.
        last_job_ended: When the last one ended; None where there was none.
    """

    active_jobs: int = 0
    last_job_ended: datetime | None = None


class JanitorPolicy(Model):
    """How long the janitor waits.

    Attributes:
        instance: Name of the Airflow installation whose clusters are looked after.
        grace: A broken cluster is left to its task for so long.
        orphan_after: A running cluster without a job is given up after so long.
        stuck_after: A delete that takes longer is told again and reported.
        lifetime: Age at which a cluster is deleted that does not say when it expires.
    """

    instance: str
    grace: Duration = timedelta(minutes=10)
    orphan_after: Duration = timedelta(minutes=30)
    stuck_after: Duration = timedelta(minutes=30)
    lifetime: Duration = timedelta(days=1)


class Finding(janitor.Finding):
    """The janitor's decision on one cluster; ``delete`` goes by UUID."""

    uuid: str
    verdict: Verdict


def sweep(
    clusters: Iterable[ClusterView],
    policy: JanitorPolicy,
    now: datetime,
    activity: Mapping[str, Activity] | None = None,
) -> list[Finding]:
    """Return a finding for each cluster, in their order.

    Args:
        clusters: Clusters of a project and region, listed by ``managed-by`` or all of them.
        policy: Whose clusters, and how patiently.
        now: The time.
        activity: UUID -> what is known of it. A cluster that is missing here is deleted only for its age or its state.
    """
    known = activity or {}
    return [_judge(view, policy, now, known.get(view.uuid)) for view in clusters]


def _judge(view: ClusterView, policy: JanitorPolicy, now: datetime, activity: Activity | None) -> Finding:
    if view.labels.get(names.MANAGED_BY) != names.MANAGER or view.labels.get(names.INSTANCE) != names.label_value(
        policy.instance
    ):
        return _finding(view, Verdict.FOREIGN, "not made by this Airflow", delete=False)
    if not view.uuid:
        return _finding(view, Verdict.YOUNG, "it has no UUID yet", delete=False)
    age = now - (view.since or view.created_at or now)
    if view.state == "DELETING":
        stuck = age >= policy.stuck_after
        return _finding(
            view, Verdict.STUCK if stuck else Verdict.DELETING, f"being deleted for {length(age)}", delete=stuck
        )
    expires = names.moment_of(view.labels.get(names.EXPIRES)) or (view.created_at or now) + policy.lifetime
    if now >= expires:
        return _finding(view, Verdict.EXPIRED, f"its time was over at {expires:%Y-%m-%d %H:%M:%S} UTC", delete=True)
    if view.state in _OVER:
        broken = age >= policy.grace
        return _finding(
            view, Verdict.BROKEN if broken else Verdict.YOUNG, f"{view.state} for {length(age)}", delete=broken
        )
    if view.state in CLUSTER_COMES:
        # What it is for cannot be seen yet; its label bounds how long a dead run's cluster stays in this state.
        return _finding(
            view, Verdict.IN_USE, f"{view.state}; its time is over at {expires:%Y-%m-%d %H:%M:%S} UTC", delete=False
        )
    if activity is None or activity.active_jobs:
        jobs = "its jobs are not known" if activity is None else f"{activity.active_jobs} of its jobs have not ended"
        return _finding(view, Verdict.IN_USE, jobs, delete=False)
    return _idle(view, policy, now, activity)


def _idle(view: ClusterView, policy: JanitorPolicy, now: datetime, activity: Activity) -> Finding:
    idle = now - max(moment for moment in (activity.last_job_ended, view.since, view.created_at, _LONG_AGO) if moment)
    keep = names.seconds_of(view.labels.get(names.KEEP))
    if keep is not None and activity.last_job_ended is not None and now < activity.last_job_ended + keep:
        until = activity.last_job_ended + keep
        return _finding(view, Verdict.KEPT, f"stays for a look until {until:%Y-%m-%d %H:%M:%S} UTC", delete=False)
    if idle >= policy.orphan_after:
        return _finding(view, Verdict.ORPHANED, f"no job for {length(idle)}", delete=True)
    return _finding(view, Verdict.IN_USE, f"no job for {length(idle)}", delete=False)


def _finding(view: ClusterView, verdict: Verdict, why: str, *, delete: bool) -> Finding:
    return Finding(name=view.name, uuid=view.uuid, verdict=verdict, delete=delete, text=why)


_LONG_AGO = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
