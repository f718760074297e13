# SPDX-License-Identifier: Apache-2.0
"""What the machine remembers between two decisions: one document, which a trigger carries as JSON."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime

from airflow_dataops.core.dataproc_dask import names
from airflow_dataops.core.dataproc_dask.diagnosis import Failure
from airflow_dataops.core.model import Model


class Goal(StrEnum):
    """What a task wants."""

    RUN = "run"  # a cluster, the job on it, and no cluster any more
    CLUSTER = "cluster"  # a cluster that runs
    JOB = "job"  # the job on a cluster that another task makes and deletes
    WORKFLOW = "workflow"  # the same as RUN, but Google makes and deletes the cluster
    GONE = "gone"  # no cluster of the run


class Patience(StrEnum):
    """How a run that is to end waits for the end of its clusters."""

    WAIT = "wait"  # until they are gone
    SEND = "send"  # until the requests to delete are taken: the process has seconds to live


class Phase(StrEnum):
    """What is being done."""

    FIND = "find"  # list what earlier tries left
    ASK = "ask"  # wait for the moment to ask for a cluster
    MAKE = "make"  # a cluster was asked for or taken over, and does not run yet
    SUBMIT = "submit"  # the job is sent, and nobody has said that it is there
    WORK = "work"  # the job is there
    CANCEL = "cancel"  # the job was told to stop
    JUDGE = "judge"  # the job has ended or is lost; find out how
    KEEP = "keep"  # leave the cluster for a look
    CLOSE = "close"  # Google is about to delete the cluster of its workflow
    DROP = "drop"  # clusters were told to go
    END = "end"  # the outcome is known, and nothing is left to do


class Doomed(Model):
    """A cluster of ours that has to go.

    Attributes:
        name: Its name.
        uuid: Its UUID; nothing is deleted without.
        sent: Number of the delete request that is in force.
        taken_at: When Google took it; None while it has not.
        refused: What Google said where it will not take it; empty where it did not say so.
    """

    name: str
    uuid: str
    sent: int = 1
    taken_at: AwareDatetime | None = None
    refused: str = ""


class Life(Model):
    """A cluster that was asked for or taken over.

    Attributes:
        name: Its name.
        uuid: Its UUID, as soon as it is known.
        asked_at: When it was asked for, or had been.
        ready_at: When it was seen to run.
        gone_at: When it was seen to be gone.
        dashboard: Address of Dask's dashboard behind the Component Gateway; empty where there is none, or it was not seen yet.
    """

    name: str
    uuid: str = ""
    asked_at: AwareDatetime
    ready_at: AwareDatetime | None = None
    gone_at: AwareDatetime | None = None
    dashboard: str = ""


class Outcome(Model):
    """How a run ended.

    Attributes:
        failure: Why it failed; None where it succeeded.
        kept_until: Until when, at the latest, Google leaves the cluster for a look; None where it is deleted.
    """

    failure: Failure | None = None
    kept_until: AwareDatetime | None = None

    @property
    def ok(self) -> bool:
        """True where the goal was reached and nothing is left behind."""
        return self.failure is None


class State(Model):
    """All that is remembered.

    Attributes:
        goal: What is wanted.
        phase: What is being done.
        after: What follows once the doomed clusters are gone.
        patience: How long the end is waited for.
        base: Stem of all names of the run.
        own: Labels by which clusters and jobs of the run are known.
        cluster_hash: Hash of the cluster that is wanted.
        job_hash: Hash of the job; empty without one.
        job_name: Name of the job; empty without one.
        try_number: Number of the task's try, counted from 1.
        since_try: First try of this life of the task: a success from before it was cleared is not taken over.
        attempt: Names this execution of this try, for labels.
        began_at: When it began.
        make_until: Until when clusters are asked for.
        work_until: When everything but the clean-up has to be over.
        drop_until: When the clean-up has to be over.
        settle_until: Until when a create request whose fate is unknown may still come true.
        looked: Whether the run's clusters have been listed.
        blind_since: Since when they cannot be listed; None where they can.
        generation: Number of the cluster that is in use or asked for next.
        zone: Number of the zone, counted on and on.
        uuid: UUID of the cluster in use.
        cluster: Name of the cluster in use where Google has chosen it.
        operation: Name of the operation that makes the cluster, or is the workflow.
        stopped: Google was told to stop the workflow, and has taken it.
        asked_at: When the cluster in use was asked for.
        unsure: A cluster was asked for, and nobody has said what became of it.
        doubtful: An answer to the present create request was lost.
        old_answer: The answer to it was an operation from before it was sent.
        resend: The last call is to be sent once more.
        attempts: Clusters asked for.
        losses: Clusters that were gone before a job was sent.
        not_before: When the next cluster may be asked for.
        expires_at: When Google deletes the cluster in use.
        job_id: Id of the job.
        execution: Number of the job's execution.
        ignored: Highest execution whose success turned out to be none.
        submitted_at: When the job was first sent by this try.
        runs_since: Since when it runs.
        heard_at: Its last sign of life.
        cancel_at: When it was told to stop.
        cancel_for: Why.
        replaces: It is stopped because it does something else than is wanted now; the wanted one follows.
        job_attempt: Which attempt sent it.
        job_state: Its last known state.
        job_details: Google's words on that.
        job_since: When that state began.
        job_log: Where its driver's output is.
        doomed: Clusters that have to go.
        haunted: A job of the run may still run on one of them: no other one is sent before it is gone.
        lives: Clusters that were there, for the bill.
        failure: Why the last cluster could not be made.
        outcome: How the run ended; the clean-up may be under way.
        errors: Failed calls in a row.
        polls: Looks at the job so far.
    """

    schema_version: Literal[1] = 1
    goal: Goal
    phase: Phase = Phase.FIND
    after: Phase = Phase.END
    patience: Patience = Patience.WAIT
    base: str
    own: dict[str, str]
    cluster_hash: str
    job_hash: str = ""
    job_name: str = ""
    try_number: int = 1
    since_try: int = 1
    attempt: str
    began_at: AwareDatetime
    make_until: AwareDatetime
    work_until: AwareDatetime
    drop_until: AwareDatetime | None = None
    settle_until: AwareDatetime | None = None
    looked: bool = False
    blind_since: AwareDatetime | None = None
    generation: int = 1
    zone: int = 0
    uuid: str = ""
    cluster: str = ""
    operation: str = ""
    stopped: bool = False
    asked_at: AwareDatetime | None = None
    unsure: bool = False
    doubtful: bool = False
    old_answer: bool = False
    resend: bool = False
    attempts: int = 0
    losses: int = 0
    not_before: AwareDatetime | None = None
    expires_at: AwareDatetime | None = None
    job_id: str = ""
    execution: int = 1
    ignored: int = 0
    submitted_at: AwareDatetime | None = None
    runs_since: AwareDatetime | None = None
    heard_at: AwareDatetime | None = None
    cancel_at: AwareDatetime | None = None
    cancel_for: Failure | None = None
    replaces: bool = False
    job_attempt: str = ""
    job_state: str = ""
    job_details: str = ""
    job_since: AwareDatetime | None = None
    job_log: str | None = None
    doomed: tuple[Doomed, ...] = ()
    haunted: bool = False
    lives: tuple[Life, ...] = ()
    failure: Failure | None = None
    outcome: Outcome | None = None
    errors: int = 0
    polls: int = 0

    @property
    def cluster_name(self) -> str:
        """Name of the cluster in use, or asked for next."""
        return self.cluster or names.cluster_name(self.base, self.generation)

    @property
    def execution_id(self) -> str:
        """Name under which the job's present execution leaves its files; also its id, where it was not Google that chose that."""
        return names.job_id(self.base, self.job_name, self.execution)

    def closed(self, uuid: str, at: datetime) -> tuple[Life, ...]:
        """Return the lives after the cluster with ``uuid`` was seen to be gone."""
        return tuple(
            life.model_copy(update={"gone_at": at}) if life.uuid == uuid and uuid and life.gone_at is None else life
            for life in self.lives
        )

    def with_doomed(self, *clusters: Doomed) -> tuple[Doomed, ...]:
        """Return the doomed clusters with these added, each once."""
        known = {doomed.uuid for doomed in self.doomed}
        return (*self.doomed, *(cluster for cluster in clusters if cluster.uuid and cluster.uuid not in known))
