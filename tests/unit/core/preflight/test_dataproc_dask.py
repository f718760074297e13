# SPDX-License-Identifier: Apache-2.0
"""What the answers of Google's services mean for a run."""

from __future__ import annotations

import re
from typing import Any

import pytest

from airflow_dataops.core.dataproc_dask.spec import RunParts
from airflow_dataops.core.machine import CallError
from airflow_dataops.core.preflight.asking import Answers
from airflow_dataops.core.preflight.dataproc_dask import KMS_ROLE, Lifecycle, findings, questions
from airflow_dataops.core.preflight.findings import Finding, Level

KEY = "projects/test-project/locations/europe-west1/keyRings/ring/cryptoKeys/disk"
SUBNET = "projects/host-project/regions/europe-west1/subnetworks/dask"
ACCOUNT = "dask@test-project.iam.gserviceaccount.com"
GONE, DENIED = CallError("NOT_FOUND", "no such thing"), CallError("PERMISSION_DENIED", "not yours")
AGENTS = {
    "engine": "serviceAccount:service-42@compute-system.iam.gserviceaccount.com",
    "storage": "serviceAccount:service-42@gs-project-accounts.iam.gserviceaccount.com",
    "dataproc": "serviceAccount:service-42@dataproc-accounts.iam.gserviceaccount.com",
}


def parts(**cluster: Any) -> RunParts:
    base: dict[str, Any] = {
        "project": "test-project",
        "region": "europe-west1",
        "subnetwork": SUBNET,
        "service_account": ACCOUNT,
        "kms_key": KEY,
        "init_actions": [{"uri": "gs://code/init/script.sh"}],
        "environment_uri": "gs://code/env.tar.gz",
        "nfs": {"server": "10.0.0.2", "export": "share"},
    }
    return RunParts.model_validate({"cluster": base | cluster})


def good() -> dict[str, Any]:
    everything = [
        right for question in questions(parts(), "jobs") for right in (question.body or {}).get("permissions", [])
    ]
    quotas = [
        {"metric": name, "limit": 100, "usage": 10} for name in ("CPUS", "N2_CPUS", "INSTANCES", "PREEMPTIBLE_CPUS")
    ]
    return {
        "project": {"projectNumber": "42"},
        "project.policy": {"bindings": [{"role": "roles/dataproc.worker", "members": [f"serviceAccount:{ACCOUNT}"]}]},
        "own": {"permissions": everything},
        "act_as": {"permissions": everything},
        "region": {"quotas": [*quotas, {"metric": "SSD_TOTAL_GB", "limit": 1000, "usage": 0}]},
        "machine:n2-standard-4": machines("n2-standard-4", 4),
        "subnet": {"privateIpGoogleAccess": True, "network": "https://x/projects/host-project/global/networks/vpc"},
        "subnets": {
            "pages": [
                {
                    "items": {
                        "regions/europe-west1": {"subnetworks": [{"network": "x/vpc", "ipCidrRange": "10.1.0.0/16"}]}
                    }
                }
            ]
        },
        "shares": {"pages": [{"instances": [{"networks": [{"network": "vpc", "ipAddresses": ["10.0.0.2"]}]}]}]},
        "key": {"primary": {"state": "ENABLED", "name": f"{KEY}/cryptoKeyVersions/3"}},
        "key.policy": {"bindings": [{"role": KMS_ROLE, "members": list(AGENTS.values())}]},
        "ring.policy": {},
        "bucket:jobs": {
            "permissions": [
                "storage.objects.create",
                "storage.objects.get",
                "storage.objects.list",
                "storage.objects.delete",
            ]
        },
        "gs://code/init/script.sh": {"name": "init/script.sh"},
        "gs://code/env.tar.gz": {"name": "env.tar.gz"},
    }


def machines(name: str, cores: int) -> dict[str, Any]:
    listed = {
        "zones/europe-west1-b": {"machineTypes": [{"name": name, "guestCpus": cores}]},
        "zones/x": {"warning": {}},
    }
    return {"pages": [{"items": listed}]}


def judge(
    run: RunParts | None = None, lifecycle: Lifecycle = "airflow", bucket: str | None = "jobs", **changes: Any
) -> dict[str, Finding]:
    run = run or parts()
    asked = {question.key: question for question in questions(run, bucket, lifecycle)}
    found = {key: answer for key, answer in (good() | changes).items() if key in asked}
    answers = Answers(found, asked, "serviceAccount:me@test-project.iam.gserviceaccount.com")
    return {finding.check: finding for finding in findings(run, answers, bucket, lifecycle)}


def test_every_question_has_an_answer_in_these_tests_and_all_is_well() -> None:
    assert {question.key for question in questions(parts(), "jobs")} == set(good())
    assert {check: finding for check, finding in judge().items() if finding.level is not Level.OK} == {}


def test_a_job_without_a_bucket_is_a_problem_and_a_cluster_alone_is_not() -> None:
    document = parts().model_dump() | {"job": {"function": "m:f"}}
    with_job = RunParts.model_validate(document)
    checks = {finding.check for finding in findings(with_job, Answers({}, {q.key: q for q in questions(with_job)}))}
    assert "bucket.named" in checks
    assert "bucket.named" not in judge(with_job)
    assert "bucket.named" not in {
        f.check for f in findings(parts(), Answers({}, {q.key: q for q in questions(parts())}))
    }


@pytest.mark.parametrize(
    ("lifecycle", "scaling", "right"),
    [
        ("airflow", False, "dataproc.clusters.create"),
        ("airflow", False, "dataproc.clusters.use"),  # to submit a job to it
        ("airflow", True, "dataproc.autoscalingPolicies.use"),
        ("google", False, "dataproc.workflowTemplates.instantiateInline"),
        ("google", False, "dataproc.operations.cancel"),
        ("google", False, "dataproc.clusters.delete"),  # where Google does not end its workflow
    ],
)
def test_each_permission_that_a_run_needs_is_asked_for_and_missed(
    lifecycle: Lifecycle, scaling: bool, right: str
) -> None:
    run = parts(autoscaling={"policy_uri": "p", "max_workers": 4} if scaling else None)
    own = next(question for question in questions(run, "jobs", lifecycle) if question.key == "own")
    held = [one for one in (own.body or {})["permissions"] if one != right]
    finding = judge(run, lifecycle, own={"permissions": held})["own.permissions"]
    assert (finding.level, right in finding.message) == (Level.PROBLEM, True)
    assert judge(run, lifecycle, own={"permissions": [*held, right]})["own.permissions"].level is Level.OK


def test_a_run_of_one_lifecycle_is_not_asked_for_the_permissions_of_the_other() -> None:
    asked = {
        lifecycle: set(
            (next(one for one in questions(parts(), None, lifecycle) if one.key == "own").body or {})["permissions"]
        )
        for lifecycle in ("airflow", "google")
    }
    assert not any("workflowTemplates" in right for right in asked["airflow"])
    assert "dataproc.clusters.create" not in asked["google"]


def test_what_a_workflow_cannot_do_is_a_problem_of_its_lifecycle_only() -> None:
    run = parts(auto_delete_ttl="3h")
    assert judge(run, "google")["rules.cluster.auto_delete_ttl"].level is Level.PROBLEM
    assert judge(run)["rules"].level is Level.OK


def test_a_bucket_is_judged_by_what_is_done_there() -> None:
    run = parts(staging_bucket="logs", temp_bucket="scratch")
    reads = {"permissions": ["storage.objects.get", "storage.objects.list"]}
    found = judge(run, **{"bucket:logs": reads, "bucket:scratch": {}})
    assert (found["bucket.logs"].level, found["bucket.scratch"].level) == (Level.OK, Level.OK)
    found = judge(run, bucket=None, **{"bucket:logs": reads})
    assert found["bucket.logs"].level is Level.PROBLEM
    assert judge(run, **{"bucket:scratch": GONE})["bucket.scratch"].level is Level.PROBLEM


def test_without_the_right_to_replace_objects_a_run_works_and_is_told_what_it_loses() -> None:
    held = ["storage.objects.create", "storage.objects.get", "storage.objects.list"]
    finding = judge(**{"bucket:jobs": {"permissions": held}})["bucket.jobs"]
    assert (finding.level, "storage.objects.delete" in finding.message) == (Level.WARNING, True)


def test_a_subnetwork_by_its_name_alone_is_looked_for_in_the_clusters_project_and_region() -> None:
    paths = [question.path for question in questions(parts(subnetwork="dask")) if question.key == "subnet"]
    assert paths == ["projects/test-project/regions/europe-west1/subnetworks/dask"]


def test_names_are_escaped_where_they_are_asked_for() -> None:
    asked = {question.key: question for question in questions(parts(), "jobs")}
    assert asked["gs://code/init/script.sh"].path == "b/code/o/init%2Fscript.sh"
    odd = parts(environment_uri="gs://code/a b/ü~1_2-3.zip")
    assert "b/code/o/a%20b%2F%C3%BC~1_2-3.zip" in [question.path for question in questions(odd)]


@pytest.mark.parametrize(
    ("key", "answer", "check", "fix"),
    [
        ("own", {"permissions": []}, "own.permissions", "--role=roles/dataproc.editor"),
        ("act_as", {}, "service_account.act_as", f"add-iam-policy-binding {ACCOUNT}"),
        ("act_as", GONE, "service_account.act_as", "gcloud iam service-accounts create dask --project=test-project"),
        ("subnet", {"network": "x/vpc"}, "subnet.private_google_access", "subnets update dask --project=host-project --region=europe-west1 --enable-private-ip-google-access"),
        ("subnet", GONE, "subnet.exists", "subnets create dask --project=host-project"),
        ("key", GONE, "key.exists", "gcloud kms keys create disk --project=test-project --location=europe-west1 --keyring=ring"),
        ("key", {"primary": {"state": "DISABLED", "name": f"{KEY}/cryptoKeyVersions/3"}}, "key.enabled", "versions enable 3 --key=disk"),
        ("key.policy", {}, "key.grant.dataproc", f"--member={AGENTS['dataproc']} --role={KMS_ROLE}"),
        ("key.policy", {}, "key.grant.storage", f"--member={AGENTS['storage']}"),
        ("key.policy", {}, "key.grant.engine", f"--member={AGENTS['engine']}"),
        ("bucket:jobs", GONE, "bucket.jobs", "gcloud storage buckets create gs://jobs"),
        ("bucket:jobs", {"permissions": ["storage.objects.get"]}, "bucket.jobs", "--role=roles/storage.objectUser"),
        ("gs://code/init/script.sh", GONE, "object.init_script", "gcloud storage cp FILE"),
        ("gs://code/env.tar.gz", GONE, "object.environment", "dataops package"),
        ("region", {"quotas": [{"metric": "N2_CPUS", "limit": 8, "usage": 0}]}, "quota.N2_CPUS", "--quota-id=N2-CPUS-per-project-region --dimensions=region=europe-west1 --preferred-value=12"),
        ("machine:n2-standard-4", {"pages": [{"items": {}}]}, "quota.n2-standard-4", "machine-types list"),
        ("shares", {"pages": [{"instances": [{"networks": [{"network": "other", "ipAddresses": ["10.0.0.2"]}]}]}]}, "nfs.network", "gcloud filestore instances list"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_a_problem_with_the_line_that_mends_it(key: str, answer: Any, check: str, fix: str) -> None:
    finding = judge(**{key: answer})[check]
    assert finding.level is Level.PROBLEM
    assert fix in (finding.fix or "")


@pytest.mark.parametrize("key", sorted(set(good()) - {"subnets", "project.policy", "ring.policy", "key.policy"}))
def test_what_nobody_lets_us_see_is_unknown_and_says_the_grant(key: str) -> None:
    before, after = judge(), judge(**{key: DENIED})
    lost = {check for check, finding in before.items() if after.get(check) != finding}
    assert lost or set(after) - set(before)
    changed = [finding for check, finding in after.items() if before.get(check) != finding]
    assert {finding.level for finding in changed} == {Level.UNKNOWN}
    for finding in changed:
        assert re.search(
            r"gcloud projects add-iam-policy-binding \S+-project --member=\S+ --role=roles/", finding.fix or ""
        )


def test_a_key_policy_that_cannot_be_read_is_unknown_unless_the_ring_grants() -> None:
    assert judge(**{"key.policy": DENIED})["key.grant.dataproc"].level is Level.UNKNOWN
    ring = good()["key.policy"]
    assert judge(**{"key.policy": DENIED, "ring.policy": ring})["key.grant.dataproc"].level is Level.OK


def test_a_grant_with_a_condition_does_not_count() -> None:
    bound = {"role": KMS_ROLE, "members": list(AGENTS.values()), "condition": {"expression": "false"}}
    assert judge(**{"key.policy": {"bindings": [bound]}})["key.grant.storage"].level is Level.PROBLEM


def test_a_service_that_is_down_asks_for_no_grant() -> None:
    finding = judge(subnet=CallError("UNAVAILABLE", "busy"))["subnet.private_google_access"]
    assert (finding.level, finding.fix) == (Level.UNKNOWN, None)


def test_a_key_of_another_region_is_a_problem() -> None:
    run = parts(kms_key=KEY.replace("europe-west1", "us-east1"))
    assert judge(run)["key.location"].level is Level.PROBLEM
    assert "key.location" not in judge(parts(kms_key=KEY.replace("europe-west1", "global")))


def test_quota_that_others_use_now_is_a_warning() -> None:
    used = {"quotas": [{"metric": "N2_CPUS", "limit": 100, "usage": 95}]}
    assert judge(region=used)["quota.N2_CPUS"].level is Level.WARNING


def test_spot_machines_have_a_quota_of_their_own() -> None:
    run = parts(secondary={"count": 30, "choices": [{"machine_types": ["n2-standard-4"]}]})
    assert judge(run)["quota.PREEMPTIBLE_CPUS"].level is Level.PROBLEM
    none = {"quotas": [{"metric": "PREEMPTIBLE_CPUS", "limit": 0, "usage": 0}]}
    assert judge(run, region=none)["quota.PREEMPTIBLE_CPUS"].level is Level.WARNING


def test_a_family_without_a_quota_counts_as_cpus() -> None:
    run = parts(master={"machine_type": "e2-standard-4"})
    found = judge(run, **{"machine:e2-standard-4": machines("e2-standard-4", 4)})
    assert "4 of CPUS" in found["quota.CPUS"].message
    assert "8 of N2_CPUS" in found["quota.N2_CPUS"].message


def test_a_server_of_ones_own_inside_the_network_is_well() -> None:
    none = {"pages": [{}]}
    assert judge(parts(nfs={"server": "10.1.2.3", "export": "e"}), shares=none)["nfs.network"].level is Level.OK
    for server in ("10.9.9.9", "nfs.example"):
        run = parts(nfs={"server": server, "export": "e"})
        assert judge(run, shares=none)["nfs.network"].level is Level.UNKNOWN


def test_times_to_live_out_of_bounds_are_found() -> None:
    finding = judge(parts(idle_delete_ttl="1m", auto_delete_ttl="5m"))["rules.cluster.idle_delete_ttl"]
    assert finding.level is Level.PROBLEM
    assert finding.fix == "write 5m"


def test_no_account_is_a_warning() -> None:
    assert judge(parts(service_account=None))["service_account.act_as"].level is Level.WARNING


def test_an_account_without_the_workers_role_is_a_warning() -> None:
    finding = judge(**{"project.policy": {}})["service_account.worker"]
    assert finding.level is Level.WARNING
    assert f"--member=serviceAccount:{ACCOUNT} --role=roles/dataproc.worker" in (finding.fix or "")


def test_machines_that_nothing_puts_dask_onto_are_told() -> None:
    bare = parts(init_actions=[])
    found = {
        one.check: one for one in findings(bare, Answers(good(), {q.key: q for q in questions(bare, "jobs")}), "jobs")
    }
    assert found["init_actions.named"].level is Level.WARNING
    assert (found["init_actions.named"].fix or "").startswith("dataops package ")
    assert "init_actions.named" not in {one.check for one in findings(parts(), Answers(good()), "jobs")}


LAKE = "gs://lake/tables"
IN_THE_PROJECT = {"lake": {"projectNumber": "42"}, "lake.policy": {"bindings": []}}
ELSEWHERE = {"lake": {"projectNumber": "43"}, "lake.policy": {"bindings": []}}


def lake_of(answers: dict[str, Any], lake: str | None = LAKE, run: RunParts | None = None) -> dict[str, Finding]:
    run = run or parts()
    asked = {question.key: question for question in questions(run, "jobs", lake=lake)}
    found = {key: answer for key, answer in (good() | answers).items() if key in asked}
    judged = findings(run, Answers(found, asked), "jobs", lake=lake)
    return {finding.check: finding for finding in judged if finding.check.startswith("lake.")}


def granted(role: str) -> dict[str, Any]:
    return {"bindings": [{"role": role, "members": [f"serviceAccount:{ACCOUNT}"]}]}


@pytest.mark.parametrize(
    ("answers", "levels"),
    [
        (IN_THE_PROJECT, ("ok", "ok")),
        (ELSEWHERE, ("ok", "warning")),
        (ELSEWHERE | {"lake.policy": granted("roles/storage.objectUser")}, ("ok", "ok")),
        (ELSEWHERE | {"lake.policy": granted("roles/storage.objectViewer")}, ("ok", "warning")),
        (IN_THE_PROJECT | {"project.policy": {}}, ("ok", "warning")),
        (IN_THE_PROJECT | {"project.policy": DENIED}, ("ok", "unknown")),
        (ELSEWHERE | {"project.policy": DENIED}, ("ok", "warning")),
        (ELSEWHERE | {"lake.policy": DENIED}, ("ok", "unknown")),
        ({"lake": DENIED, "lake.policy": granted("roles/storage.admin")}, ("unknown", "ok")),
        ({"lake": DENIED, "lake.policy": DENIED}, ("unknown", "unknown")),
    ],
)
def test_a_lakes_bucket_has_to_be_there_and_to_be_the_machines_to_write(
    answers: dict[str, Any], levels: tuple[str, str]
) -> None:
    found = lake_of(answers)
    assert (found["lake.bucket"].level, found["lake.rights"].level) == levels
    if levels[1] == "warning":
        fix = found["lake.rights"].fix or ""
        assert fix.startswith("gcloud storage buckets add-iam-policy-binding gs://lake ")
        assert ACCOUNT in fix


def test_a_lake_without_its_bucket_is_a_problem_with_the_line_that_makes_it() -> None:
    (finding,) = lake_of({"lake": GONE, "lake.policy": GONE}).values()
    assert (finding.check, finding.level) == ("lake.bucket", Level.PROBLEM)
    assert (finding.fix or "").startswith("gcloud storage buckets create gs://lake --project=test-project")


@pytest.mark.parametrize("lake", [None, "/mnt/lake", "s3://lake/x", "gs://${env:LAKE}/x"])
def test_a_lake_in_no_bucket_that_is_known_is_not_asked_for(lake: str | None) -> None:
    assert lake_of({}, lake) == {}


def test_of_the_projects_own_account_only_the_bucket_is_looked_at() -> None:
    assert list(lake_of(ELSEWHERE, run=parts(service_account=None))) == ["lake.bucket"]
