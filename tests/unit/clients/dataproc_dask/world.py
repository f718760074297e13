# SPDX-License-Identifier: Apache-2.0
"""A Dataproc of one clean run for the smallest server: what was asked for is there at the next look."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from typing import Any

import grpc
from google.cloud import dataproc_v1 as protos
from google.longrunning.operations_pb2 import Operation

from airflow_dataops.clients.gcs import Gcs
from airflow_dataops.core.dataproc_dask import names
from tests.unit.clients.dataproc_dask.server import Server


class World:
    """Clusters and jobs; a job is done at once, and leaves a result where a bucket is given."""

    def __init__(self, server: Server, gcs: Gcs | None = None) -> None:
        self._lock = threading.Lock()
        self._gcs = gcs
        self.clusters: dict[str, Any] = {}
        self.jobs: dict[str, Any] = {}
        self.job_state = "DONE"
        server.answers |= {
            "CreateCluster": self.create,
            "GetOperation": lambda request, _: Operation(name=request.name, done=True),
            "GetCluster": lambda request, context: self._find(self.clusters, request.cluster_name, context),
            "ListClusters": self.list_clusters,
            "DeleteCluster": self.delete,
            "SubmitJob": self.submit,
            "GetJob": lambda request, context: self._find(self.jobs, request.job_id, context),
            "ListJobs": self.list_jobs,
        }

    def create(self, request: Any, _: Any) -> Operation:
        with self._lock:
            made = protos.Cluster.wrap(request.cluster)
            made.cluster_uuid = f"uuid-{len(self.clusters) + 1}"
            made.status = protos.ClusterStatus(state="RUNNING", state_start_time=datetime.now(UTC))
            self.clusters[made.cluster_name] = protos.Cluster.pb(made)
        answer = Operation(name=f"operations/{made.cluster_name}")
        answer.metadata.Pack(
            protos.ClusterOperationMetadata.pb(protos.ClusterOperationMetadata(cluster_uuid=made.cluster_uuid))
        )
        return answer

    def delete(self, request: Any, context: grpc.ServicerContext) -> Operation:
        with self._lock:
            found = self._find(self.clusters, request.cluster_name, context)
            if found.cluster_uuid != request.cluster_uuid:
                context.abort(grpc.StatusCode.NOT_FOUND, "another one")
            del self.clusters[request.cluster_name]
        return Operation(name=f"operations/delete-{request.cluster_name}")

    def submit(self, request: Any, _: Any) -> Any:
        job = protos.Job.wrap(request.job)
        job.placement.cluster_uuid = self.clusters[job.placement.cluster_name].cluster_uuid
        job.status = protos.JobStatus(state=self.job_state, state_start_time=datetime.now(UTC))
        if self._gcs is not None:
            folder = names.job_folder(job.pyspark_job.args[1], job.reference.job_id)
            said = {"schema_version": 1, "ok": True, "result": {"rows": 3}}
            self._gcs.write(f"{folder}/result.json", json.dumps(said).encode())
        with self._lock:
            self.jobs[job.reference.job_id] = protos.Job.pb(job)
        return protos.Job.pb(job)

    def list_clusters(self, request: Any, _: Any) -> Any:
        with self._lock:
            found = [protos.Cluster.wrap(one) for one in self.clusters.values() if _bears(one, request.filter)]
        return protos.ListClustersResponse.pb(protos.ListClustersResponse(clusters=found))

    def list_jobs(self, request: Any, _: Any) -> Any:
        with self._lock:
            found = [protos.Job.wrap(one) for one in self.jobs.values() if _bears(one, request.filter)]
        here = [job for job in found if request.cluster_name in ("", job.placement.cluster_name)]
        return protos.ListJobsResponse.pb(protos.ListJobsResponse(jobs=here))

    @staticmethod
    def _find(among: dict[str, Any], name: str, context: grpc.ServicerContext) -> Any:
        if name not in among:
            context.abort(grpc.StatusCode.NOT_FOUND, f"no {name}")
        return among[name]


def _bears(thing: Any, wanted: str) -> bool:
    terms = [term.split(" = ") for term in wanted.split(" AND ") if term]
    return all(thing.labels.get(key.removeprefix("labels.")) == value for key, value in terms)
