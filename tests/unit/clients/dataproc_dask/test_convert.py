# SPDX-License-Identifier: Apache-2.0
"""Operations of workflows, and clusters, as the machine sees them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_dataops.clients.dataproc_dask.convert import accepted, cluster_read, operation_view
from airflow_dataops.core.machine import Accepted

api = pytest.importorskip("google.cloud.dataproc_v1", reason="pip install 'airflow-dataops[gcp]'")
operations_pb2 = pytest.importorskip("google.longrunning.operations_pb2")
WHEN = datetime(2026, 11, 21, 12, tzinfo=UTC)


def operation(code: int = 0, message: str = "", **metadata: Any) -> Any:
    found = operations_pb2.Operation(name="projects/p/regions/r/operations/o", done=bool(code))
    found.metadata.Pack(api.WorkflowMetadata.pb()(**metadata))
    if code:
        found.error.code, found.error.message = code, message
    return found


def test_a_workflow_names_its_cluster_and_job() -> None:
    nodes = [{"step_id": "s", "job_id": "s-abc", "state": api.WorkflowNode.NodeState.RUNNING}]
    wanted = {"cluster_name": "c", "cluster_uuid": "u", "graph": {"nodes": nodes}}
    found = operation(**wanted, start_time=WHEN, dag_start_time=WHEN)
    view = operation_view(found)
    assert (view.done, view.cluster_name, view.cluster_uuid, view.job_id) == (False, "c", "u", "s-abc")
    assert (view.started_at, view.work_began_at) == (WHEN, WHEN)


def test_a_workflow_that_has_just_begun_names_nothing() -> None:
    view = operation_view(operation())
    assert (view.cluster_name, view.job_id, view.error, view.started_at) == ("", "", None, None)


def test_why_the_cluster_could_not_be_made_is_told_once() -> None:
    failed = {"create_cluster": {"error": "Insufficient 'CPUS' quota"}}
    view = operation_view(operation(9, "Workflow failed", **failed))
    assert view.error is not None
    assert (view.error.code, view.error.message) == (
        "FAILED_PRECONDITION",
        "Workflow failed; Insufficient 'CPUS' quota",
    )
    again = operation_view(operation(9, "Insufficient 'CPUS' quota", **failed))
    assert again.error is not None
    assert again.error.message == "Insufficient 'CPUS' quota"


def test_nothing_is_an_answer_too() -> None:
    assert accepted(None) == Accepted()


@pytest.mark.parametrize(
    ("ports", "wanted"),
    [
        ({}, ""),
        ({"YARN": "https://abc-dot-r.dataproc.googleusercontent.com/yarn/"}, "https://abc-dot-r.dataproc.googleusercontent.com"),
        ({"a": "", "b": "http://elsewhere/yarn/", "c": "https://here/hdfs/x.html"}, "https://here"),
    ],
)  # fmt: skip
def test_a_cluster_says_where_its_gateway_is(ports: dict[str, str], wanted: str) -> None:
    found = api.Cluster.pb()(cluster_name="c", config={"endpoint_config": {"http_ports": ports}})
    assert cluster_read(found).view.gateway == wanted
