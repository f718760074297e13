# SPDX-License-Identifier: Apache-2.0
"""The driver's output in the task's log: all of it, also where the bucket does not answer when the job has ended."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_dataops.clients.google import CloudError
from airflow_dataops.core.dataproc_dask.driver_log import part_uri
from airflow_dataops.core.dataproc_dask.state import Phase
from airflow_dataops.core.dataproc_dask.turn import Step
from airflow_dataops.core.machine import CallError
from airflow_dataops.triggers._dask_listener import DaskListener
from airflow_dataops.triggers._log_budget import LogBudget
from tests.unit.core.dataproc_dask.performer import Task
from tests.unit.core.dataproc_dask.samples import sample
from tests.unit.core.dataproc_dask.simulator import Dataproc

LOG = "gs://staging/driveroutput"


class Bucket:
    """Objects in memory, and the codes with which the next calls fail."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.fails: list[str] = []

    def _answer(self) -> None:
        if self.fails:
            raise CloudError(CallError(self.fails.pop(0), "words"), "read")

    def sizes(self, prefix_uri: str) -> dict[str, int]:
        self._answer()
        return {uri: len(data) for uri, data in self.objects.items() if uri.startswith(prefix_uri)}

    def read(self, uri: str, *, start: int = 0, size: int | None = None) -> bytes:
        if uri not in self.objects:
            raise CloudError(CallError("NOT_FOUND", "words"), "read")
        return self.objects[uri][start : None if size is None else start + size]

    def write(self, uri: str, data: bytes, **_: Any) -> bool:
        self.objects[uri] = data
        return True


@pytest.fixture
def bucket() -> Bucket:
    made = Bucket()
    made.objects[part_uri(LOG, 0)] = b"one\ntwo\n"
    return made


def listening(bucket: Bucket, budget: LogBudget | None = None) -> tuple[DaskListener, list[str], Step]:
    """Return a listener, what it says, and a step of a job that runs; of a trigger where there is a budget."""
    said: list[str] = []
    listener = DaskListener(SimpleNamespace(gcs=bucket), sample(), said.append, budget)  # type: ignore[arg-type]
    one = Task(Dataproc(), sample())
    step = replace(one.follow(one.until(one.start(), "READY"), 8), notes=())
    assert step.state.job_log == LOG
    return listener, said, step


def at(step: Step, phase: Phase, job_state: str = "DONE") -> Step:
    return replace(step, state=step.state.model_copy(update={"phase": phase, "job_state": job_state}))


def hear(listener: DaskListener, step: Step) -> None:
    asyncio.run(listener(step))


@pytest.mark.parametrize(
    "fails", [["UNAVAILABLE"] * 3, ["UNAVAILABLE", "DEADLINE_EXCEEDED", "UNAVAILABLE"]], ids=["same", "different"]
)
def test_an_outage_when_the_job_ends_loses_no_line(bucket: Bucket, fails: list[str]) -> None:
    listener, said, step = listening(bucket)
    bucket.fails = fails
    for phase in (Phase.JUDGE, Phase.DROP, Phase.DROP, Phase.END):
        hear(listener, at(step, phase))
    assert [line for line in said if not line.startswith("(")] == ["one", "two"]


def test_lines_that_are_there_only_after_the_job_has_ended_are_told(bucket: Bucket) -> None:
    listener, said, step = listening(bucket)
    hear(listener, at(step, Phase.JUDGE))
    bucket.objects[part_uri(LOG, 0)] += b"three\n"
    hear(listener, at(step, Phase.DROP))
    hear(listener, at(step, Phase.END))
    assert said == ["one", "two", "three"]


def test_a_bucket_that_never_answers_does_not_hold_up_the_run(bucket: Bucket) -> None:
    listener, said, step = listening(bucket)
    bucket.fails = ["UNAVAILABLE", "INTERNAL"] * 50
    for phase in (Phase.JUDGE, Phase.DROP, Phase.END):
        hear(listener, at(step, phase))
    assert len(said) == 3
    assert len(bucket.fails) == 97


def test_a_trigger_leaves_what_was_written_last_to_the_task_with_the_place_where_it_begins(bucket: Bucket) -> None:
    listener, said, step = listening(bucket, LogBudget())
    hear(listener, step)
    bucket.objects[part_uri(LOG, 0)] += b"three\n"
    for phase in (Phase.JUDGE, Phase.DROP, Phase.END):
        hear(listener, at(step, phase))
    assert said == ["one", "two"]
    left = listener.left(at(step, Phase.END).state)
    assert left is not None
    assert (left.part, left.offset) == (0, 8)


def test_a_trigger_tells_all_of_a_job_that_another_one_follows(bucket: Bucket) -> None:
    listener, said, step = listening(bucket, LogBudget())
    hear(listener, step)
    bucket.objects[part_uri(LOG, 0)] += b"three\nfo"
    hear(listener, at(step, Phase.DROP))
    bucket.objects[part_uri("gs://staging/other", 0)] = b"four\n"
    following = step.state.model_copy(update={"job_id": "other", "execution": 2, "job_log": "gs://staging/other"})
    hear(listener, replace(step, state=following))
    assert said == ["one", "two", "three", "fo", "four"]


def test_a_trigger_that_has_seconds_left_reads_nothing(bucket: Bucket) -> None:
    listener, said, step = listening(bucket, LogBudget())
    listener.hurried = True
    hear(listener, step)
    assert said == []
