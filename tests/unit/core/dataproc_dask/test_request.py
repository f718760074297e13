# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from airflow_dataops.core.dataproc_dask import names, request
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.errors import SpecError
from tests.unit.core.dataproc_dask.samples import IDENTITY, NOW, changed, document, sample

BASE = names.base_name(IDENTITY)
OWN = names.run_labels(IDENTITY)


def create(run: DaskRun, zone: str | None = None, generation: int = 1) -> dict[str, Any]:
    return request.create_request(run, base=BASE, generation=generation, zone=zone, labels=OWN, now=NOW)


def rich() -> DaskRun:
    whole = document(keep_failed_for="30m")
    whole["cluster"] |= {
        "runtime": "yarn",
        "autoscaling": {"policy_uri": "projects/p/regions/r/autoscalingPolicies/a", "max_workers": 8},
        "workers": {"count": 3, "minimum": 2, "disk": {"local_ssds": 1}},
        "secondary": {
            "count": 4,
            "choices": [{"machine_types": ["n2-standard-4", "n2d-standard-4"], "rank": 1}],
            "standard_base": 1,
        },
        "staging_bucket": "staging-bucket",
        "temp_bucket": "temp-bucket",
        "metadata": {"team": "data"},
        "properties": {"spark:spark.executor.memory": "2g"},
    }
    return DaskRun.model_validate(whole)


def submit(run: DaskRun) -> dict[str, Any]:
    assert run.job is not None
    return request.submit_request(run.cluster, run.job, name=BASE, job_id=names.job_id(BASE, "job", 1), labels=OWN)


def test_a_cluster_is_private_and_guarded_by_default() -> None:
    machines = create(sample())["cluster"]["config"]["gce_cluster_config"]
    assert machines["internal_ip_only"] is True
    assert machines["shielded_instance_config"] == {
        "enable_secure_boot": True,
        "enable_vtpm": True,
        "enable_integrity_monitoring": True,
    }
    assert create(sample())["cluster"]["config"]["encryption_config"]["gce_pd_kms_key_name"] == sample().cluster.kms_key


def test_google_is_told_to_delete_the_cluster_in_any_case() -> None:
    asked = create(sample())
    lifecycle = asked["cluster"]["config"]["lifecycle_config"]
    assert lifecycle == {
        "idle_delete_ttl": {"seconds": 600},
        "auto_delete_ttl": {"seconds": sample().lifetime.total_seconds()},
    }
    assert asked["action_on_failed_primary_workers"] == "DELETE"


def test_labels_say_whose_the_cluster_is_and_until_when() -> None:
    labels = create(rich(), generation=2)["cluster"]["labels"]
    assert names.is_ours(labels, OWN)
    assert labels["team"] == "data"
    assert names.moment_of(labels[names.EXPIRES]) == NOW + rich().lifetime
    assert names.seconds_of(labels[names.KEEP]) == timedelta(minutes=30)
    assert names.number_of(labels, names.GENERATION) == 2
    assert len(labels) <= 32


def test_no_zone_leaves_the_choice_to_google() -> None:
    assert "zone_uri" not in create(sample())["cluster"]["config"]["gce_cluster_config"]
    assert create(sample(), "europe-west1-b")["cluster"]["config"]["gce_cluster_config"]["zone_uri"] == "europe-west1-b"


def test_another_zone_or_generation_is_another_request() -> None:
    asked = [create(sample(), "a"), create(sample(), "b"), create(sample(), "a", 2)]
    assert len({one["request_id"] for one in asked}) == 3


def test_nodes_read_where_the_share_and_the_environment_are() -> None:
    metadata = request.node_metadata(rich().cluster)
    assert metadata == {
        "team": "data",
        "dataops-dask-runtime": "yarn",
        "dataops-environment-uri": "gs://code-bucket/env/abc.tar.gz",
        "dataops-nfs-server": "10.0.0.2",
        "dataops-nfs-export": "/share",
        "dataops-nfs-mount-point": "/mnt/data",
    }


def test_a_driver_gets_its_document_and_the_hash_of_it() -> None:
    job = submit(sample())["job"]
    assert job["pyspark_job"]["args"] == [
        "--spec", "gs://code-bucket/specs/1.json", "--sha256", "0" * 64, "--job-id", job["reference"]["job_id"],
    ]  # fmt: skip
    assert job["scheduling"] == {"max_failures_per_hour": 0}


@pytest.mark.parametrize("missing", ["bootstrap_uri", "spec_uri"])
def test_a_job_without_its_files_is_not_submitted(missing: str) -> None:
    whole = changed(f"job.{missing}", None)
    if missing == "spec_uri":
        whole["job"]["spec_hash"] = None
    with pytest.raises(SpecError, match=missing):
        submit(DaskRun.model_validate(whole))


def test_nothing_is_deleted_by_its_name_alone() -> None:
    with pytest.raises(ValueError, match="UUID"):
        request.delete_request(sample().cluster, name=BASE, uuid="")


def test_a_delete_that_failed_later_is_sent_as_another_request() -> None:
    first, second = (request.delete_request(sample().cluster, name=BASE, uuid="u", sent=n) for n in (1, 2))
    assert first["request_id"] != second["request_id"]


@pytest.mark.parametrize("run", [sample(), rich()], ids=["sample", "rich"])
def test_googles_own_messages_take_every_request(run: DaskRun) -> None:
    dataproc = pytest.importorskip("google.cloud.dataproc_v1", reason="pip install 'airflow-dataops[gcp]'")
    asked = {
        dataproc.CreateClusterRequest: create(run, "europe-west1-b"),
        dataproc.DeleteClusterRequest: request.delete_request(run.cluster, name=BASE, uuid="u"),
        dataproc.SubmitJobRequest: submit(run),
        dataproc.CancelJobRequest: request.cancel_request(run.cluster, job_id="j"),
        dataproc.UpdateClusterRequest: request.keep_request(
            run.cluster, name=BASE, uuid="u", idle=timedelta(minutes=30)
        ),
    }
    for message, fields in asked.items():
        json.dumps(fields)
        assert message(fields).project_id == "my-project-123"


def test_googles_own_message_has_the_values() -> None:
    dataproc = pytest.importorskip("google.cloud.dataproc_v1", reason="pip install 'airflow-dataops[gcp]'")
    config = dataproc.CreateClusterRequest(create(rich(), "europe-west1-b")).cluster.config
    assert config.lifecycle_config.auto_delete_ttl == rich().lifetime
    assert config.secondary_worker_config.preemptibility.name == "SPOT"
    assert config.secondary_worker_config.instance_flexibility_policy.provisioning_model_mix.standard_capacity_base == 1
    assert config.initialization_actions[0].execution_timeout == timedelta(minutes=5)
    assert config.autoscaling_config.policy_uri.endswith("/a")


@pytest.mark.parametrize("export", ["vol1", "/vol1"])
def test_a_share_is_mounted_by_its_path_however_it_is_written(export: str) -> None:
    run = DaskRun.model_validate(changed("cluster.nfs.export", export))
    assert request.node_metadata(run.cluster)["dataops-nfs-export"] == "/vol1"
