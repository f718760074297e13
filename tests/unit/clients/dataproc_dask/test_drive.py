# SPDX-License-Identifier: Apache-2.0
"""The performer, over a real gRPC server and a real GCS server."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

pytest.importorskip(
    "google.cloud.dataproc_v1", reason="needs google-cloud-dataproc: pip install 'airflow-dataops[gcp]'"
)


from airflow_dataops.clients.dataproc_dask.client import DataprocDaskClient
from airflow_dataops.clients.dataproc_dask.drive import HURRIED_DEADLINE, drive, run_blocking
from airflow_dataops.clients.dataproc_dask.history import bill_of
from airflow_dataops.clients.dataproc_dask.upload import publish_job
from airflow_dataops.clients.dataproc_dask.wire import DEADLINE
from airflow_dataops.clients.gcs import Gcs
from airflow_dataops.clients.google import GoogleSettings
from airflow_dataops.core.dataproc_dask.lifecycle import begin, resume, stop
from airflow_dataops.core.dataproc_dask.names import base_name
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.dataproc_dask.state import Goal
from airflow_dataops.core.dataproc_dask.turn import Call, CallKind, End, Step
from airflow_dataops.core.identity import RunIdentity
from tests.unit.clients.dataproc_dask.server import Server, abort
from tests.unit.clients.dataproc_dask.world import World

WHO = RunIdentity(instance="test", dag_id="d", task_id="t", run_id="r")


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        await asyncio.sleep(0)


@pytest.fixture
def published(gcs: Gcs, bucket: str, run: DaskRun) -> DaskRun:
    assert run.job is not None
    bare = run.job.model_copy(update={"bootstrap_uri": None, "spec_uri": None, "spec_hash": None})
    return publish_job(
        gcs, DaskRun(cluster=run.cluster, job=bare, policy=run.policy), bucket=bucket, base=base_name(WHO)
    )


def first(run: DaskRun, clock: Clock) -> Step:
    return begin(run, WHO, goal=Goal.RUN, now=clock(), attempt="a")


async def nobody(step: Step) -> None:
    return


async def test_a_clean_run(server: Server, settings: GoogleSettings, gcs: Gcs, published: DaskRun) -> None:
    world, clock = World(server, gcs), Clock()
    heard: list[Step] = []

    async def hear(step: Step) -> None:
        heard.append(step)

    async with DataprocDaskClient(settings, gcs=gcs) as client:
        last = await drive(
            client, published, first(published, clock), hear=hear, clock=clock, sleep=clock.sleep, jitter=lambda: 0.5
        )
        assert isinstance(last.action, End)
        assert last.action.outcome.ok
        assert world.clusters == {}
        assert client.calls.total() <= 10
        assert [str(step.action.kind) for step in heard if isinstance(step.action, Call)] == [
            "CreateCluster",
            "SubmitJob",
            "DeleteCluster",
        ]
        assert heard[-1] is last
        result = await client.result(published, last.state)
        assert result is not None
        assert result.result == {"rows": 3}
        assert set(bill_of(client, published, last.state, None, clock()).seconds) >= {"create", "delete", "total"}
        assert set(client.histories) == {"uuid-1"}


async def test_until_stops_before_the_action(
    server: Server, settings: GoogleSettings, gcs: Gcs, published: DaskRun
) -> None:
    World(server, gcs)
    clock = Clock()

    def submits(step: Step) -> bool:
        return isinstance(step.action, Call) and step.action.kind is CallKind.SUBMIT

    async with DataprocDaskClient(settings, gcs=gcs) as client:
        step = await drive(
            client, published, first(published, clock), hear=nobody, until=submits, clock=clock, sleep=clock.sleep
        )
        assert submits(step)
        assert "SubmitJob" not in server.names()
        last = await drive(client, published, step, hear=nobody, clock=clock, sleep=clock.sleep)
        assert isinstance(last.action, End)
        assert server.names().count("SubmitJob") == 1


async def test_a_storm_is_sat_out(server: Server, settings: GoogleSettings, gcs: Gcs, published: DaskRun) -> None:
    World(server, gcs)
    clock, left = Clock(), dict.fromkeys(server.answers, 2)
    calm = dict(server.answers)

    def stormy(name: str) -> Any:
        def answer(request: Any, context: Any) -> Any:
            left[name] -= 1
            return (abort("UNAVAILABLE", "busy") if left[name] >= 0 else calm[name])(request, context)

        return answer

    server.answers |= {name: stormy(name) for name in calm}
    async with DataprocDaskClient(settings, gcs=gcs) as client:
        last = await drive(client, published, first(published, clock), hear=nobody, clock=clock, sleep=clock.sleep)
    assert isinstance(last.action, End)
    assert last.action.outcome.ok


async def test_a_cancelled_drive_cancels_its_call_and_leaves_nothing(
    server: Server, client: DataprocDaskClient, run: DaskRun
) -> None:
    World(server)
    server.answers["ListJobs"] = server.hang
    states: list[Any] = []

    async def hear(step: Step) -> None:
        states.append(step.state)

    clock = Clock()
    driving = asyncio.create_task(drive(client, run, first(run, clock), hear=hear))
    assert await asyncio.to_thread(server.hangs.wait, 5)
    driving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await driving
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert await asyncio.to_thread(server.cancelled.wait, 5)
    assert resume(run, states[-1], clock()).look


async def test_who_has_seconds_to_live_waits_less_for_an_answer(
    server: Server, client: DataprocDaskClient, run: DaskRun
) -> None:
    World(server)
    clock = Clock()
    deadlines: list[float] = []

    async def hear(step: Step) -> None:
        deadlines.append(client.deadline)

    step = first(run, clock)
    step = await drive(
        client, run, step, hear=nobody, until=lambda step: bool(step.state.uuid), clock=clock, sleep=clock.sleep
    )
    assert client.deadline == DEADLINE
    step = stop(run, step.state, clock(), why="killed", wait=False)
    await drive(client, run, step, hear=hear, clock=clock, sleep=clock.sleep)
    assert deadlines[-1] == HURRIED_DEADLINE


def test_blocking_gives_what_the_coroutine_returns_and_raises() -> None:
    async def back() -> int:
        return 7

    async def fail() -> None:
        raise KeyError("x")

    assert run_blocking(back()) == 7
    with pytest.raises(KeyError):
        run_blocking(fail())


async def test_blocking_works_inside_a_running_loop() -> None:
    async def inner() -> str:
        return threading.current_thread().name

    assert run_blocking(inner()) == "dataops-run"


def test_blocking_works_inside_a_signal_handler_while_another_one_waits(
    client: DataprocDaskClient, server: Server
) -> None:
    World(server)
    told: list[Any] = []
    over = threading.Event()

    async def long() -> str:
        os.kill(os.getpid(), signal.SIGUSR1)
        while not over.is_set():
            await client.list_clusters("")
        return "ended"

    def handler(*_: Any) -> None:
        told.append(run_blocking(client.list_clusters("")))
        over.set()

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        assert run_blocking(long()) == "ended"
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert told == [()]


def test_a_handler_that_raises_cancels_the_coroutine() -> None:
    ended: list[str] = []

    class Late(BaseException):
        pass

    async def long() -> None:
        os.kill(os.getpid(), signal.SIGUSR1)
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    def handler(*_: Any) -> None:
        raise Late

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with pytest.raises(Late):
            run_blocking(long())
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert ended == ["cancelled"]
