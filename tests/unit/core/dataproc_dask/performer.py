# SPDX-License-Identifier: Apache-2.0
"""What an operator and its trigger do with the machine, without waiting; and the ways in which they can die."""

from __future__ import annotations

from dataclasses import dataclass, field

from airflow_dataops.core.dataproc_dask.budget import Estimate
from airflow_dataops.core.dataproc_dask.diagnosis import Failure
from airflow_dataops.core.dataproc_dask.lifecycle import begin, decide
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.dataproc_dask.state import Goal, Outcome, State
from airflow_dataops.core.dataproc_dask.turn import Call, End, Step
from airflow_dataops.core.identity import RunIdentity
from tests.unit.core.dataproc_dask.samples import IDENTITY
from tests.unit.core.dataproc_dask.simulator import Dataproc

MOST_STEPS = 20_000


@dataclass
class Task:
    """One task of an Airflow, through its tries."""

    google: Dataproc
    run: DaskRun
    goal: Goal = Goal.RUN
    identity: RunIdentity = IDENTITY
    cluster: tuple[str, str] | None = None
    tries: int = 0
    notes: list[str] = field(default_factory=list)
    states: list[State] = field(default_factory=list)

    def start(self, *, since_try: int = 1, estimate: Estimate | None = None) -> Step:
        """Begin a new try."""
        self.tries += 1
        step = begin(
            self.run,
            self.identity,
            goal=self.goal,
            now=self.google.now,
            attempt=f"attempt-{self.tries}",
            try_number=self.tries,
            since_try=since_try,
            cluster=self.cluster,
            estimate=estimate,
        )
        self.notes += [note.code for note in step.notes]
        return step

    def follow(self, step: Step, steps: int = MOST_STEPS) -> Step:
        """Do so many steps, or all to the end; the state travels as JSON, as in a trigger."""
        for _ in range(steps):
            if isinstance(step.action, End):
                return step
            reply = self.google.perform(step.action) if isinstance(step.action, Call) else None
            self.google.advance(step.delay)
            state = State.model_validate_json(step.state.model_dump_json())
            self.states.append(state)
            step = decide(self.run, state, self.google.observe(state, step.look, reply), self.google.now)
            self.notes += [note.code for note in step.notes]
        assert steps < MOST_STEPS, "the machine does not end"
        return step

    def until(self, step: Step, code: str) -> Step:
        """Go on until something is noted."""
        for _ in range(MOST_STEPS):
            if code in self.notes:
                return step
            step = self.follow(step, 1)
        raise AssertionError(f"{code} never happened; {self.notes}")

    def finish(self, step: Step | None = None) -> Outcome:
        """Go on to the end of the try."""
        ended = self.follow(step or self.start())
        assert isinstance(ended.action, End)
        return ended.action.outcome


def code_of(outcome: Outcome) -> str | None:
    """Return the failure's code; None for a success."""
    failure: Failure | None = outcome.failure
    return failure.code.value if failure else None
