# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from airflow_dataops.core.checked import Fault
from airflow_dataops.core.dataproc_dask.run import DaskRun, faults_of, parse
from airflow_dataops.core.errors import SpecError
from tests.unit.core.dataproc_dask.samples import changed, document

CHOICES = [{"machine_types": ["n2-standard-4"]}]
SCALING = {"policy_uri": "projects/p/regions/r/autoscalingPolicies/a", "max_workers": 8}


def test_the_sample_has_no_fault() -> None:
    assert faults_of(document()) == []


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("cluster.project", "No", "BAD_PROJECT"),
        ("cluster.region", "europe", "BAD_REGION"),
        ("cluster.zones", ["us-east1-b"], "BAD_ZONE"),
        ("cluster.zones", ["europe-west1-b", "europe-west1-b"], "ZONE_TWICE"),
        ("cluster.subnetwork", None, "SUBNETWORK_MISSING"),
        ("cluster.internal_ip_only", False, "PUBLIC_ADDRESS"),
        ("cluster.kms_key", None, "KEY_MISSING"),
        ("cluster.kms_key", "projects/p/keys/k", "BAD_KEY"),
        ("cluster.shielded", False, "NOT_SHIELDED"),
        ("cluster.service_account", None, "ACCOUNT_MISSING"),
        ("cluster.service_account", "me@example.com", "BAD_ACCOUNT"),
        ("cluster.tags", ["Dask"], "BAD_TAG"),
        ("cluster.staging_bucket", "gs://bucket", "BAD_BUCKET"),
        ("cluster.environment_uri", "s3://bucket/env.tar.gz", "BAD_URI"),
        ("cluster.init_actions.0.uri", "init.sh", "BAD_URI"),
        ("cluster.init_actions.0.timeout", "15m", "BAD_INIT_TIMEOUT"),
        ("cluster.workers.count", 1, "TOO_FEW_WORKERS"),
        ("cluster.workers.minimum", 3, "BAD_MINIMUM"),
        ("cluster.master.disk", {"size_gb": 10}, "BAD_DISK"),
        ("cluster.secondary", {"count": -1}, "BAD_COUNT"),
        ("cluster.workers.disk", {"local_ssds": -1}, "BAD_DISK"),
        ("cluster.secondary", {"count": 1, "standard_base": 2, "choices": CHOICES}, "BAD_COUNT"),
        ("cluster.secondary", {"count": 1, "standard_base": -1, "choices": CHOICES}, "BAD_COUNT"),
        ("cluster.nfs.server", "10.0.0.2:/vol1", "BAD_NFS"),
        ("cluster.nfs.server", "", "BAD_NFS"),
        ("cluster.nfs.export", "my share", "BAD_NFS"),
        ("cluster.nfs.mount_point", "data", "BAD_NFS"),
        ("cluster.nfs.mount_point", "/", "BAD_NFS"),
        ("cluster.nfs.mount_point", "/mnt/my data", "BAD_NFS"),
        ("cluster.secondary", {"count": 2, "standard_base": 1}, "CHOICES_MISSING"),
        (
            "cluster.secondary",
            {"count": 2, "preemptibility": "PREEMPTIBLE", "choices": [{"machine_types": ["n2-standard-4"]}]},
            "CHOICES_REFUSED",
        ),
        ("cluster.autoscaling", SCALING, "STANDALONE_AUTOSCALING"),
        ("cluster.autoscaling", {**SCALING, "policy_uri": "a"}, "BAD_POLICY"),
        ("cluster.autoscaling", {**SCALING, "max_workers": 1}, "BAD_MAXIMUM"),
        ("cluster.idle_delete_ttl", "4m", "BAD_IDLE_TTL"),
        ("cluster.idle_delete_ttl", "15d", "BAD_IDLE_TTL"),
        ("cluster.auto_delete_ttl", "9m", "BAD_AUTO_TTL"),
        ("cluster.auto_delete_ttl", "15d", "BAD_AUTO_TTL"),
        ("cluster.auto_delete_ttl", "1h", "TTL_OVER_DEADLINES"),
        ("cluster.labels", {"Team": "x"}, "BAD_LABEL_KEY"),
        ("cluster.labels", {"team": "X"}, "BAD_LABEL_VALUE"),
        ("cluster.labels", {"dataops-run": "x"}, "RESERVED_LABEL"),
        ("cluster.labels", {"managed-by": "me"}, "RESERVED_LABEL"),
        ("cluster.labels", {f"l{n}": "x" for n in range(25)}, "TOO_MANY_LABELS"),
        ("cluster.properties", {"nope": "1"}, "BAD_PROPERTY"),
        ("job.function", "a.b.c", "BAD_FUNCTION"),
        ("job.name", "Job", "BAD_JOB_NAME"),
        ("job.name", "j" * 31, "BAD_JOB_NAME"),
        ("job.spec_hash", "abc", "BAD_HASH"),
        ("job.spec_hash", None, "HASH_WITHOUT_SPEC"),
        ("job.args", {"x": float("nan")}, "ARGS_NOT_JSON"),
        ("job.args", {"x": object()}, "ARGS_NOT_JSON"),
        ("job.workers", 0, "BAD_WORKERS"),
        ("job.workers", 3, "TOO_MANY_WORKERS"),
        ("job.workers", {"minimum": 1, "maximum": 2}, "STANDALONE_ADAPT"),
        ("job.workers", {"minimum": 3, "maximum": 2}, "BAD_ADAPT"),
        ("policy.attempts", 0, "BAD_ATTEMPTS"),
        ("policy.poll", 0, "TOO_SHORT"),
        ("policy.deadlines", {"delete": "0s"}, "TOO_SHORT"),
        ("policy.deadlines", {"run": "14d"}, "DEADLINES_OVER_TTL"),
        ("policy.heartbeat_stale", "5s", "HEARTBEAT_TOO_SHORT"),
        ("policy.budget", "0", "BAD_BUDGET"),
        ("policy.keep_failed_for", "1m", "BAD_KEEP"),
    ],
)
def test_a_fault_is_named(path: str, value: Any, code: str) -> None:
    found = [fault for fault in faults_of(changed(path, value)) if fault.code == code]
    assert [
        fault for fault in found if fault.path.startswith(path) or path.startswith(fault.path.rpartition(".")[0])
    ] != []
    assert all(fault.hint for fault in found)


@pytest.mark.parametrize(
    ("name", "nearest"), [("Merge_All", "merge-all"), ("1st", "st"), ("é", "a-name"), ("x" * 40, "x" * 30)]
)
def test_a_job_is_told_the_nearest_name_that_it_may_have(name: str, nearest: str) -> None:
    (fault,) = faults_of(changed("job.name", name))
    assert fault.hint == f"write {nearest}"
    assert faults_of(changed("job.name", nearest)) == []


def test_a_length_of_many_minutes_is_told_in_days() -> None:
    (fault,) = faults_of(changed("policy.deadlines", {"run": "20d"}))
    assert fault.message == "all deadlines together are 20d 31m; a cluster can live 14d"


def test_a_cluster_that_would_be_kept_longer_than_it_lives_is_refused() -> None:
    whole = document(keep_failed_for="2h") | {}
    whole["cluster"]["auto_delete_ttl"] = "3h"
    (fault,) = faults_of(whole)
    assert (fault.path, fault.code) == ("policy.keep_failed_for", "KEEP_OVER_TTL")


def test_all_faults_come_at_once() -> None:
    whole = changed("cluster.project", "No")
    whole["job"]["function"] = "x"
    whole["policy"] = {"attempts": 0}
    assert [fault.code for fault in faults_of(whole)] == ["BAD_PROJECT", "BAD_ATTEMPTS", "BAD_FUNCTION"]


@pytest.mark.parametrize(
    ("value", "path"),
    [("soon", "cluster.idle_delete_ttl"), (True, "cluster.idle_delete_ttl"), ("5", "cluster.idle_delete_ttl")],
)
def test_a_length_of_time_that_is_none_is_told_how_to_write_it(value: Any, path: str) -> None:
    (fault,) = faults_of(changed(path, value))
    assert "30m" in fault.message
    assert fault.path == path


def test_an_unknown_key_is_a_fault() -> None:
    assert [fault.path for fault in faults_of(changed("cluster.zone", "europe-west1-b"))] == ["cluster.zone"]


def test_yarn_may_adapt_and_scale() -> None:
    whole = changed("cluster.autoscaling", SCALING)
    whole["cluster"]["runtime"] = "yarn"
    whole["job"]["workers"] = {"minimum": 0, "maximum": 16}
    assert faults_of(whole) == []


def test_a_public_address_is_allowed_where_nobody_asked_for_a_secure_target() -> None:
    whole = changed("cluster.internal_ip_only", False)
    whole["cluster"]["secure"] = False
    assert faults_of(whole) == []


def test_a_run_built_in_python_keeps_the_same_rules() -> None:
    with pytest.raises(ValidationError, match="not between 5m and 14d"):
        DaskRun.model_validate(changed("cluster.idle_delete_ttl", 60))


def test_parse_says_everything_in_one_error() -> None:
    with pytest.raises(SpecError) as caught:
        parse(changed("cluster.idle_delete_ttl", "1m"))
    assert caught.value.code == "DASK_RUN_INVALID"
    assert caught.value.hint == "write 5m"
    assert [Fault(**fault).code for fault in caught.value.details["faults"]] == ["BAD_IDLE_TTL"]


def test_the_time_to_live_is_the_sum_of_all_deadlines_in_whole_minutes() -> None:
    run = parse(document(deadlines={"run": 3601}, keep_failed_for="30m"))
    assert run.lifetime.total_seconds() == (15 + 5 + 61 + 1 + 10 + 30) * 60


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("cluster.metadata", {"db_password": "Hunter2!"}),
        ("cluster.metadata", {"source": "postgresql://me:Hunter2!@host/db"}),
        ("cluster.metadata", {"api-key": "${env:Hunter2!}"}),
        ("cluster.labels", {"token": "Hunter2!"}),
        ("cluster.properties", {"spark-env:DB_PASSWORD": "Hunter2!"}),
        ("cluster.properties", {"core:fs.s3a.secret.key": "Hunter2!"}),
        ("job.properties", {"spark.executorEnv.API_TOKEN": "Hunter2!"}),
    ],
)
def test_a_secret_in_what_everybody_sees_is_refused_and_not_repeated(path: str, value: dict[str, str]) -> None:
    (name,) = value
    (fault,) = faults_of(changed(path, value))
    assert (fault.path, fault.code) == (f"{path}.{name}", "SECRET_IN_FILE")
    assert "Hunter2" not in f"{fault.message} {fault.hint}"
    assert "projects/P/secrets/NAME" in (fault.hint or "")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("cluster.metadata", {"db_password": "projects/my-project/secrets/db/versions/3"}),
        ("cluster.metadata", {"db_password": ""}),
        ("cluster.metadata", {"db-password-name": "db"}),
        ("cluster.labels", {"key": "a"}),
        ("cluster.properties", {"spark:spark.ui.token": "false"}),
        ("job.properties", {"spark.driver.memory": "2g"}),
    ],
)
def test_the_name_of_a_secret_is_none(path: str, value: dict[str, str]) -> None:
    assert faults_of(changed(path, value)) == []
