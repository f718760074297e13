# SPDX-License-Identifier: Apache-2.0
"""What an operator and its trigger do with the machine, without waiting; and the ways in which they can die."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from airflow_dataops.core.identity import RunIdentity
from airflow_dataops.core.spark_k8s.lifecycle import begin, decide
from airflow_dataops.core.spark_k8s.spec import ApplicationApi, RunParts
from airflow_dataops.core.spark_k8s.state import Outcome, State
from airflow_dataops.core.spark_k8s.turn import Call, End, Step
from tests.unit.core.spark_k8s.fates import Fate
from tests.unit.core.spark_k8s.samples import IDENTITY, document
from tests.unit.core.spark_k8s.simulator import Kube

MOST_STEPS = 3_000
SHORT = {"start_timeout": "5m", "run_timeout": "10m", "delete_timeout": "2m", "image_pull_grace": "1m"}


def run_of(mode: str = "direct", **policy: Any) -> RunParts:
    """Return the sample with short deadlines; failed drivers are deleted at once. Mode ``apache`` is ``crd`` with that operator."""
    whole = document()
    whole["target"] = {"namespace": "analytics", "mode": "crd" if mode == "apache" else mode}
    if mode == "apache":
        whole["target"]["application_api"] = ApplicationApi.APACHE
    whole["policy"] = {**SHORT, "keep_failed_for": None, **policy}
    return RunParts.model_validate(whole)


@dataclass
class Task:
    """One task of an Airflow, through its tries."""

    kube: Kube
    run: RunParts
    identity: RunIdentity = IDENTITY
    tries: int = 0
    notes: list[str] = field(default_factory=list)
    states: list[State] = field(default_factory=list)

    def start(self, *, since_try: int = 1, attempt: int = 1) -> Step:
        """Begin a new try."""
        self.tries += 1
        step = begin(
            self.run, self.identity, now=self.kube.now, try_number=self.tries, since_try=since_try, attempt=attempt
        )
        self.notes += [note.code for note in step.notes]
        return step

    def follow(self, step: Step, steps: int = MOST_STEPS) -> Step:
        """Do so many steps, or all to the end; the state travels as JSON, as in a trigger."""
        for _ in range(steps):
            if isinstance(step.action, End):
                return step
            reply = self.kube.perform(step.action) if isinstance(step.action, Call) else None
            self.kube.advance(step.delay)
            state = State.model_validate_json(step.state.model_dump_json())
            self.states.append(state)
            step = decide(self.run, state, self.kube.observe(state, step.look, reply), self.kube.now)
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


def task(*fates: Fate, run: RunParts | None = None, mode: str = "direct") -> Task:
    """Return a task beside an API server where drivers have these fates."""
    run = run or run_of(mode)
    return Task(Kube(run, fates=iter(fates), identity=IDENTITY), run)


def code_of(outcome: Outcome) -> str | None:
    """Return the failure's code; None for a success."""
    return outcome.failure.code.value if outcome.failure else None
