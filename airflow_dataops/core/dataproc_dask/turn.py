# SPDX-License-Identifier: Apache-2.0
"""One decision: what is known goes in, and what to do next comes out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from airflow_dataops.core.dataproc_dask import names
from airflow_dataops.core.dataproc_dask.diagnosis import Failure, Reason
from airflow_dataops.core.dataproc_dask.observation import JOB_ENDED, ClusterView, Look, Observation
from airflow_dataops.core.dataproc_dask.request import Request
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.dataproc_dask.state import Doomed, Goal, Life, Outcome, Patience, Phase, State
from airflow_dataops.core.machine import KILLED_TIME, NO_TIME, SETTLE, SETTLE_WHEN_KILLED, Note, Wait, backoff


class CallKind(StrEnum):
    """A call that changes something; its value is the name of the RPC."""

    CREATE = "CreateCluster"
    DELETE = "DeleteCluster"
    KEEP = "UpdateCluster"
    SUBMIT = "SubmitJob"
    CANCEL = "CancelJob"
    START = "InstantiateInlineWorkflowTemplate"
    STOP = "CancelOperation"


@dataclass(frozen=True)
class Call:
    """Send this request once, without repeating it, and hand its answer back as ``Observation.reply``."""

    kind: CallKind
    request: Request


@dataclass(frozen=True)
class End:
    """All is over."""

    outcome: Outcome


@dataclass(frozen=True)
class Step:
    """What to do next.

    Attributes:
        action: Send this first.
        state: Remember this instead of what was known before.
        delay: Then wait so long.
        look: Then look at these, and decide again.
        notes: Tell people.
    """

    action: Call | Wait | End
    state: State
    delay: timedelta = NO_TIME
    look: frozenset[Look] = frozenset()
    notes: tuple[Note, ...] = ()


Next = Step | Phase


@dataclass
class Turn:
    """A decision under way."""

    run: DaskRun
    state: State
    seen: Observation
    now: datetime
    jitter: float
    notes: list[Note] = field(default_factory=list)

    def set(self, **changes: Any) -> None:
        """Change what is remembered."""
        self.state = self.state.model_copy(update=changes)

    def note(self, code: str, text: str) -> None:
        """Tell people."""
        self.notes.append(Note(code, text))

    def call(self, kind: CallKind, request: Request) -> Step:
        """Send a request and decide again on its answer."""
        self.set(resend=False)
        return Step(Call(kind, request), self.state, notes=tuple(self.notes))

    def look(self, *looks: Look, delay: timedelta = NO_TIME) -> Step:
        """Look at once, or after a while."""
        return Step(Wait(), self.state, delay, frozenset(looks), tuple(self.notes))

    def poll(self, *looks: Look) -> Step:
        """Look after the usual while, a little spread so that many runs do not look at the same moment."""
        self.set(errors=0)
        return self.look(*looks, delay=self.run.policy.poll * (0.9 + 0.2 * self.jitter))

    def again(self, *looks: Look, resend: bool = False) -> Step:
        """Look (or, with ``resend``, send) once more after a pause that grows with each error in a row."""
        policy = self.run.policy
        self.set(errors=self.state.errors + 1, resend=resend)
        return self.look(*looks, delay=backoff(self.state.errors, policy.backoff, policy.backoff_limit, self.jitter))

    def end(self) -> Step:
        """Tell how it ended."""
        return Step(End(self.state.outcome or Outcome()), self.state, notes=tuple(self.notes))

    @property
    def name(self) -> str:
        """Name of the cluster in use."""
        return self.state.cluster_name

    @property
    def own_cluster(self) -> Doomed:
        """The cluster in use, to be deleted."""
        return Doomed(name=self.name, uuid=self.state.uuid)

    def is_ours(self, view: ClusterView) -> bool:
        """Tell whether a cluster was made by this run."""
        base = self.state.base
        named = names.generation_of(base, view.name) is not None or names.is_managed(base, view.name)
        return named and names.is_ours(view.labels, self.state.own)

    def settle(self, failure: Failure | None = None) -> Phase:
        """Take down how the run ended, and go to the clean-up that it needs."""
        limits, killed = self.run.policy.deadlines, self.state.patience is Patience.SEND
        self.set(
            outcome=Outcome(failure=failure),
            drop_until=self.now + (KILLED_TIME if killed else limits.delete),
            settle_until=self.now + (SETTLE_WHEN_KILLED if killed else SETTLE),
            errors=0,
            resend=False,
            after=Phase.END,
        )
        if failure is not None:
            self.note(failure.code, failure.message)
        if self.state.goal is Goal.JOB or (self.state.goal is Goal.CLUSTER and failure is None):
            return Phase.END
        return Phase.KEEP if self._is_worth_a_look(failure) else self.clean()

    def clean(self) -> Phase:
        """Go to where the run's clusters are deleted, by the shortest way that misses none."""
        state = self.state
        if state.goal is Goal.WORKFLOW and state.operation:
            return Phase.CLOSE
        if state.unsure or not state.looked:
            return Phase.FIND
        self.set(doomed=state.with_doomed(self.own_cluster))
        return Phase.DROP if self.state.doomed else Phase.END

    def _is_worth_a_look(self, failure: Failure | None) -> bool:
        if failure is None or self.run.policy.keep_failed_for is None or self.state.patience is Patience.SEND:
            return False
        # A job that does not stop keeps the cluster busy, and Google would not delete it for being idle.
        return bool(self.state.uuid) and failure.code in _WORTH_A_LOOK and self.state.job_state in JOB_ENDED

    def alive(self, uuid: str, asked_at: datetime | None = None) -> tuple[Life, ...]:
        """Return the lives with the cluster in use known by ``uuid``; begun, where it is not among them."""
        lives = self.state.lives
        if any(life.uuid == uuid for life in lives):
            return lives
        if lives and lives[-1].name == self.name and not lives[-1].uuid:
            return (*lives[:-1], lives[-1].model_copy(update={"uuid": uuid}))
        return (*lives, Life(name=self.name, uuid=uuid, asked_at=asked_at or self.now))


_WORTH_A_LOOK = frozenset(
    {
        Reason.JOB_FAILED,
        Reason.JOB_CANCELLED,
        Reason.NO_WORKERS,
        Reason.RESULT_MISSING,
        Reason.HEARTBEAT_STALE,
        Reason.RUN_TIMEOUT,
        Reason.SUBMIT_TIMEOUT,
    }
)
