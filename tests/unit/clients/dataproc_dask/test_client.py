# SPDX-License-Identifier: Apache-2.0
"""Calls over a real gRPC server with TLS: what is sent, what comes back, what an error becomes."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

pytest.importorskip(
    "google.cloud.dataproc_v1", reason="needs google-cloud-dataproc: pip install 'airflow-dataops[gcp]'"
)

from google.cloud import dataproc_v1 as protos
from google.longrunning.operations_pb2 import Operation

from airflow_dataops.clients.dataproc_dask.client import DataprocDaskClient
from airflow_dataops.clients.google import CloudError, GoogleSettings
from airflow_dataops.core.dataproc_dask import names
from airflow_dataops.core.dataproc_dask.lifecycle import begin
from airflow_dataops.core.dataproc_dask.observation import ClusterView, JobView, Look, OperationView
from airflow_dataops.core.dataproc_dask.request import (
    cancel_request,
    create_request,
    delete_request,
    keep_request,
    submit_request,
)
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.dataproc_dask.state import Goal, State
from airflow_dataops.core.dataproc_dask.turn import Call, CallKind
from airflow_dataops.core.identity import RunIdentity
from airflow_dataops.core.machine import CallError, Gone
from tests.unit.clients.dataproc_dask.server import Server, abort, always

NOW = datetime(2026, 11, 21, 20, 0, 0, 250000, tzinfo=UTC)


@pytest.fixture
def state(run: DaskRun) -> State:
    who = RunIdentity(instance="test", dag_id="d", task_id="t", run_id="r")
    begun = begin(run, who, goal=Goal.RUN, now=NOW, attempt="a").state
    return begun.model_copy(update={"job_id": "dd-x-job-x1", "operation": "projects/p/regions/r/operations/o"})


def status(state: str, at: datetime, detail: str = "") -> Any:
    return protos.ClusterStatus(state=state, state_start_time=at, detail=detail)


def cluster(name: str = "dd-x", state: str = "RUNNING") -> Any:
    return protos.Cluster.pb(
        protos.Cluster(
            cluster_name=name,
            cluster_uuid=f"uuid-of-{name}",
            labels={"a": "b"},
            status=status(state, NOW, "words"),
            status_history=[status("CREATING", NOW - timedelta(minutes=2))],
        )
    )


def operation(done: bool = False, error: Any = None) -> Operation:
    made = Operation(name="projects/p/regions/r/operations/o", done=done)
    said = protos.ClusterOperationMetadata(
        cluster_uuid="uuid-of-dd-x",
        status=protos.ClusterOperationStatus(state="RUNNING", state_start_time=NOW),
        status_history=[protos.ClusterOperationStatus(state="PENDING", state_start_time=NOW - timedelta(seconds=5))],
    )
    made.metadata.Pack(protos.ClusterOperationMetadata.pb(said))
    if error is not None:
        made.error.CopyFrom(error)
    return made


def job(state: str = "RUNNING") -> Any:
    return protos.Job.pb(
        protos.Job(
            reference={"job_id": "dd-x-job-x1"},
            placement={"cluster_name": "dd-x", "cluster_uuid": "uuid-of-dd-x"},
            status=protos.JobStatus(state=state, state_start_time=NOW, details="words"),
            status_history=[
                protos.JobStatus(state="PENDING", state_start_time=NOW - timedelta(seconds=9)),
                protos.JobStatus(state="RUNNING", state_start_time=NOW - timedelta(seconds=7)),
            ],
            labels={"a": "b"},
            driver_output_resource_uri="gs://bucket/google/driveroutput",
        )
    )


async def test_a_create_request_arrives_whole(server: Server, client: DataprocDaskClient, run: DaskRun) -> None:
    server.answers["CreateCluster"] = always(operation())
    request = create_request(run, base="dd-x", generation=1, zone="europe-west1-b", labels={"l": "v"}, now=NOW)
    reply = await client.send(Call(CallKind.CREATE, request))
    name, sent, metadata = server.seen[0]
    assert name == "CreateCluster"
    assert protos.CreateClusterRequest.wrap(sent) == protos.CreateClusterRequest(request)
    assert sent.cluster.config.lifecycle_config.auto_delete_ttl.seconds == run.lifetime.total_seconds()
    assert protos.CreateClusterRequest.wrap(sent).action_on_failed_primary_workers.name == "DELETE"
    assert reply == OperationView(
        "projects/p/regions/r/operations/o", cluster_uuid="uuid-of-dd-x", started_at=NOW - timedelta(seconds=5)
    )
    assert metadata["authorization"] == "Bearer token-of-the-test"
    assert metadata["x-goog-request-params"] == "project_id=test-project&region=europe-west1"
    assert metadata["user-agent"].startswith("airflow-dataops/")


async def test_every_other_call_arrives_whole_too(server: Server, client: DataprocDaskClient, run: DaskRun) -> None:
    cluster_, uuid = run.cluster, "uuid-of-dd-x"
    assert run.job is not None
    calls = {
        CallKind.DELETE: (delete_request(cluster_, name="dd-x", uuid=uuid), protos.DeleteClusterRequest, operation()),
        CallKind.KEEP: (
            keep_request(cluster_, name="dd-x", uuid=uuid, idle=timedelta(minutes=30)),
            protos.UpdateClusterRequest,
            operation(),
        ),
        CallKind.SUBMIT: (
            submit_request(cluster_, run.job, name="dd-x", job_id="j", labels={}),
            protos.SubmitJobRequest,
            job(),
        ),
        CallKind.CANCEL: (cancel_request(cluster_, job_id="j"), protos.CancelJobRequest, job("CANCEL_PENDING")),
    }
    for kind, (request, made, answer) in calls.items():
        server.answers[str(kind)] = always(answer)
        reply = await client.send(Call(kind, request))
        assert made.wrap(server.seen[-1][1]) == made(request)
        assert isinstance(reply, OperationView | JobView)
    assert client.calls == {"DeleteCluster": 1, "UpdateCluster": 1, "SubmitJob": 1, "CancelJob": 1}
    assert "job_id=j" in server.seen[-1][2]["x-goog-request-params"]


async def test_everything_that_a_step_asks_for_is_looked_at(
    server: Server, client: DataprocDaskClient, run: DaskRun, state: State
) -> None:
    server.answers |= {
        "ListClusters": always(protos.ListClustersResponse.pb(protos.ListClustersResponse(clusters=[cluster()]))),
        "ListJobs": always(protos.ListJobsResponse.pb(protos.ListJobsResponse(jobs=[job()]))),
        "GetCluster": always(cluster()),
        "GetJob": always(job("DONE")),
        "GetOperation": always(operation(done=True)),
    }
    looks = frozenset({Look.CLUSTERS, Look.JOBS, Look.CLUSTER, Look.JOB, Look.OPERATION})
    seen = await client.observe(run, state, looks, None)
    view = ClusterView("dd-x", "uuid-of-dd-x", "RUNNING", {"a": "b"}, "words", NOW, NOW - timedelta(minutes=2))
    assert (seen.clusters, seen.cluster) == ((view,), view)
    assert seen.job == JobView(
        "dd-x-job-x1",
        "DONE",
        {"a": "b"},
        "dd-x",
        "uuid-of-dd-x",
        "words",
        "gs://bucket/google/driveroutput",
        NOW,
        NOW - timedelta(seconds=7),
    )
    assert seen.operation == OperationView(
        "projects/p/regions/r/operations/o", True, None, "uuid-of-dd-x", NOW - timedelta(seconds=5)
    )
    assert isinstance(seen.jobs, tuple)
    assert (seen.heartbeat, seen.result, seen.reply) == (None, None, None)
    asked = {name: request for name, request, _ in server.seen}
    assert asked["GetCluster"].cluster_name == names.cluster_name(state.base, 1)
    assert asked["ListClusters"].filter == names.list_filter(state.own)
    assert f"labels.{names.JOB} = job" in asked["ListJobs"].filter
    assert client.histories["uuid-of-dd-x"] == (("CREATING", NOW - timedelta(minutes=2)), ("RUNNING", NOW))


async def test_what_is_not_there_is_gone(
    server: Server, client: DataprocDaskClient, run: DaskRun, state: State
) -> None:
    server.answers |= dict.fromkeys(("GetCluster", "GetJob", "GetOperation"), abort("NOT_FOUND", "no such thing"))
    seen = await client.observe(run, state, frozenset({Look.CLUSTER, Look.JOB, Look.OPERATION}), None)
    assert (seen.cluster, seen.job, seen.operation) == (Gone(), Gone(), Gone())


async def test_a_list_has_all_pages(server: Server, client: DataprocDaskClient) -> None:
    def page(request: Any, _: Any) -> Any:
        number = int(request.page_token or 0)
        token = str(number + 1) if number < 2 else ""
        answer = protos.ListClustersResponse(clusters=[cluster(f"c{number}")], next_page_token=token)
        return protos.ListClustersResponse.pb(answer)

    server.answers["ListClusters"] = page
    assert [view.name for view in await client.list_clusters("labels.a = b")] == ["c0", "c1", "c2"]
    assert {request.filter for _, request, _ in server.seen} == {"labels.a = b"}
    assert client.calls["ListClusters"] == 3


async def test_a_list_that_breaks_in_the_middle_is_an_error(server: Server, client: DataprocDaskClient) -> None:
    def page(request: Any, context: Any) -> Any:
        if request.page_token:
            context.abort(__import__("grpc").StatusCode.UNAVAILABLE, "busy")
        answer = protos.ListClustersResponse(clusters=[cluster()], next_page_token="1")
        return protos.ListClustersResponse.pb(answer)

    server.answers["ListClusters"] = page
    with pytest.raises(CloudError, match="busy") as raised:
        await client.list_clusters("")
    assert raised.value.code == "UNAVAILABLE"
    assert raised.value.to_dict()["retryable"] is True


@pytest.mark.parametrize("code", ["UNAVAILABLE", "INTERNAL", "RESOURCE_EXHAUSTED", "ALREADY_EXISTS", "UNAUTHENTICATED"])
async def test_an_error_is_an_answer_and_is_not_repeated(
    server: Server, client: DataprocDaskClient, run: DaskRun, code: str
) -> None:
    server.answers["CancelJob"] = abort(code, "words of Google's")
    reply = await client.send(Call(CallKind.CANCEL, cancel_request(run.cluster, job_id="j")))
    assert reply == CallError(code, "words of Google's")
    assert server.names() == ["CancelJob"]


async def test_what_this_library_cannot_write_is_an_answer_too(server: Server, client: DataprocDaskClient) -> None:
    reply = await client.send(Call(CallKind.CANCEL, {"project_id": "p", "no_such_field": 1}))
    assert isinstance(reply, CallError)
    assert reply.code == "INVALID_ARGUMENT"
    assert "no_such_field" in reply.message
    assert "google-cloud-dataproc" in reply.message


async def test_a_silent_server_ends_at_the_deadline(server: Server, client: DataprocDaskClient, run: DaskRun) -> None:
    client.deadline = 0.2
    server.answers["CancelJob"] = server.hang
    reply = await client.send(Call(CallKind.CANCEL, cancel_request(run.cluster, job_id="j")))
    assert isinstance(reply, CallError)
    assert reply.code == "DEADLINE_EXCEEDED"


async def test_nobody_there_is_unavailable(server: Server, settings: GoogleSettings, run: DaskRun) -> None:
    server.close()
    async with DataprocDaskClient(settings) as client:
        reply = await client.send(Call(CallKind.CANCEL, cancel_request(run.cluster, job_id="j")))
    assert isinstance(reply, CallError)
    assert reply.code == "UNAVAILABLE"


async def test_a_cancelled_look_cancels_its_calls(
    server: Server, client: DataprocDaskClient, run: DaskRun, state: State
) -> None:
    server.answers |= {"GetJob": server.hang, "GetCluster": always(cluster())}
    looking = asyncio.create_task(client.observe(run, state, frozenset({Look.JOB, Look.CLUSTER}), None))
    assert await asyncio.to_thread(server.hangs.wait, 5)
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert await asyncio.to_thread(server.cancelled.wait, 5)


async def test_clients_with_equal_settings_share_a_channel(
    server: Server, settings: GoogleSettings, run: DaskRun
) -> None:
    server.answers["CancelJob"] = always(job())
    clients = [DataprocDaskClient(settings) for _ in range(3)]
    call = Call(CallKind.CANCEL, cancel_request(run.cluster, job_id="j"))
    await asyncio.gather(*(client.send(call) for client in clients))
    assert len({id(client._wire._channel) for client in clients}) == 1
    await clients[0].aclose()
    assert isinstance(await clients[1].send(call), JobView)
    for client in clients[1:]:
        await client.aclose()
    assert isinstance(await clients[0].send(call), JobView)
    await clients[0].aclose()


async def test_five_hundred_looks_at_once_share_a_channel_and_hardly_a_thread(
    server: Server, settings: GoogleSettings, run: DaskRun, state: State
) -> None:
    server.answers["GetJob"] = always(job())
    clients = [DataprocDaskClient(settings) for _ in range(500)]
    before = threading.active_count()
    looks = [client.observe(run, state, frozenset({Look.JOB}), None) for client in clients]
    seen = await asyncio.gather(*looks)
    threads = threading.active_count() - before
    assert all(isinstance(one.job, JobView) for one in seen)
    assert server.names() == ["GetJob"] * 500
    assert all(client.calls == {"GetJob": 1} for client in clients)
    assert threads <= 16 + 16 + 2  # ours for what blocks, the test server's own, and gRPC's
    for client in clients:
        await client.aclose()


async def test_an_operation_that_failed_says_why(
    server: Server, client: DataprocDaskClient, run: DaskRun, state: State
) -> None:
    from google.rpc.status_pb2 import Status

    server.answers["GetOperation"] = always(operation(True, Status(code=8, message="Insufficient 'CPUS' quota")))
    seen = await client.observe(run, state, frozenset({Look.OPERATION}), None)
    assert isinstance(seen.operation, OperationView)
    assert seen.operation.error == CallError("RESOURCE_EXHAUSTED", "Insufficient 'CPUS' quota")
