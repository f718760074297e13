# SPDX-License-Identifier: Apache-2.0
"""The janitor's hands, over a real gRPC server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip(
    "google.cloud.dataproc_v1", reason="needs google-cloud-dataproc: pip install 'airflow-dataops[gcp]'"
)

from google.cloud import dataproc_v1 as protos

from airflow_dataops.clients.dataproc_dask.client import DataprocDaskClient
from airflow_dataops.clients.dataproc_dask.sweep import sweep_clusters
from airflow_dataops.clients.google import CloudError
from airflow_dataops.core.dataproc_dask import names
from airflow_dataops.core.dataproc_dask.janitor import JanitorPolicy, Verdict
from tests.unit.clients.dataproc_dask.server import Server, abort
from tests.unit.clients.dataproc_dask.world import World

NOW = datetime(2026, 11, 21, 20, tzinfo=UTC)
POLICY = JanitorPolicy(instance="test")


@pytest.fixture
def world(server: Server) -> World:
    return World(server)


def put(
    world: World, name: str, state: str = "RUNNING", *, expires: int = 60, age: int = 120, instance: str = "test"
) -> None:
    """Put a cluster there that expires in so many minutes and has been in its state for so many."""
    labels = {
        names.MANAGED_BY: names.MANAGER,
        names.INSTANCE: instance,
        names.EXPIRES: names.moment_label(NOW + timedelta(minutes=expires)),
    }
    status = protos.ClusterStatus(state=state, state_start_time=NOW - timedelta(minutes=age))
    made = protos.Cluster(cluster_name=name, cluster_uuid=f"uuid-of-{name}", labels=labels, status=status)
    world.clusters[name] = protos.Cluster.pb(made)


def work(world: World, cluster: str, state: str, *, ended: int = 0, uuid: str | None = None) -> None:
    status = protos.JobStatus(state=state, state_start_time=NOW - timedelta(minutes=ended))
    place = {"cluster_name": cluster, "cluster_uuid": uuid or f"uuid-of-{cluster}"}
    job = protos.Job(reference={"job_id": f"job-{len(world.jobs)}"}, placement=place, status=status)
    world.jobs[job.reference.job_id] = protos.Job.pb(job)


async def test_what_nobody_waits_for_is_deleted_by_uuid(
    server: Server, client: DataprocDaskClient, world: World
) -> None:
    put(world, "expired", expires=-1)
    put(world, "broken", "ERROR")
    put(world, "orphaned")
    put(world, "used")
    work(world, "used", "RUNNING")
    put(world, "young", age=5)
    put(world, "namesake")
    work(world, "namesake", "RUNNING", uuid="another-uuid")
    put(world, "foreign", expires=-1, instance="other")
    report = await sweep_clusters(client, POLICY, now=NOW)
    assert sorted(world.clusters) == ["foreign", "used", "young"]
    assert {swept.finding.name: (swept.finding.verdict, swept.done) for swept in report.clusters} == {
        "expired": (Verdict.EXPIRED, "deleted"),
        "broken": (Verdict.BROKEN, "deleted"),
        "orphaned": (Verdict.ORPHANED, "deleted"),
        "namesake": (Verdict.ORPHANED, "deleted"),
        "used": (Verdict.IN_USE, "left"),
        "young": (Verdict.IN_USE, "left"),
    }
    sent = [request for name, request, _ in server.seen if name == "DeleteCluster"]
    assert {request.cluster_uuid for request in sent} == {f"uuid-of-{request.cluster_name}" for request in sent}
    assert len({request.request_id for request in sent}) == 4
    assert all(len(request.request_id) <= names.LONGEST_REQUEST_ID for request in sent)
    assert report.ok
    assert report.count("deleted") == 4
    assert type(report).model_validate_json(report.model_dump_json()) == report


async def test_a_dry_run_deletes_nothing(server: Server, client: DataprocDaskClient, world: World) -> None:
    put(world, "expired", expires=-1)
    report = await sweep_clusters(client, POLICY, now=NOW, dry_run=True)
    assert [swept.done for swept in report.clusters] == ["would_delete"]
    assert "DeleteCluster" not in server.names()
    assert list(world.clusters) == ["expired"]


async def test_jobs_that_cannot_be_listed_spare_the_cluster(
    server: Server, client: DataprocDaskClient, world: World
) -> None:
    put(world, "orphaned")
    put(world, "expired", expires=-1)
    server.answers["ListJobs"] = abort("PERMISSION_DENIED", "no")
    report = await sweep_clusters(client, POLICY, now=NOW)
    assert list(world.clusters) == ["orphaned"]
    assert "uuid-of-orphaned" in report.blind


@pytest.mark.parametrize(("code", "done", "ok"), [("NOT_FOUND", "gone", True), ("UNAVAILABLE", "failed", False)])
async def test_a_delete_that_is_not_taken_is_told(
    server: Server, client: DataprocDaskClient, world: World, code: str, done: str, ok: bool
) -> None:
    put(world, "expired", expires=-1)
    server.answers["DeleteCluster"] = abort(code, "words")
    report = await sweep_clusters(client, POLICY, now=NOW)
    assert (report.clusters[0].done, report.ok) == (done, ok)
    assert ("words" in report.clusters[0].error) is not ok
    assert server.names().count("DeleteCluster") == 1


async def test_each_sweep_is_a_request_of_its_own(server: Server, client: DataprocDaskClient, world: World) -> None:
    put(world, "stuck", "DELETING")
    for minutes in (0, 10):
        report = await sweep_clusters(client, POLICY, now=NOW + timedelta(minutes=minutes))
        assert not report.ok
        put(world, "stuck", "DELETING")
    ids = [request.request_id for name, request, _ in server.seen if name == "DeleteCluster"]
    assert len(set(ids)) == 2


async def test_a_list_that_fails_is_an_error(server: Server, client: DataprocDaskClient) -> None:
    server.answers["ListClusters"] = abort("UNAVAILABLE", "busy")
    with pytest.raises(CloudError, match="busy"):
        await sweep_clusters(client, POLICY, now=NOW)
