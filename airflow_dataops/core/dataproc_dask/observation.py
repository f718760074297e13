# SPDX-License-Identifier: Apache-2.0
"""What the machine sees: answers to its calls, and what it asked to look at. A client fills these in; none of them travels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from airflow_dataops.core.machine import Accepted, CallError, Gone


class Look(StrEnum):
    """Something to look at before the next decision."""

    CLUSTERS = "clusters"  # list of the clusters with the run's labels
    JOBS = "jobs"  # list of the jobs with the run's labels
    CLUSTER = "cluster"  # the cluster by its name
    OPERATION = "operation"  # the operation that makes the cluster, or is the workflow
    JOB = "job"  # the job by its id
    HEARTBEAT = "heartbeat"  # the driver's sign of life, in a bucket
    RESULT = "result"  # the driver's result.json, in a bucket


@dataclass(frozen=True)
class ClusterView:
    """A cluster as Google shows it.

    Attributes:
        name: Its name.
        uuid: Its UUID; empty while it has none.
        state: Name of ``ClusterStatus.State``.
        labels: Its labels.
        detail: Google's words on the state.
        since: When the state began.
        created_at: When its first state began.
        gateway: Where the Component Gateway shows its web interfaces: ``https://…``; empty without one.
    """

    name: str
    uuid: str
    state: str
    labels: Mapping[str, str] = field(default_factory=dict)
    detail: str = ""
    since: datetime | None = None
    created_at: datetime | None = None
    gateway: str = ""


@dataclass(frozen=True)
class OperationView:
    """A long-running operation.

    Attributes:
        name: Its name.
        done: Whether it has ended.
        error: How it failed; None where it did not.
        cluster_uuid: The cluster that it is about (``metadata.cluster_uuid``); empty where it does not say.
        cluster_name: Name of a workflow's cluster; empty while it has none.
        job_id: Id of a workflow's first job; empty while there is none.
        work_began_at: When a workflow's first job was sent; None where it does not say.
        started_at: When it began (first state of ``metadata.status_history``, else the present one's start); None where it does not say.
    """

    name: str
    done: bool = False
    error: CallError | None = None
    cluster_uuid: str = ""
    started_at: datetime | None = None
    cluster_name: str = ""
    job_id: str = ""
    work_began_at: datetime | None = None


@dataclass(frozen=True)
class JobView:
    """A job as Google shows it.

    Attributes:
        id: Its id.
        state: Name of ``JobStatus.State``.
        labels: Its labels.
        cluster_name: Where it was placed.
        cluster_uuid: The UUID of that cluster; empty where it is not said.
        details: Google's words on the state.
        log_uri: ``driver_output_resource_uri``.
        since: When the state began.
        ran_at: When it first ran, also of a job that has ended meanwhile; None where it never did, or nobody says.
    """

    id: str
    state: str
    labels: Mapping[str, str] = field(default_factory=dict)
    cluster_name: str = ""
    cluster_uuid: str = ""
    details: str = ""
    log_uri: str | None = None
    since: datetime | None = None
    ran_at: datetime | None = None


@dataclass(frozen=True)
class HeartbeatView:
    """The driver's sign of life: when it last gave one."""

    at: datetime


@dataclass(frozen=True)
class ResultView:
    """The driver's ``result.json``: whether the function returned; else the error's code and message."""

    ok: bool
    code: str = ""
    message: str = ""


Reply = OperationView | JobView | Accepted | CallError


@dataclass(frozen=True)
class Observation:
    """The answer to the last call, and what was looked at; None for what was not.

    A read that failed is its :class:`~airflow_dataops.core.machine.CallError`; a read of something that is not there is
    :class:`Gone`.
    """

    reply: Reply | None = None
    clusters: tuple[ClusterView, ...] | CallError | None = None
    jobs: tuple[JobView, ...] | CallError | None = None
    cluster: ClusterView | Gone | CallError | None = None
    operation: OperationView | Gone | CallError | None = None
    job: JobView | Gone | CallError | None = None
    heartbeat: HeartbeatView | Gone | CallError | None = None
    result: ResultView | Gone | CallError | None = None


JOB_FAILED = frozenset({"ERROR", "CANCELLED"})
JOB_ENDED = JOB_FAILED | {"DONE"}
JOB_WAITS = frozenset({"STATE_UNSPECIFIED", "PENDING", "SETUP_DONE"})
JOB_STOPS = frozenset({"CANCEL_PENDING", "CANCEL_STARTED"})
CLUSTER_RUNS = frozenset({"RUNNING", "UPDATING"})
CLUSTER_COMES = frozenset({"CREATING", "STARTING", "REPAIRING"})
CLUSTER_TAKEN = CLUSTER_RUNS | {"CREATING", "REPAIRING"}  # states in which a later try takes it over
CLUSTER_LOST = frozenset({"DELETING", "ERROR", "STOPPING", "STOPPED"})  # states in which no job goes on
