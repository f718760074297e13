# SPDX-License-Identifier: Apache-2.0
"""Which RPCs there are."""

from __future__ import annotations

from typing import Any

from google.longrunning import operations_pb2
from google.protobuf import empty_pb2

from tests.services.dataproc_fake import clusters, jobs, workflow
from tests.services.dataproc_fake.faults import Fate
from tests.services.dataproc_fake.listing import page
from tests.services.dataproc_fake.protos import api
from tests.services.dataproc_fake.records import Refusal
from tests.services.dataproc_fake.runner import Runner
from tests.services.dataproc_fake.wire import Method
from tests.services.dataproc_fake.world import World

_PACKAGE = "google.cloud.dataproc.v1."
Services = dict[str, dict[str, Method]]


def services(runner: Runner) -> Services:
    """Return all services: names of protos -> methods."""

    def submit(world: World, request: Any, fate: Fate) -> Any:
        return jobs.submit(world, request, fate, runner.start)

    def instantiate(world: World, request: Any, fate: Fate) -> Any:
        return workflow.instantiate(world, request, fate, runner.start)

    return {
        _PACKAGE + "ClusterController": {
            "CreateCluster": Method(api.CreateClusterRequest.pb(), clusters.create, _of_new_cluster),
            "GetCluster": Method(api.GetClusterRequest.pb(), clusters.get, _of_cluster),
            "ListClusters": Method(api.ListClustersRequest.pb(), clusters.list_, _of_list),
            "UpdateCluster": Method(api.UpdateClusterRequest.pb(), clusters.update, _of_cluster),
            "DeleteCluster": Method(api.DeleteClusterRequest.pb(), clusters.delete, _of_cluster),
        },
        _PACKAGE + "JobController": {
            "SubmitJob": Method(api.SubmitJobRequest.pb(), submit, _of_new_job),
            "GetJob": Method(api.GetJobRequest.pb(), jobs.get, _of_job),
            "ListJobs": Method(api.ListJobsRequest.pb(), jobs.list_, _of_list),
            "CancelJob": Method(api.CancelJobRequest.pb(), jobs.cancel, _of_job),
        },
        _PACKAGE + "WorkflowTemplateService": {
            "InstantiateInlineWorkflowTemplate": Method(
                api.InstantiateInlineWorkflowTemplateRequest.pb(), instantiate, _of_template
            ),
        },
        "google.longrunning.Operations": {
            "GetOperation": Method(operations_pb2.GetOperationRequest, _get_operation, _of_operation),
            "ListOperations": Method(operations_pb2.ListOperationsRequest, _list_operations, _of_operation),
            "CancelOperation": Method(operations_pb2.CancelOperationRequest, _cancel_operation, _of_operation),
        },
    }


def _get_operation(world: World, request: Any, fate: Fate) -> Any:
    found = world.operations.get(request.name)
    if found is None:
        raise Refusal("NOT_FOUND", f"Not found: Operation {request.name}")
    return found.body


def _list_operations(world: World, request: Any, fate: Fate) -> Any:
    project, region, _ = _of_operation(request)
    found = [one.body for one in world.operations.values() if (one.project, one.region) == (project, region)]
    shown, token = page(found, request.page_size, request.page_token, 100)
    return operations_pb2.ListOperationsResponse(operations=shown, next_page_token=token)


def _cancel_operation(world: World, request: Any, fate: Fate) -> Any:
    _get_operation(world, request, fate)
    if not workflow.cancel(world, request.name):
        raise Refusal("UNIMPLEMENTED", "operations on clusters cannot be cancelled")
    return empty_pb2.Empty()


def _of_new_cluster(request: Any) -> tuple[str, str, str]:
    return request.project_id, request.region, request.cluster.cluster_name


def _of_cluster(request: Any) -> tuple[str, str, str]:
    return request.project_id, request.region, request.cluster_name


def _of_list(request: Any) -> tuple[str, str, str]:
    return request.project_id, request.region, ""


def _of_new_job(request: Any) -> tuple[str, str, str]:
    return request.project_id, request.region, request.job.reference.job_id


def _of_job(request: Any) -> tuple[str, str, str]:
    return request.project_id, request.region, request.job_id


def _of_template(request: Any) -> tuple[str, str, str]:
    return *_of_path(request.parent), request.template.placement.managed_cluster.cluster_name


def _of_operation(request: Any) -> tuple[str, str, str]:
    return *_of_path(request.name), request.name


def _of_path(path: str) -> tuple[str, str]:
    """Return project and region of ``projects/P/regions/R/…``, or empty texts."""
    parts = path.split("/")
    if len(parts) < 4 or parts[0] != "projects" or parts[2] not in ("regions", "locations"):
        return "", ""
    return parts[1], parts[3]
