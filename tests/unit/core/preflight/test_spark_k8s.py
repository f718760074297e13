# SPDX-License-Identifier: Apache-2.0
"""What answers of an API server mean for a Spark program, where no test server gives them."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.machine import CallError
from airflow_dataops.core.preflight.findings import Finding, Level
from airflow_dataops.core.preflight.kube_asking import KubeAnswers
from airflow_dataops.core.preflight.spark_k8s import Store, findings, more_questions, questions, stores_of
from airflow_dataops.core.spark_k8s.run import parse_parts
from airflow_dataops.core.spark_k8s.spec import RunParts, SecretKeyRef

Document = dict[str, Any]
ME = {"status": {"userInfo": {"username": "kim"}}}


def run_of(mode: str = "direct", **app: Any) -> RunParts:
    program = {"main": "local:///job.py", "image": "reg.example.com/spark", "driver": {"memory": "1g"}, **app}
    return parse_parts({"app": program, "target": {"namespace": "team", "service_account": "spark", "mode": mode}})


def answered(run: RunParts, **found: Any) -> KubeAnswers:
    """Return what a cluster says in which all is there."""
    said: Document = {}
    for question in questions(run):
        kind = question.key.partition(":")[0]
        review = question.key.startswith(("own:", "driver:"))
        said[question.key] = {"status": {"allowed": True}} if review else {"items": []}
        if kind in ("driver", "executor") and question.body and not review:
            said[question.key] = question.body
        if kind in ("Secret", "imagePullSecret", "ConfigMap"):
            said[question.key] = CallError("CONFLICT", "already exists")
    return KubeAnswers("team", {**said, "whoami": ME, "version": {"gitVersion": "v1.34.4"}, **found})


def found_in(run: RunParts, **found: Any) -> dict[str, Finding]:
    return {one.check: one for one in findings(run, answered(run, **found))}


def quota(scopes: Document | None = None, used: Document | None = None, **hard: str) -> Document:
    hard = {name.replace("_", "."): value for name, value in hard.items()}
    spec = {"hard": hard, **(scopes or {})}
    item = {
        "metadata": {"name": "q", "namespace": "team"},
        "spec": spec,
        "status": {"hard": hard, "used": used or {}},
    }
    return {"items": [item]}


def test_all_is_well_where_all_is_there() -> None:
    assert {one.level for one in found_in(run_of()).values()} == {Level.OK}


@pytest.mark.parametrize(
    ("scopes", "level"),
    [
        ({}, Level.PROBLEM),
        ({"scopes": ["NotBestEffort"]}, Level.PROBLEM),
        ({"scopes": ["BestEffort"]}, Level.OK),
        ({"scopes": ["Terminating"]}, Level.PROBLEM),  # the driver alone is over 1 pod in none of them
        ({"scopes": ["NotTerminating"]}, Level.PROBLEM),
        (
            {
                "scopeSelector": {
                    "matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}]
                }
            },
            Level.OK,
        ),
        (
            {"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "DoesNotExist"}]}},
            Level.PROBLEM,
        ),
    ],
)
def test_a_quota_counts_the_pods_in_its_scopes(scopes: Document, level: Level) -> None:
    found = found_in(run_of(), quotas=quota(scopes, pods="0"))
    assert found["quota.q"].level is level


def test_a_driver_alone_and_its_executors_may_be_counted_apart() -> None:
    ends = found_in(run_of(executors=5), quotas=quota({"scopes": ["Terminating"]}, pods="1"))
    assert ends["quota.q"].level is Level.OK
    lasts = found_in(run_of(executors=5), quotas=quota({"scopes": ["NotTerminating"]}, pods="4"))
    assert "4 of its 5 executors" in lasts["quota.q"].message


def test_a_quota_that_is_not_counted_yet_is_read_as_it_is_wanted() -> None:
    given = quota(pods="1")
    given["items"][0]["status"] = {}
    assert found_in(run_of(), quotas=given)["quota.q"].level is Level.PROBLEM


def test_overhead_and_all_executors_count() -> None:
    run = run_of(executor={"memory": "4g"}, executors={"minimum": 0, "maximum": 10})
    found = found_in(run, quotas=quota(limits_memory="20Gi"))["quota.q"]
    # 1024 + max(384, 0.4 * 1024) and 4096 + 0.4 * 4096, as Spark reckons for Python
    assert "limits.memory 58773Mi (driver 1433Mi, 10 executors of 5734Mi)" in found.message
    assert "gets 3 of its 10 executors" in found.message
    assert found.manifests[0]["spec"]["hard"] == {"limits.memory": "58773Mi"}


def test_all_that_a_quota_lacks_is_in_one_manifest() -> None:
    found = found_in(run_of(), quotas=quota(used={"pods": "1"}, pods="2", requests_memory="1Gi", services="5"))
    hard = found["quota.q"].manifests[0]["spec"]["hard"]
    assert hard == {"pods": "4", "requests.memory": "4299Mi", "services": "5"}


@pytest.mark.parametrize(
    ("said", "profile", "fix", "manifest"),
    [
        ("unable to validate against any security context constraint: runAsUser 185", "kind", "app: {profile: openshift}", None),
        ("unable to validate against any security context constraint: x", "openshift", None, "RoleBinding"),
        ('violates PodSecurity "restricted:latest": runAsNonRoot != true', "plain", "app: {profile: openshift}", None),
    ],
)  # fmt: skip
def test_security_rules(said: str, profile: str, fix: str | None, manifest: str | None) -> None:
    found = found_in(run_of(profile=profile), driver=CallError("FORBIDDEN", said))["driver.admission"]
    assert (found.level, found.fix) == (Level.PROBLEM, fix)
    assert [one["kind"] for one in found.manifests] == ([manifest] if manifest else [])


def test_the_security_context_constraint_is_told() -> None:
    driver = {"metadata": {"annotations": {"openshift.io/scc": "restricted-v2"}}, "spec": {"containers": []}}
    assert "restricted-v2" in found_in(run_of(), driver=driver)["driver.admission"].message


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (CallError("FORBIDDEN", 'pods is forbidden: User "x" cannot create resource "pods"'), Level.PROBLEM),
        (CallError("FORBIDDEN", "exceeded quota: q, requested: pods=1"), Level.WARNING),
        (CallError("FORBIDDEN", "error looking up service account team/spark: serviceaccount x not found"), Level.PROBLEM),
        (CallError("INVALID", "spec.x: no"), Level.PROBLEM),
        (CallError("TOO_MANY", "later"), Level.UNKNOWN),
        (CallError("SERVER", "a webhook did not answer"), Level.UNKNOWN),
    ],
)  # fmt: skip
def test_pods_that_are_refused(error: CallError, level: Level) -> None:
    assert found_in(run_of(), driver=error)["driver.admission"].level is level


def test_a_claim_is_looked_at() -> None:
    volume = {"spec": {"volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "lake"}}]}}
    run = run_of(executor_template=volume)
    key = "PersistentVolumeClaim:lake"
    for status, modes, level in [
        ("Bound", ["ReadWriteMany"], Level.OK),
        ("Bound", ["ReadWriteOnce"], Level.WARNING),
        ("Pending", ["ReadWriteOnce"], Level.OK),
        ("Lost", ["ReadWriteMany"], Level.PROBLEM),
    ]:
        claim = {"status": {"phase": status}, "spec": {"accessModes": modes}}
        assert found_in(run, **{key: claim})["claim.lake"].level is level


def test_claims_on_demand_are_the_drivers_to_make() -> None:
    claim = "spark.kubernetes.executor.volumes.persistentVolumeClaim.spill.options.claimName"
    run = run_of(conf={claim: "OnDemand"})
    assert "driver:create persistentvolumeclaims" in {one.key for one in questions(run)}
    assert not any(one.key.startswith("PersistentVolumeClaim") for one in questions(run))


def test_pull_secrets_of_the_account_are_asked_for_where_the_run_names_none() -> None:
    account = {"imagePullSecrets": [{"name": "of-the-account"}]}
    for given, wanted in [([], ["imagePullSecret:of-the-account"]), (["own"], [])]:
        run = run_of(image_pull_secrets=given)
        asked = more_questions(run, answered(run, account=account))
        assert [one.key for one in asked] == wanted


def test_optional_objects_and_our_own_are_not_looked_for() -> None:
    volume = {"name": "x", "secret": {"secretName": "maybe", "optional": True}}
    run = run_of(pod_template={"spec": {"volumes": [volume]}}, secret_env={"A": "env:A"})
    assert not any(one.key.startswith(("Secret", "ConfigMap")) for one in questions(run))


def test_nothing_that_is_created_is_created() -> None:
    run = run_of(image_pull_secrets=["a"], pod_template={"spec": {"nodeSelector": {"a": "b"}}})
    for mode in ("direct", "crd"):
        for question in questions(run.model_copy(update={"target": run_of(mode).target})):
            assert question.body is None or "review" in question.path or question.query["dryRun"] == "All"


def test_a_run_that_breaks_rules_is_told_so_and_its_pods_are_not_asked_for() -> None:
    run = run_of(driver={"memory": "1m"})
    found = found_in(run)
    assert any(check.startswith("rules.") and one.level is Level.PROBLEM for check, one in found.items())
    assert "driver.admission" not in found
    assert found["own.rights"].level is Level.OK


@pytest.mark.parametrize("code", ["UNAVAILABLE", "UNTRUSTED", "KUBECONFIG_INVALID", "UNAUTHORIZED"])
def test_without_an_api_server_nothing_else_is_told_of_it(code: str) -> None:
    found = found_in(run_of(), whoami=CallError(code, "no"))
    assert {check for check, one in found.items() if one.level is not Level.OK} == {"api"}
    assert "own.rights" not in found


def test_an_api_server_that_does_not_say_who_asks() -> None:
    found = found_in(run_of(), whoami=CallError("NOT_FOUND"), quotas=CallError("FORBIDDEN", "no"))
    assert "REPLACE-WITH" in found["quota"].manifests[1]["subjects"][0]["name"]


def test_stores() -> None:
    run = run_of(
        event_log="s3a://logs/spark", py_files=["s3a://code/lib.zip#lib", "local:///x.py"], main="s3a://code/a.py"
    )
    assert stores_of(run, "s3://lake") == ("s3://lake", "s3a://logs/spark", "s3a://code/a.py", "s3a://code/lib.zip")
    looks = [
        Store("s3://a", seconds=0.1, skew=1.0),
        Store("s3://b", seconds=0.1, skew=-400.0),
        Store("s3://c", error="S3_DENIED: no", hint="do this"),
        Store("s3://d"),
    ]
    found = {one.check: one for one in findings(run, answered(run), looks)}
    assert [found[f"s3.{name}"].level.value for name in "abcd"] == ["ok", "warning", "problem", "unknown"]
    assert found["s3.c"].fix == "do this"


@pytest.mark.parametrize(("keys", "said"), [(True, "those of Secret lake-keys"), (False, "their own role")])
def test_a_store_whose_keys_only_the_cluster_has_is_no_problem_and_no_pass(keys: bool, said: str) -> None:
    secret = {"AWS_SECRET_ACCESS_KEY": SecretKeyRef(name="lake-keys", key="AWS_SECRET_ACCESS_KEY")} if keys else {}
    run = run_of(secret_env=secret)
    look = Store("s3://lake", error="S3_AUTH: no credentials", hint="look at the keys", keyless=True)
    found = {one.check: one for one in findings(run, answered(run), [look])}["s3.lake"]
    assert (found.level.value, said in found.message) == ("unknown", True)
    assert "S3_ACCESS_KEY_ID" in str(found.fix)


def test_mode_standalone_has_no_namespace() -> None:
    with pytest.raises(SpecError, match="uses no namespace"):
        questions(run_of("standalone"))


def test_mode_crd_needs_other_rights_and_its_kind() -> None:
    run = run_of("crd")
    keys = {one.key for one in questions(run)}
    assert {"own:create sparkapplications", "kinds", "application"} <= keys
    assert not {"own:create pods", "driver"} & keys
    assert found_in(run, kinds={"resources": [{"name": "sparkapplications"}]})["spark_application"].level is Level.OK
    refused = found_in(run, application=CallError("INVALID", "spec.type: no"))["application.admission"]
    assert refused.level is Level.PROBLEM
