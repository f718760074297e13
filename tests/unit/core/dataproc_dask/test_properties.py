# SPDX-License-Identifier: Apache-2.0
"""Whatever happens: nothing leaks, nothing foreign is touched, no job runs twice, and every try ends in time."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import event, given, settings
from hypothesis import strategies as st

from airflow_dataops.core.dataproc_dask import names
from airflow_dataops.core.dataproc_dask.observation import Look
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.dataproc_dask.state import Goal
from airflow_dataops.core.dataproc_dask.turn import Call, CallKind, End
from airflow_dataops.core.identity import RunIdentity
from airflow_dataops.core.machine import CallError
from tests.unit.core.dataproc_dask.performer import Task, code_of
from tests.unit.core.dataproc_dask.samples import IDENTITY, sample
from tests.unit.core.dataproc_dask.simulator import Dataproc, JobFate
from tests.unit.core.dataproc_dask.worlds import (
    LOUD,
    MINUTE,
    SHORT,
    deaths,
    die,
    ending,
    live,
    worlds,
)


@settings(max_examples=150)
@given(worlds(), deaths, st.sampled_from([None, "20m"]))
def test_a_run_leaves_nothing_touches_nothing_foreign_and_ends_in_time(
    google: Dataproc, planned: list[tuple[int, str, int, int]], keep: str | None
) -> None:
    run = sample(deadlines=SHORT, keep_failed_for=keep)
    one = Task(google, DaskRun.model_validate(run.model_dump(mode="json")))
    strangers = [
        google.foreign("dd-by-carrier"),
        google.foreign("other", {names.MANAGED_BY: names.MANAGER, names.INSTANCE: "prod"}),
    ]
    step = one.start()
    for steps, how, back, pause in planned:
        step = one.follow(step, steps)
        google.advance(timedelta(seconds=pause))
        step = die(one, step, how, back)
    ended = ending(one, step)
    assert isinstance(ended.action, End)
    outcome = ended.action.outcome
    event(code_of(outcome) or "ok")
    left = list(live(one))
    if outcome.kept_until is not None:
        assert len(left) <= 1
        google.advance(outcome.kept_until - google.now + MINUTE if outcome.kept_until > google.now else MINUTE)
        assert list(live(one)) == [], (one.notes, ended.state.uuid, google.calls[-3:], google.clusters)
    elif code_of(outcome) not in LOUD:
        assert left == [], one.notes
    assert google.most_live_jobs <= 1, one.notes
    assert [uuid for uuid in strangers if uuid not in google.clusters] == []
    attempts = [job.view.labels[names.ATTEMPT] for job in google.jobs.values()]
    assert len(set(attempts)) == len(attempts)
    assert {request["cluster_uuid"] for _, kind, request in google.calls if kind is CallKind.DELETE} <= set(google.made)


@settings(max_examples=50)
@given(worlds(), st.integers(0, 80))
def test_a_run_that_nobody_goes_on_with_ends_by_google(google: Dataproc, steps: int) -> None:
    one = Task(google, sample(deadlines=SHORT))
    one.follow(one.start(), steps)
    google.advance(one.run.lifetime + 2 * MINUTE)
    stuck = [cluster for cluster in google.clusters.values() if cluster.deleting is not None]
    assert len(google.clusters) == len(stuck)


@settings(max_examples=40)
@given(worlds(), deaths)
def test_a_cluster_task_leaves_one_cluster_or_none(google: Dataproc, planned: list[tuple[int, str, int, int]]) -> None:
    one = Task(google, sample(deadlines=SHORT), Goal.CLUSTER)
    step = one.start()
    for steps, how, back, pause in planned:
        step = one.follow(step, steps)
        google.advance(timedelta(seconds=pause))
        step = die(one, step, how, back)
    ended = ending(one, step)
    assert isinstance(ended.action, End)
    if not ended.action.outcome.ok and code_of(ended.action.outcome) not in LOUD:
        assert list(live(one)) == [], (one.notes, ended.state.uuid, google.calls[-3:], google.clusters)
    google.on_call, google.deletes = (lambda _: "ok"), iter(())
    known = (names.cluster_name(ended.state.base, ended.state.generation), ended.state.uuid)
    teardown = Task(google, one.run, Goal.GONE, cluster=known if ended.state.uuid else None)
    stuck = any(cluster.deleting is not None and cluster.deleting[1].stuck for cluster in google.clusters.values())
    outcome = teardown.finish()
    assert outcome.ok or stuck, (one.notes, teardown.notes, outcome, google.clusters)
    assert list(live(one)) == [], (one.notes, teardown.notes, outcome, ended.action.outcome, google.clusters)


@settings(max_examples=50)
@given(worlds(), deaths)
def test_a_job_task_never_touches_its_cluster_and_ends_in_time(
    google: Dataproc, planned: list[tuple[int, str, int, int]]
) -> None:
    google.creates, network = iter(()), google.on_call
    google.on_call = lambda _: "ok"
    maker = Task(google, sample(deadlines=SHORT), Goal.CLUSTER)
    made = maker.follow(maker.start())
    google.on_call = network
    one = Task(google, maker.run, Goal.JOB, cluster=(made.state.base, made.state.uuid))
    step = one.start()
    for steps, how, back, pause in planned:
        step = one.follow(step, steps)
        google.advance(timedelta(seconds=pause))
        step = die(one, step, how, back)
    ended = ending(one, step)
    assert isinstance(ended.action, End)
    assert {kind for _, kind, _ in google.calls} <= {CallKind.CREATE, CallKind.SUBMIT, CallKind.CANCEL}
    assert google.made == ["uuid-1"]
    assert google.most_live_jobs <= 1
    attempts = [job.view.labels[names.ATTEMPT] for job in google.jobs.values()]
    assert len(set(attempts)) == len(attempts)


@settings(max_examples=25)
@given(st.text(), st.text())
def test_two_runs_never_meet(one_id: str, other_id: str) -> None:
    google = Dataproc()
    google.job_fates = iter([JobFate(after=1200), JobFate(after=60)])
    one, other = (
        Task(google, sample(), identity=RunIdentity(**(IDENTITY.model_dump() | {"run_id": run_id})))
        for run_id in ("a" + one_id, "b" + other_id)
    )
    step = one.follow(one.until(one.start(), "READY"), 5)
    assert other.finish().ok
    assert one.finish(step).ok
    assert len(google.made) == 2
    assert google.clusters == {}


def never(_: Look) -> CallError:
    return CallError("UNAVAILABLE")


def test_a_google_that_never_answers_is_given_up_in_time() -> None:
    google = Dataproc()
    google.on_read = never
    one = Task(google, sample(deadlines=SHORT))
    begun: datetime = google.now
    ended = ending(one, one.start())
    assert isinstance(ended.action, End)
    assert code_of(ended.action.outcome) == "UNREACHABLE"
    assert google.now - begun <= 6 * MINUTE + MINUTE


def test_a_call_is_never_repeated_without_a_pause() -> None:
    google = Dataproc()
    google.on_call = lambda call: "refused" if isinstance(call, Call) else "ok"
    one = Task(google, sample(deadlines=SHORT))
    ending(one, one.start())
    times: dict[str, list[datetime]] = {}
    for at, _, request in google.calls:
        times.setdefault(request["request_id"], []).append(at)
    pauses = [later - earlier for sent in times.values() for earlier, later in pairwise(sent)]
    assert pauses
    assert min(pauses) >= timedelta(seconds=1)
