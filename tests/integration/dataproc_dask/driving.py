# SPDX-License-Identifier: Apache-2.0
"""The client's performer against one project of the fake Dataproc, by that project's clock; no Airflow takes part."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_dataops.clients.dataproc_dask.client import DataprocDaskClient
from airflow_dataops.clients.dataproc_dask.drive import drive
from airflow_dataops.clients.dataproc_dask.upload import publish_job
from airflow_dataops.clients.gcs import Gcs
from airflow_dataops.clients.google import GoogleSettings
from airflow_dataops.core.dataproc_dask.lifecycle import begin
from airflow_dataops.core.dataproc_dask.names import base_name
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.dataproc_dask.state import Goal, Outcome, State
from airflow_dataops.core.dataproc_dask.turn import End, Step
from airflow_dataops.core.identity import RunIdentity
from tests.services.dataproc_fake.running import FakeDataproc, Project

SPEED = 20
DRIVER = Path(__file__).with_name("small_driver.py")
PATIENCE = {"poll": "2s", "backoff": "1s", "backoff_limit": "4s", "quota_backoff": "2s", "heartbeat_stale": None}
# By a clock that goes so fast, the usual limits are seconds, in which a busy machine does nothing at all.
LIMITS = {"create": "1h", "submit": "1h", "delete": "1h"}
# Of the arguments of a job that ends when it is let: see let_end.
HELD = {"args": {"gate": "go"}}


@dataclass(frozen=True)
class Federated:
    """Makes credentials of workload identity federation."""

    fake: FakeDataproc

    def __call__(self) -> Any:
        return self.fake.credentials()


def identity(project: Project) -> RunIdentity:
    """Return the run that a test drives; the same in each process."""
    return RunIdentity(instance="tests", dag_id="walk", task_id="by_carrier", run_id=project.id)


def settings(project: Project) -> GoogleSettings:
    """Return what a client needs to reach the project."""
    assert project.fake.gcs is not None
    endpoint, storage = project.fake.endpoint, project.fake.gcs.url
    return GoogleSettings(
        project.id,
        project.region,
        credentials=Federated(project.fake),
        dataproc_endpoint=endpoint,
        storage_endpoint=storage,
    )


def document(project: Project, job: dict[str, Any] | None = None, **policy: Any) -> dict[str, Any]:
    """Return a cluster with one job, as its author would write it."""
    clock = [project.clock.real, project.clock.virtual, project.clock.speed]
    given = job or {}
    return {
        "cluster": {
            "project": project.id,
            "region": project.region,
            "zones": [f"{project.region}-b", f"{project.region}-c"],
            "subnetwork": f"projects/{project.id}/regions/{project.region}/subnetworks/dask",
            "staging_bucket": project.bucket,
            "idle_delete_ttl": "1h",
        },
        "job": {"function": "jobs:answer"} | given | {"args": {"clock": clock} | given.get("args", {})},
        "policy": PATIENCE | policy | {"deadlines": LIMITS | policy.get("deadlines", {})},
    }


def lend_driver(project: Project) -> str:
    """Put the driver that needs no Dask into the project's bucket, and return its address."""
    uri, gcs = f"gs://{project.bucket}/small_driver.py", Gcs(settings(project))
    gcs.write(uri, DRIVER.read_bytes())
    gcs.close()
    return uri


def let_end(project: Project) -> None:
    """Let the jobs of a project end that are held."""
    gcs = Gcs(settings(project))
    gcs.write(f"gs://{project.bucket}/{HELD['args']['gate']}", b"")
    gcs.close()


class Driven:
    """One run of one task, through its tries.

    Attributes:
        notes: Codes of all notes so far.
        states: What was told to be remembered, step by step.
    """

    def __init__(self, project: Project, run: DaskRun, *, real_driver: bool = False) -> None:
        self.project, self.identity = project, identity(project)
        self.settings = settings(project)
        base = base_name(self.identity)
        gcs = Gcs(self.settings)
        assert run.job is not None
        if run.job.bootstrap_uri is None and not real_driver:
            uri = lend_driver(project)
            run = run.model_copy(update={"job": run.job.model_copy(update={"bootstrap_uri": uri})})
        self.run = publish_job(gcs, run, bucket=project.bucket, base=base)
        gcs.close()
        self.notes: list[str] = []
        self.states: list[State] = []
        self.tries = 0

    @property
    def name(self) -> str:
        """Name of the run's first cluster."""
        return base_name(self.identity)

    def start(self, goal: Goal = Goal.RUN, **more: Any) -> Step:
        """Begin a new try."""
        self.tries += 1
        attempt = f"attempt-{uuid.uuid4().hex[:8]}"
        now = self.project.now()
        return begin(self.run, self.identity, goal=goal, now=now, attempt=attempt, try_number=self.tries, **more)

    def follow(self, step: Step, until: Callable[[Step], bool] | None = None) -> Step:
        """Drive until the run is over, or until a step is one that was waited for."""
        return asyncio.run(self._follow(step, until))

    def until(self, code: str) -> Step:
        """Begin a try and drive it until something is noted."""
        return self.follow(self.start(), lambda step: code in self.notes)

    def finish(self, step: Step | None = None) -> Outcome:
        """Drive to the end."""
        ended = self.follow(step or self.start())
        assert isinstance(ended.action, End)
        return ended.action.outcome

    async def _follow(self, step: Step, until: Callable[[Step], bool] | None) -> Step:
        async def hear(heard: Step) -> None:
            self.notes += [note.code for note in heard.notes]
            self.states.append(State.model_validate_json(heard.state.model_dump_json()))

        async def sleep(seconds: float) -> None:
            await asyncio.sleep(seconds / self.project.speed)

        async with DataprocDaskClient(self.settings) as client:
            return await drive(
                client,
                self.run,
                step,
                hear=hear,
                until=until,
                clock=self.project.refresh,
                sleep=sleep,
                jitter=lambda: 0.5,
            )


def driven(project: Project, job: dict[str, Any] | None = None, *, real_driver: bool = False, **policy: Any) -> Driven:
    """Return a run in a project whose clock goes fast."""
    return Driven(project, DaskRun.model_validate(document(project, job, **policy)), real_driver=real_driver)


def code_of(outcome: Outcome) -> str | None:
    """Return the failure's code; None for a success."""
    return outcome.failure.code.value if outcome.failure else None


def without_polls(calls: list[dict[str, Any]]) -> list[str]:
    """Return the methods called; the same look at the same thing counts once, the others are polls. Writes count each time."""
    reads = ("Get", "List")
    keys = [(call["method"], call["name"] if call["method"].startswith(reads) else call["number"]) for call in calls]
    return [method for method, _ in dict.fromkeys(keys)]
