# SPDX-License-Identifier: Apache-2.0
"""One decision: what is known goes in, and what to do next comes out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from airflow_dataops.core.machine import (
    KILLED_TIME,
    NO_TIME,
    SETTLE,
    SETTLE_WHEN_KILLED,
    CallError,
    Note,
    Wait,
    backoff,
)
from airflow_dataops.core.spark_k8s import names
from airflow_dataops.core.spark_k8s.answers import Answer, answer_of
from airflow_dataops.core.spark_k8s.application_state import Stage
from airflow_dataops.core.spark_k8s.failures import Failure
from airflow_dataops.core.spark_k8s.observation import ApplicationView, Driver, Look, Observation, PodView
from airflow_dataops.core.spark_k8s.spec import Policy, RunParts
from airflow_dataops.core.spark_k8s.state import TRY, CallKind, Doomed, Outcome, Patience, Phase, State, Summary


@dataclass(frozen=True)
class Call:
    """Send this once, without repeating it, and hand its answer back as ``Observation.reply``.

    Attributes:
        kind: What to do.
        name: Name of the object.
        attempt: Number of the driver that it belongs to.
        uid: Of a delete, the UID that the object must have (``preconditions``); of a ConfigMap, Secret or Service, its owner's.
        labels: Labels to add to those of the driver.
    """

    kind: CallKind
    name: str
    attempt: int
    uid: str = ""
    labels: tuple[tuple[str, str], ...] = ()


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
_MOST_REFUSALS = 3


@dataclass
class Turn:
    """A decision under way."""

    run: RunParts
    state: State
    seen: Observation
    now: datetime
    jitter: float
    notes: list[Note] = field(default_factory=list)

    @property
    def policy(self) -> Policy:
        """How patiently."""
        return self.run.policy

    def set(self, **changes: Any) -> None:
        """Change what is remembered."""
        self.state = self.state.model_copy(update=changes)

    def note(self, code: str, text: str) -> None:
        """Tell people."""
        self.notes.append(Note(code, text))

    def hint(self, found: Failure) -> None:
        """Tell people once what the driver waits for, and what to do."""
        if found.code.value not in self.state.told:
            self.set(told=(*self.state.told, found.code.value))
            self.note(found.code, f"{found.message}; {found.hint}")

    def call(self, kind: CallKind, name: str, *, uid: str = "", attempt: int | None = None) -> Step:
        """Send a request and decide again on its answer."""
        self.set(resend=False)
        labels = () if kind in _DELETES else ((TRY, str(self.state.try_number)),)
        number = self.state.attempt if attempt is None else attempt
        return Step(Call(kind, name, number, uid, labels), self.state, notes=tuple(self.notes))

    def look(self, *looks: Look, delay: timedelta = NO_TIME) -> Step:
        """Look at once, or after a while."""
        return Step(Wait(), self.state, delay, frozenset(looks), tuple(self.notes))

    def poll(self, *looks: Look) -> Step:
        """Look after the usual while, a little spread so that many runs do not look at the same moment."""
        self.set(errors=0)
        return self.look(*looks, delay=self.policy.poll * (0.9 + 0.2 * self.jitter))

    def again(self, *looks: Look, resend: bool = False) -> Step:
        """Look (or, with ``resend``, send) once more after a pause that grows with each error in a row."""
        self.set(errors=self.state.errors + 1, resend=resend)
        pause = backoff(self.state.errors, self.policy.backoff, self.policy.backoff_limit, self.jitter)
        if self.state.patience is Patience.SEND:
            pause = min(pause, timedelta(seconds=3))
        return self.look(*looks, delay=pause)

    def bears(self, error: CallError) -> bool:
        """Tell whether a call may be sent again after an error; it counts how often in a row the answer was no.

        What may pass is borne for as long as there is time. A no is taken for one when it is said for the fourth time, after some ten
        seconds: see :class:`~airflow_dataops.core.spark_k8s.answers.Answer`. Errors of another kind before it do not count.
        """
        before = self.state.refusals if self.state.errors else 0
        passes = answer_of(error) is Answer.LATER
        self.set(refusals=0 if passes else before + 1)
        return passes or before < _MOST_REFUSALS

    def end(self) -> Step:
        """Tell how it ended."""
        if self.state.outcome is None:
            raise RuntimeError(f"driver {self.state.name} has come to an end without an outcome")
        return Step(End(self.state.outcome), self.state, notes=tuple(self.notes))

    def is_ours(self, view: Driver) -> bool:
        """Tell whether a pod or SparkApplication is a driver of this run: by its labels, and by the name that follows from them.

        A pod that an operator made has a name of the operator's choice (Apache's cuts a long one), and the application as its owner.
        """
        attempt = names.attempt_of(view.labels)
        if attempt == 0 or not names.owns(view.labels, self.state.own):
            return False
        name = names.driver_name(self.state.identity, attempt)
        if isinstance(view, PodView) and not self.state.direct:
            return view.owner == name or view.name.startswith(f"{name}-")
        return view.name == name

    def see_pod(self) -> None:
        """Take down the pod that an operator has made for the driver in use: by the name it tells, or else the newest with our labels."""
        seen = self.seen
        if self.state.direct:
            return
        if isinstance(seen.pod, PodView):
            self.set(pod=seen.pod)
        elif not isinstance(seen.pods, CallError | None):
            ours = [
                one for one in seen.pods if self.is_ours(one) and names.attempt_of(one.labels) == self.state.attempt
            ]
            newest = max(ours, key=lambda one: one.created_at or self.now, default=None)
            self.set(pod=newest or self.state.pod)

    def doom(self, view: Driver) -> Doomed:
        """Return what deletes a driver."""
        kind = CallKind.DELETE_POD if isinstance(view, PodView) else CallKind.DELETE_APPLICATION
        runs = view.stage in (Stage.WAITS, Stage.RUNS)
        return Doomed(kind=kind, name=view.name, uid=view.uid, taken_at=self.now if view.deleting else None, runs=runs)

    def own_driver(self) -> tuple[Doomed, ...]:
        """Return what deletes the driver in use: the SparkApplication first, so that nobody makes its pod anew."""
        state = self.state
        runs = state.ended is None
        if state.direct:
            return (Doomed(kind=CallKind.DELETE_POD, name=state.name, uid=state.uid, runs=runs),)
        application = Doomed(kind=CallKind.DELETE_APPLICATION, name=state.name, uid=state.uid, runs=runs)
        if state.pod is None:
            return (application,)
        return (application, Doomed(kind=CallKind.DELETE_POD, name=state.pod.name, uid=state.pod.uid, runs=runs))

    def settle(self, found: Failure | None = None, *, goes_on: bool = False) -> Phase:
        """Take down how the run ended, and go to the clean-up that it needs.

        Args:
            found: Why it failed; None for a success.
            goes_on: The driver is left at work.
        """
        state, killed = self.state, self.state.patience is Patience.SEND
        self.set(
            outcome=Outcome(failure=found, summary=self.summary(), goes_on=goes_on),
            drop_until=self.now + (KILLED_TIME if killed else self.policy.delete_timeout),
            settle_until=self.now + (SETTLE_WHEN_KILLED if killed else SETTLE),
            errors=0,
            resend=False,
            after=Phase.END,
        )
        if found is not None:
            self.note(found.code, found.message)
        if goes_on:
            self.note("LEFT", f"driver {state.name} goes on; the next try takes it over")
            return Phase.END
        if self._keeps(found):
            return Phase.END
        return self.clean()

    def clean(self) -> Phase:
        """Go to where the run's drivers are deleted, by the shortest way that misses none."""
        state = self.state
        if state.unsure:
            return Phase.FIND
        if state.uid:
            self.set(doomed=state.with_doomed(*self.own_driver()))
        return Phase.DROP if self.state.doomed else Phase.END

    def _keeps(self, found: Failure | None) -> bool:
        state, keep = self.state, self.policy.keep_failed_for
        if found is None or keep is None or state.patience is Patience.SEND or state.ended is None or state.doomed:
            return False
        until = self.now + keep
        self.set(outcome=(state.outcome or Outcome()).model_copy(update={"kept_until": until}))
        self.note("KEPT", f"driver {state.name} is left for a look; the next try deletes it")
        return True

    def summary(self) -> Summary:
        """Return what is known of the driver."""
        state, pod = self.state, self.state.pod
        box = pod.driver if pod is not None else None
        made = pod.created_at if pod is not None else None
        began = (box.started_at if box is not None else None) or state.runs_since
        over = box.finished_at if box is not None else None
        return Summary(
            app_id=state.app_id,
            application="" if state.direct or not state.uid else state.name,
            pod=pod.name if pod is not None else "",
            node=pod.node if pod is not None else "",
            attempt=state.attempt,
            adopted=state.adopted,
            exit_code=box.exit_code if box is not None else None,
            result=box.message if box is not None and box.state == "terminated" else "",
            pending_seconds=(began - made).total_seconds() if began and made else None,
            run_seconds=(over - began).total_seconds() if over and began else None,
            executor_peak=state.executor_peak,
        )

    def remember(self, view: Driver) -> None:
        """Take down what the driver looks like."""
        self.set(resumed=False, **({"pod": view} if isinstance(view, PodView) else {"application": view}))
        main = view.driver if isinstance(view, PodView) else None
        if view.stage is not Stage.WAITS and self.state.runs_since is None:
            self.set(runs_since=(main.started_at if main is not None else None) or self.now)

    def use(self, view: Driver, *, adopted: bool) -> None:
        """Take a driver that is there as the one in use."""
        self.set(
            uid=view.uid,
            attempt=names.attempt_of(view.labels) or self.state.attempt,
            adopted=adopted,
            unsure=False,
            errors=0,
            asked_at=None,
            waits_since=self.now,
            runs_since=None,
            pull_since=None,
            mended=0,
            ended=None,
            lost=False,
            why=None,
            pod=view if isinstance(view, PodView) else None,
            application=view if isinstance(view, ApplicationView) else None,
        )
        self.remember(view)

    def refused(self, error: CallError, what: str) -> Failure:
        """Return why a call was refused for good."""
        return answer_of(error).failure(error, what)


_DELETES = frozenset({CallKind.DELETE_POD, CallKind.DELETE_APPLICATION})
