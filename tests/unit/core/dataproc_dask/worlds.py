# SPDX-License-Identifier: Apache-2.0
"""Every world that a run may meet, every death that its process may die, and what holds at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from airflow_dataops.core.dataproc_dask.lifecycle import resume, stop
from airflow_dataops.core.dataproc_dask.observation import ResultView
from airflow_dataops.core.dataproc_dask.turn import Step
from airflow_dataops.core.machine import CallError
from tests.unit.core.dataproc_dask.performer import Task
from tests.unit.core.dataproc_dask.simulator import CreateFate, Dataproc, DeleteFate, JobFate

MINUTE = timedelta(minutes=1)
SHORT = {"create": "6m", "submit": "2m", "run": "10m", "cancel": "1m", "delete": "5m"}
LOUD = {"DELETE_STUCK", "DELETE_REFUSED"}
errors = st.sampled_from(
    [
        CallError("RESOURCE_EXHAUSTED", "ZONE_RESOURCE_POOL_EXHAUSTED"),
        CallError("INVALID_ARGUMENT", "Insufficient 'CPUS' quota"),
        CallError("INVALID_ARGUMENT", "bad image"),
        CallError("PERMISSION_DENIED", "actAs"),
        CallError("INTERNAL", "internal error"),
    ]
)
create_fates = st.one_of(
    st.just(CreateFate()),
    st.builds(CreateFate, after=st.integers(0, 400)),
    st.builds(CreateFate, refuse=errors),
    st.builds(CreateFate, error=errors, after=st.integers(0, 200)),
    st.builds(CreateFate, state=st.sampled_from(["ERROR", "STOPPED", "UNKNOWN", "UPDATING"])),
    st.just(CreateFate(stuck=True)),
    st.just(CreateFate(vanishes=True)),
)
results = st.sampled_from(
    [None, ResultView(True), ResultView(False, "NO_WORKERS", "none left"), ResultView(False, "ValueError", "x")]
)
job_fates = st.builds(
    JobFate,
    state=st.sampled_from(["DONE", "DONE", "ERROR", "CANCELLED"]),
    after=st.integers(0, 900),
    beats=st.booleans(),
    result=results,
    heeds_cancel=st.booleans(),
    starts=st.sampled_from([True, True, True, False]),
)
delete_fates = st.one_of(
    st.builds(DeleteFate, after=st.integers(0, 120)),
    st.builds(
        DeleteFate,
        refuse=st.sampled_from([CallError("UNAVAILABLE"), CallError("FAILED_PRECONDITION"), CallError("ABORTED")]),
    ),
    st.just(DeleteFate(fails=True)),
    st.just(DeleteFate(stuck=True)),
)
networks = st.lists(st.sampled_from(["ok", "ok", "ok", "lost", "refused", "late"]), max_size=12)
weather = st.lists(
    st.sampled_from(
        [None, None, None, CallError("UNAVAILABLE"), CallError("DEADLINE_EXCEEDED"), CallError("INTERNAL")]
    ),
    max_size=30,
)
ends = st.sampled_from(["killed", "restarted", "stopped at once", "cleaned up"])
deaths = st.lists(st.tuples(st.integers(0, 60), ends, st.integers(0, 60), st.integers(0, 900)), max_size=3)


@st.composite
def worlds(draw: st.DrawFn, kind: Callable[[], Dataproc] = Dataproc) -> Any:
    google = kind()
    google.creates = iter(draw(st.lists(create_fates, max_size=4)))
    google.job_fates = iter(draw(st.lists(job_fates, max_size=3)))
    google.deletes = iter(draw(st.lists(delete_fates, max_size=3)))
    network, sky = iter(draw(networks)), iter(draw(weather))
    google.on_call = lambda _: next(network, "ok")
    google.on_read = lambda _: next(sky, None)
    google.lag = timedelta(seconds=draw(st.sampled_from([0, 0, 15])))
    return google


def ending(one: Task, step: Step) -> Step:
    """Go on to the end; say when it would be too late."""
    state, begun = step.state, one.google.now
    policy = one.run.policy.deadlines
    ended = one.follow(step)
    latest = max(state.work_until, begun) + policy.cancel + policy.delete + 5 * MINUTE
    assert one.google.now <= latest, (one.google.now, latest, one.notes)
    return ended


def die(one: Task, step: Step, how: str, back: int) -> Step:
    """Let the process die in one of its ways; return how it goes on."""
    recent = one.states[-1 - min(back, len(one.states) - 1)] if one.states else step.state
    if how == "restarted" and recent.attempt == step.state.attempt:
        return resume(one.run, recent, one.google.now)
    if how == "stopped at once":
        begun = one.google.now
        one.follow(stop(one.run, step.state, begun, why="marked failed", wait=False))
        assert one.google.now - begun <= MINUTE
        return one.start()
    if how == "cleaned up" and recent.attempt == step.state.attempt:
        ending(one, stop(one.run, recent, one.google.now, why="the trigger failed", wait=True))
    return one.start()


def live(one: Task) -> Iterator[str]:
    made = set(one.google.made)
    return (view.uuid for view in one.google.alive() if view.uuid in made)
