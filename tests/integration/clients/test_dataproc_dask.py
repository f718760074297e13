# SPDX-License-Identifier: Apache-2.0
"""The client, its performer, driver logs and the janitor's hands on a Dataproc that runs jobs as processes; no Airflow anywhere."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from airflow_dataops.clients.dataproc_dask.client import DataprocDaskClient
from airflow_dataops.clients.dataproc_dask.drive import drive
from airflow_dataops.clients.dataproc_dask.driver_log import DriverLog
from airflow_dataops.clients.dataproc_dask.history import bill_of
from airflow_dataops.clients.dataproc_dask.observe import LOG_CURSOR, folder_of
from airflow_dataops.clients.dataproc_dask.sweep import sweep_clusters
from airflow_dataops.clients.dataproc_dask.upload import publish_job
from airflow_dataops.clients.gcs import Gcs
from airflow_dataops.clients.google import GoogleSettings
from airflow_dataops.core.dataproc_dask.budget import RateCard
from airflow_dataops.core.dataproc_dask.diagnosis import Reason
from airflow_dataops.core.dataproc_dask.janitor import JanitorPolicy, Verdict
from airflow_dataops.core.dataproc_dask.lifecycle import begin
from airflow_dataops.core.dataproc_dask.names import base_name
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.dataproc_dask.state import Goal
from airflow_dataops.core.dataproc_dask.turn import Step
from airflow_dataops.core.identity import RunIdentity
from tests.services.dataproc_fake.running import FakeDataproc, Project
from tests.unit.clients.logs import lines_of

DRIVER = b"""
import json, os, sys, urllib.parse, urllib.request
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
for number in range(400):
    print("line", number, flush=True)
bucket, _, path = options["--spec"].removeprefix("gs://").partition("/")
name = urllib.parse.quote(path.rpartition("/")[0] + "/" + options["--job-id"] + "/result.json", safe="")
url = f"{os.environ['STORAGE_EMULATOR_HOST']}/upload/storage/v1/b/{bucket}/o?uploadType=media&name={name}"
urllib.request.urlopen(urllib.request.Request(url, json.dumps({"ok": True, "result": 42}).encode(), method="POST")).read()
"""
LINES = [f"line {number}" for number in range(400)]
WHO = RunIdentity(instance="tests", dag_id="d", task_id="t", run_id="r")
CARD = RateCard.model_validate(
    {
        "currency": "USD",
        "machines": {"n2-standard-4": {"vcpus": 4, "hourly": "36"}},
        "dataproc_vcpu_hour": "0",
        "disk_gb_month": {"pd-balanced": "0"},
        "minimum": 0,
    }
)


@dataclass(frozen=True)
class Federated:
    """The fake's own way to a token: workload identity federation, without a key."""

    fake: FakeDataproc

    def __call__(self) -> Any:
        return self.fake.credentials()


@pytest.fixture
def settings(dataproc: Project) -> GoogleSettings:
    fake = dataproc.fake
    return GoogleSettings(dataproc.id, dataproc.region, credentials=Federated(fake), dataproc_endpoint=fake.endpoint)


@pytest.fixture
def run(dataproc: Project, settings: GoogleSettings) -> DaskRun:
    buckets = Gcs(settings)
    uri = f"gs://{dataproc.bucket}/driver.py"
    buckets.write(uri, DRIVER)
    bare = DaskRun.model_validate(
        {
            "cluster": {
                "project": dataproc.id,
                "region": dataproc.region,
                "staging_bucket": dataproc.bucket,
                "subnetwork": f"projects/{dataproc.id}/regions/{dataproc.region}/subnetworks/dask",
            },
            "job": {"function": "jobs:answer", "bootstrap_uri": uri},
            "policy": {"poll": 1, "backoff": 1, "backoff_limit": 2},
        }
    )
    return publish_job(buckets, bare, bucket=dataproc.bucket, base=base_name(WHO))


async def to_the_end(client: DataprocDaskClient, run: DaskRun, now: datetime) -> tuple[Step, list[str]]:
    """Drive a run as a trigger does, but with another process for the log at each step."""
    told: list[str] = []

    async def hear(step: Step) -> None:
        state, folder = step.state, folder_of(run, step.state)
        if state.job_log and folder is not None:
            log = DriverLog(client.gcs, store_uri=f"{folder}/{LOG_CURSOR}")
            while lines := await lines_of(log, state.job_log, ended=state.outcome is not None):
                told.extend(lines)
            await log.store()

    step = begin(run, WHO, goal=Goal.RUN, now=now, attempt="a")
    return await drive(client, run, step, hear=hear), told


@pytest.mark.parametrize(
    "fault",
    ["", "create_reply_lost", "create_stockout", "polls_fail", "submit_reply_lost", "delete_reply_lost"],
)
def test_a_run_ends_well_whatever_gets_lost(
    dataproc: Project, settings: GoogleSettings, run: DaskRun, fault: str
) -> None:
    if fault:
        dataproc.arm(fault)

    async def whole() -> None:
        async with DataprocDaskClient(settings) as client:
            last, told = await to_the_end(client, run, dataproc.now())
            assert last.state.outcome is not None
            assert last.state.outcome.failure is None
            result = await client.result(run, last.state)
            assert result is not None
            assert result.result == 42
            assert told == LINES
            bill = bill_of(client, run, last.state, CARD, dataproc.now())
            assert bill.cost is not None
            assert bill.cost > 0
            if not fault:
                assert bill.source == "status_history"
                polls = client.calls["GetJob"] + client.calls["GetOperation"] + client.calls["ListClusters"]
                assert client.calls.total() - polls <= 10
                assert client.calls.total() == len(dataproc.calls())

    asyncio.run(whole())
    assert dataproc.billing() == []
    assert len({call["name"] for call in dataproc.calls("SubmitJob")}) == 1


def test_what_a_dead_process_left_is_swept(dataproc: Project, settings: GoogleSettings, run: DaskRun) -> None:
    class Killed(BaseException):
        pass

    async def dies(step: Step) -> None:
        if step.state.uuid:
            raise Killed

    async def first() -> None:
        async with DataprocDaskClient(settings) as client:
            step = begin(run, WHO, goal=Goal.RUN, now=dataproc.now(), attempt="a")
            await drive(client, run, step, hear=dies)

    async def sweep(later: timedelta) -> Any:
        async with DataprocDaskClient(settings) as client:
            return await sweep_clusters(client, JanitorPolicy(instance="tests"), now=dataproc.now() + later)

    with pytest.raises(Killed):
        asyncio.run(first())
    dataproc.wait(lambda: [one for one in dataproc.billing() if one["state"] == "RUNNING"])
    assert [swept.finding.verdict for swept in asyncio.run(sweep(timedelta())).clusters] == [Verdict.IN_USE]
    report = asyncio.run(sweep(timedelta(minutes=31)))
    assert [(swept.finding.verdict, swept.done) for swept in report.clusters] == [(Verdict.ORPHANED, "deleted")]
    dataproc.wait(lambda: not dataproc.billing())


def test_what_google_refuses_is_told_in_its_words(dataproc: Project, settings: GoogleSettings, run: DaskRun) -> None:
    dataproc.arm("create_denied")

    async def whole() -> Step:
        async with DataprocDaskClient(settings) as client:
            return (await to_the_end(client, run, dataproc.now()))[0]

    outcome = asyncio.run(whole()).state.outcome
    assert outcome is not None
    assert outcome.failure is not None
    assert outcome.failure.code is Reason.PERMISSION
    assert "act as service account" in outcome.failure.message
