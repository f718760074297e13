# SPDX-License-Identifier: Apache-2.0
"""Requests as plain mappings with the names of Google's protos (``google.cloud.dataproc_v1``), so that a client only passes them on.

An optional value that is not given is left out: the API then takes its own default, and a oneof is never set twice.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow_dataops.core.dataproc_dask import names
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.dataproc_dask.spec import ClusterSpec, DaskJob, Disk, SecondaryWorkers
from airflow_dataops.core.errors import SpecError

Request = dict[str, Any]

DRIVER_LOG_TO_LOGGING = "dataproc:dataproc.logging.stackdriver.job.driver.enable"
UPDATED_WHEN_KEPT = "config.lifecycle_config.idle_delete_ttl"


def create_request(
    run: DaskRun, *, base: str, generation: int, zone: str | None, labels: dict[str, str], now: datetime
) -> Request:
    """Return a ``CreateClusterRequest``.

    Args:
        run: What is asked for.
        base: :func:`~airflow_dataops.core.dataproc_dask.names.base_name` of the run.
        generation: Number of the cluster within the run.
        zone: Zone of this attempt; None lets Google choose.
        labels: Labels of the run (:func:`~airflow_dataops.core.dataproc_dask.names.run_labels`), and others to be found by.
        now: When the request is first sent: the label that says when the cluster expires counts from it.
    """
    name = names.cluster_name(base, generation)
    own = {
        names.SPEC: names.cluster_hash(run.cluster),
        names.EXPIRES: names.moment_label(now + run.lifetime),
        names.GENERATION: f"n{generation}",
    }
    if run.policy.keep_failed_for is not None:
        own[names.KEEP] = names.seconds_label(run.policy.keep_failed_for)
    return {
        "project_id": run.cluster.project,
        "region": run.cluster.region,
        "request_id": names.request_id(name, "create", generation, zone or ""),
        "action_on_failed_primary_workers": "DELETE",
        "cluster": {
            "project_id": run.cluster.project,
            "cluster_name": name,
            "labels": {**run.cluster.labels, **labels, **own},
            "config": cluster_config(run, zone),
        },
    }


def delete_request(cluster: ClusterSpec, *, name: str, uuid: str, sent: int = 1) -> Request:
    """Return a ``DeleteClusterRequest`` for one cluster and no namesake of it.

    Args:
        cluster: Names project and region.
        name: Name of the cluster.
        uuid: Its UUID.
        sent: Number of the request: the same one is known again by Google, and a request that failed later needs another.

    Raises:
        ValueError: There is no UUID: the request would delete whoever bears the name.
    """
    if not uuid:
        raise ValueError(f"the UUID of cluster {name!r} is not known; without it a namesake would be deleted")
    return {
        "project_id": cluster.project,
        "region": cluster.region,
        "cluster_name": name,
        "cluster_uuid": uuid,
        "request_id": names.request_id(uuid, "delete", sent),
    }


def submit_request(cluster: ClusterSpec, job: DaskJob, *, name: str, job_id: str, labels: dict[str, str]) -> Request:
    """Return a ``SubmitJobRequest``: the driver runs once, and is never started again by Dataproc.

    Args:
        cluster: Names project and region.
        job: The job, with the URI and hash of its document.
        name: Name of the cluster.
        job_id: :func:`~airflow_dataops.core.dataproc_dask.names.job_id`.
        labels: Labels of the run and of the try.

    Raises:
        SpecError: The job has no driver file or no document (``JOB_INCOMPLETE``).
    """
    return {
        "project_id": cluster.project,
        "region": cluster.region,
        "request_id": names.request_id(job_id, "submit", 1),
        "job": {
            "reference": {"project_id": cluster.project, "job_id": job_id},
            "placement": {"cluster_name": name},
            "labels": {**cluster.labels, **labels, names.JOB: job.name, names.SPEC: names.job_hash(job)},
            "scheduling": {"max_failures_per_hour": 0},
            "pyspark_job": driver_of(job, job_id),
        },
    }


def driver_of(job: DaskJob, job_id: str) -> Request:
    """Return a ``PySparkJob`` that is our driver: plain Python, which reads the job's document and compares its hash.

    Args:
        job: The job, with the URI and hash of its document.
        job_id: Names this execution: the driver leaves its result under :func:`~airflow_dataops.core.dataproc_dask.names.job_folder`.

    Raises:
        SpecError: The job has no driver file or no document (``JOB_INCOMPLETE``).
    """
    if job.bootstrap_uri is None or job.spec_uri is None or job.spec_hash is None:
        missing = [key for key in ("bootstrap_uri", "spec_uri", "spec_hash") if getattr(job, key) is None]
        raise SpecError(
            f"job {job.name!r} cannot be submitted without {', '.join(missing)}",
            hint="upload the driver and the job's document first; `dataops package` does",
            code="JOB_INCOMPLETE",
        )
    return _given(
        {
            "main_python_file_uri": job.bootstrap_uri,
            "args": ["--spec", job.spec_uri, "--sha256", job.spec_hash, "--job-id", job_id],
            "python_file_uris": job.python_file_uris,
            "properties": job.properties,
        }
    )


def cancel_request(cluster: ClusterSpec, *, job_id: str) -> Request:
    """Return a ``CancelJobRequest``."""
    return {"project_id": cluster.project, "region": cluster.region, "job_id": job_id}


def keep_request(cluster: ClusterSpec, *, name: str, uuid: str, idle: timedelta) -> Request:
    """Return an ``UpdateClusterRequest`` after which the cluster outlives its job by ``idle``.

    Only the idle time is changed: Google takes no shorter life than was given before, and no other change beside this one.
    """
    return {
        "project_id": cluster.project,
        "region": cluster.region,
        "cluster_name": name,
        "cluster": {"config": {"lifecycle_config": {"idle_delete_ttl": _seconds(idle)}}},
        "update_mask": {"paths": [UPDATED_WHEN_KEPT]},
        "request_id": names.request_id(uuid, "keep", 1),
    }


def cluster_config(run: DaskRun, zone: str | None) -> Request:
    """Return a ``ClusterConfig``; None as zone lets Google choose."""
    cluster = run.cluster
    lifecycle = {"idle_delete_ttl": _seconds(cluster.idle_delete_ttl), "auto_delete_ttl": _seconds(run.lifetime)}
    workers = _group(cluster.workers.count, cluster.workers.machine_type, cluster.workers.disk)
    if cluster.workers.minimum is not None:
        workers["min_num_instances"] = cluster.workers.minimum
    key = cluster.kms_key
    return _given(
        {
            "config_bucket": cluster.staging_bucket,
            "temp_bucket": cluster.temp_bucket,
            "gce_cluster_config": _machines(cluster, zone),
            "master_config": _group(1, cluster.master.machine_type, cluster.master.disk),
            "worker_config": workers,
            "secondary_worker_config": _secondary(cluster.secondary) if cluster.secondary else None,
            "software_config": {
                "image_version": cluster.image_version,
                "properties": {DRIVER_LOG_TO_LOGGING: "true"} | cluster.properties,
            },
            "initialization_actions": [
                {"executable_file": action.uri, "execution_timeout": _seconds(action.timeout)}
                for action in cluster.init_actions
            ],
            "encryption_config": {"gce_pd_kms_key_name": key, "kms_key": key} if key else None,
            "autoscaling_config": {"policy_uri": cluster.autoscaling.policy_uri} if cluster.autoscaling else None,
            "lifecycle_config": lifecycle,
            "endpoint_config": {"enable_http_port_access": cluster.component_gateway},
        }
    )


def _machines(cluster: ClusterSpec, zone: str | None) -> Request:
    guarded = dict.fromkeys(("enable_secure_boot", "enable_vtpm", "enable_integrity_monitoring"), True)
    return _given(
        {
            "zone_uri": zone,
            "subnetwork_uri": cluster.subnetwork,
            "service_account": cluster.service_account,
            "service_account_scopes": cluster.scopes,
            "tags": cluster.tags,
            "metadata": node_metadata(cluster),
            "shielded_instance_config": guarded if cluster.shielded else None,
        }
    ) | {"internal_ip_only": cluster.internal_ip_only}


def node_metadata(cluster: ClusterSpec) -> dict[str, str]:
    """Return the metadata of each machine, which the init script reads; the user's own does not replace it."""
    own = {"dataops-dask-runtime": cluster.runtime, "dataops-environment-uri": cluster.environment_uri}
    if cluster.nfs is not None:
        own |= {
            "dataops-nfs-server": cluster.nfs.server,
            "dataops-nfs-export": f"/{cluster.nfs.export.lstrip('/')}",
            "dataops-nfs-mount-point": cluster.nfs.mount_point,
        }
    return cluster.metadata | {key: value for key, value in own.items() if value is not None}


def _group(count: int, machine_type: str | None, disk: Disk) -> Request:
    described = {
        "boot_disk_type": disk.type,
        "boot_disk_size_gb": disk.size_gb,
        "num_local_ssds": disk.local_ssds or None,
    }
    return _given({"num_instances": count, "machine_type_uri": machine_type, "disk_config": _given(described)})


def _secondary(workers: SecondaryWorkers) -> Request:
    group = _group(workers.count, None, workers.disk) | {"preemptibility": workers.preemptibility}
    if workers.choices:
        mix = {"standard_capacity_base": workers.standard_base} if workers.standard_base else None
        listed = [{"machine_types": choice.machine_types, "rank": choice.rank} for choice in workers.choices]
        group["instance_flexibility_policy"] = _given(
            {"provisioning_model_mix": mix, "instance_selection_list": listed}
        )
    return group


def _seconds(length: timedelta) -> dict[str, int]:
    return {"seconds": int(length.total_seconds())}


def _given(request: Request) -> Request:
    return {key: value for key, value in request.items() if value is not None and value not in ([], {})}
