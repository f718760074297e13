# SPDX-License-Identifier: Apache-2.0
"""The preflight on a real API server: each finding is provoked, and gone once the YAML that comes with it has been applied."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from airflow_dataops.clients.spark_k8s.preflight import preflight
from airflow_dataops.clients.spark_k8s.settings import KubeSettings
from airflow_dataops.core.preflight.findings import Finding, Level
from airflow_dataops.core.spark_k8s.merge import merge
from airflow_dataops.core.spark_k8s.run import parse_parts
from airflow_dataops.core.spark_k8s.spec import RunParts
from tests.integration.spark_k8s.running import settings_of
from tests.services.kube.accounts import AIRFLOW, DRIVER, RBAC, Namespace, until
from tests.services.kube.api import MERGE, Api, ApiError
from tests.services.kube.kube_server import KubeServer

pytestmark = [pytest.mark.integration]

Document = dict[str, Any]
PROBLEM, WARNING, UNKNOWN = Level.PROBLEM, Level.WARNING, Level.UNKNOWN
PLURALS = {
    "Role": ("roles", f"{RBAC}/v1"),
    "RoleBinding": ("rolebindings", f"{RBAC}/v1"),
    "ResourceQuota": ("resourcequotas", "v1"),
    "LimitRange": ("limitranges", "v1"),
    "ServiceAccount": ("serviceaccounts", "v1"),
    "Secret": ("secrets", "v1"),
    "ConfigMap": ("configmaps", "v1"),
    "PersistentVolumeClaim": ("persistentvolumeclaims", "v1"),
}


@pytest.fixture
def space(kube: KubeServer) -> Iterator[Namespace]:
    """A namespace without a node: nothing is ever made in it."""
    made = Namespace(kube, Api(kube))
    yield made
    made.remove()


def document(space: Namespace, **app: Any) -> Document:
    parts = {
        "main": "local:///opt/app/job.py",
        "image": "registry.example.com/team/spark:3.5",
        "driver": {"cores": 1, "memory": "1g"},
        "executor": {"cores": 2, "memory": "2g"},
        "executors": 2,
        "secret_env": {"PASSWORD": "conn:store.password"},
        **app,
    }
    return {"app": parts, "target": {"namespace": space.name, "service_account": DRIVER}}


def run_of(given: Document) -> RunParts:
    return parse_parts(given)


def looked(space: Namespace, given: Document, **settings: Any) -> dict[str, Finding]:
    found = preflight(settings.get("settings") or settings_of(space), run_of(given))
    assert len({one.check for one in found}) == len(found), [one.check for one in found]
    return {one.check: one for one in found}


def apply(space: Namespace, finding: Finding) -> None:
    """Apply the manifests as ``kubectl apply --server-side`` does, through YAML."""
    from airflow_dataops.report.manifests import yaml_of

    for one in yaml.safe_load_all(yaml_of(finding.manifests)):
        metadata = one["metadata"]
        if one["kind"] == "Namespace":
            path = f"/api/v1/namespaces/{metadata['name']}"
        else:
            kind, group = PLURALS[one["kind"]]
            path = space.path(kind, metadata["name"], group=group)
        space.api("PATCH", path, one, "application/apply-patch+yaml", fieldManager="kubectl", force="true")


def settled(space: Namespace, given: Document, check: str) -> dict[str, Finding]:
    """Return the findings as soon as one is no more: caches of the API server, and the quota's controller, follow late."""
    found: dict[str, Finding] = {}

    def gone() -> bool:
        nonlocal found
        found = looked(space, given)
        return check not in found or found[check].level is Level.OK

    until(gone)
    return found


def bad(found: dict[str, Finding]) -> dict[str, Level]:
    return {check: one.level for check, one in found.items() if one.level is not Level.OK}


def make(space: Namespace, kind: str, name: str, **more: Any) -> None:
    plural, group = PLURALS[kind]
    space.api("POST", space.path(plural, group=group), {"metadata": {"name": name}, **more})


def quota(**hard: str) -> Callable[[Namespace], None]:
    return lambda space: space.quota(**hard)


def limits(**limit: Any) -> Callable[[Namespace], None]:
    return lambda space: make(space, "LimitRange", "bounds", spec={"limits": [limit]})


def rules(account: str, *gone: str) -> Callable[[Namespace], None]:
    """Take rights to resources from an account."""

    def take(space: Namespace) -> None:
        path = space.path("roles", account, group=f"{RBAC}/v1")
        role = space.api("GET", path)
        for rule in role["rules"]:
            rule["resources"] = [one for one in rule["resources"] if one not in gone] or ["nothing"]
        space.api("PUT", path, role)

    return take


def no_token(space: Namespace) -> None:
    space.api("PATCH", space.path("serviceaccounts", DRIVER), {"automountServiceAccountToken": False}, MERGE)


def account_with_a_pull_secret(space: Namespace) -> None:
    body = {"imagePullSecrets": [{"name": "of-the-account"}]}
    space.api("PATCH", space.path("serviceaccounts", DRIVER), body, MERGE)


def nothing(space: Namespace) -> None:
    pass


CLAIM = {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "lake"}}]}
ROOT = {"containers": [{"name": "spark-kubernetes-driver", "securityContext": {"allowPrivilegeEscalation": True}}]}
DISK = {"type": "Container", "default": {"ephemeral-storage": "100Mi"}}
MENDED = [
    ("own rights", rules(AIRFLOW, "pods/log", "configmaps"), {}, "own.rights", PROBLEM),
    ("events only help", rules(AIRFLOW, "events"), {}, "own.rights", WARNING),
    ("driver's rights", rules(DRIVER, "pods"), {}, "service_account.rights", PROBLEM),
    ("driver's cleaning", rules(DRIVER, "persistentvolumeclaims"), {}, "service_account.rights", WARNING),
    ("may not ask for others", rules(AIRFLOW, "localsubjectaccessreviews"), {}, "service_account.rights", UNKNOWN),
    ("may not read quotas", rules(AIRFLOW, "resourcequotas"), {}, "quota", UNKNOWN),
    ("may not read limits", rules(AIRFLOW, "limitranges"), {}, "limit_range", UNKNOWN),
    ("may not read accounts", rules(AIRFLOW, "serviceaccounts"), {}, "service_account", UNKNOWN),
    ("quota never", quota(limits_memory="3Gi", limits_cpu="100"), {"driver": {"cpu_limit": 1}, "executor": {"cpu_limit": 1, "memory": "2g"}}, "quota.quota", PROBLEM),
    ("quota for some", quota(requests_cpu="4", requests_memory="100Gi"), {}, "quota.quota", WARNING),
    ("quota of pods", quota(pods="2"), {}, "quota.quota", WARNING),
    ("quota of objects", quota(configmaps="2"), {}, "quota.quota", WARNING),
    ("limit range", limits(type="Container", max={"memory": "1Gi"}), {}, "limit_range.bounds", PROBLEM),
    ("limit of pods", limits(type="Pod", max={"memory": "1Gi", "cpu": "500m"}), {"driver": {"cpu_limit": 1}, "executor": {"cpu_limit": 1}}, "limit_range.bounds", PROBLEM),
    ("least", limits(type="Container", min={"cpu": "3"}), {"driver": {"cpu_limit": 4}, "executor": {"cpu_limit": 4}}, "limit_range.bounds", PROBLEM),
    ("token", no_token, {}, "service_account", PROBLEM),
    ("pull secret", nothing, {"image_pull_secrets": ["registry"]}, "image_pull_secret.registry", PROBLEM),
    ("pull secret of the account", account_with_a_pull_secret, {}, "image_pull_secret.of-the-account", PROBLEM),
    ("secret", nothing, {"secret_env": {"A": {"name": "store", "key": "id"}}}, "secret.store", PROBLEM),
    ("config map", nothing, {"pod_template": {"spec": {"volumes": [{"name": "x", "configMap": {"name": "site"}}]}}}, "config_map.site", PROBLEM),
    ("claim", nothing, {"executor_template": {"spec": CLAIM}}, "claim.lake", PROBLEM),
    ("security", nothing, {"profile": "plain", "pod_template": {"spec": ROOT}}, "driver.admission", PROBLEM),
    ("security of a template", nothing, {"pod_template": {"spec": {"hostNetwork": True}}, "profile": "kind"}, "driver.admission", PROBLEM),
    ("security of executors", nothing, {"executor_template": {"spec": {"hostPID": True}}, "profile": "kind"}, "executor.admission", PROBLEM),
    ("limits of a quota", quota(limits_cpu="100"), {}, "quota.quota.limits.cpu", PROBLEM),
    ("disk", limits(**DISK), {}, "driver.disk", WARNING),
    ("disk of executors", limits(**DISK), {}, "executor.disk", WARNING),
]  # fmt: skip


def test_nothing_is_bad_where_all_is_there_and_nothing_is_made(space: Namespace) -> None:
    given = document(space, executors={"minimum": 0, "maximum": 4}, pod_template={"spec": {"nodeSelector": {"a": "b"}}})
    found = looked(space, given)
    assert bad(found) == {}
    assert {"api", "rules", "own.rights", "service_account", "service_account.rights", "quota"} <= set(found)
    assert {"driver.admission", "executor.admission", "image_pull_secret"} <= set(found)
    assert "v1.34" in found["api"].message
    assert f"system:serviceaccount:{space.name}:airflow" in found["api"].message
    for kind in ("pods", "configmaps", "secrets", "services"):
        made = [one["metadata"]["name"] for one in space.api("GET", space.path(kind))["items"]]
        assert [name for name in made if name != "kube-root-ca.crt"] == []


# One of each kind; the others under `make soak`.
QUICK = {
    *("own rights", "driver's rights", "may not ask for others", "quota never", "limits of a quota", "limit range"),
    *("pull secret", "claim", "security", "disk"),
}


@pytest.mark.parametrize(
    ("provoke", "app", "check", "level"),
    [pytest.param(*case[1:], id=case[0], marks=() if case[0] in QUICK else pytest.mark.soak) for case in MENDED],
)
def test_each_finding_goes_with_what_mends_it(
    space: Namespace, provoke: Callable[[Namespace], None], app: Document, check: str, level: Level
) -> None:
    provoke(space)
    given = document(space, **app)
    found: dict[str, Finding] = {}

    def seen() -> bool:
        nonlocal found
        found = looked(space, given)
        return check in found and found[check].level is level

    until(seen)
    finding = found[check]
    if finding.manifests:
        apply(space, finding)
    else:
        assert finding.fix is not None
        mends = yaml.safe_load(finding.fix)
        assert isinstance(mends, dict), finding.fix
        given = merge(given, mends)
    assert check not in bad(settled(space, given, check))


def test_a_namespace_that_has_no_room_now_has_some_later(space: Namespace) -> None:
    space.quota(pods="3")
    space.run("other")
    found = looked(space, document(space))
    until(lambda: (looked(space, document(space))["quota.quota"].level) is WARNING)
    found = looked(space, document(space))
    assert "1 are in use: it gets 1 of its 2 executors until others have ended" in found["quota.quota"].message


def test_fields_that_the_cluster_would_drop(space: Namespace) -> None:
    found = looked(space, document(space, pod_template={"spec": {"nodeSelektor": {"a": "b"}}}))
    assert bad(found) == {"driver.fields": WARNING}
    assert "spec.nodeSelektor" in found["driver.fields"].message


def test_a_pod_that_is_not_valid(space: Namespace) -> None:
    found = looked(space, document(space, pod_template={"spec": {"dnsPolicy": "Nobody"}}))
    assert bad(found) == {"driver.admission": PROBLEM}
    assert "dnsPolicy" in found["driver.admission"].message


def test_an_account_that_is_missing(space: Namespace) -> None:
    given = document(space)
    given["target"]["service_account"] = "nobody"
    found = looked(space, given)
    assert found["service_account"].level is PROBLEM
    assert found["service_account.rights"].level is PROBLEM
    for check in ("service_account", "service_account.rights"):
        apply(space, found[check])
    assert bad(settled(space, given, "service_account.rights")) == {}


def test_a_namespace_that_is_missing(space: Namespace) -> None:
    given = document(space)
    given["target"]["namespace"] = "not-there"
    admin = KubeSettings("not-there", kubeconfig=str(space.kube.kubeconfig))
    found = looked(space, given, settings=admin)
    assert found["namespace"].level is PROBLEM
    assert found["namespace"].manifests[0]["kind"] == "Namespace"


def test_an_account_that_may_nothing_is_told_what_it_needs(space: Namespace) -> None:
    space.account("stranger", [{"apiGroups": [""], "resources": ["nothing"], "verbs": ["get"]}])
    token = space.token("stranger")
    settings = KubeSettings(
        space.name, host=space.kube.url, token=lambda: token, ca_file=str(space.kube.authority.file)
    )
    found = looked(space, document(space, image_pull_secrets=["registry"]), settings=settings)
    assert "ok" not in {found[check].level for check in ("own.rights", "quota", "limit_range", "driver.admission")}
    assert found["image_pull_secret.registry"].level is UNKNOWN
    for check in ("own.rights", "quota"):
        subjects = found[check].manifests[1]["subjects"]
        assert subjects == [{"kind": "ServiceAccount", "name": "stranger", "namespace": space.name}]
        apply(space, found[check])

    def mended() -> bool:
        found.update(looked(space, document(space), settings=settings))
        return found["own.rights"].level is Level.OK and found["quota"].level is Level.OK

    until(mended)
    assert bad(looked(space, document(space), settings=settings)) == {}


def test_an_operator_that_is_not_installed(space: Namespace) -> None:
    given = document(space)
    given["target"] |= {"mode": "crd", "application_api": "spark.apache.org/v1"}
    if space.api.get("/apis/spark.apache.org/v1") is not None:
        pytest.skip("another test has installed it")
    found = looked(space, given)
    assert bad(found) == {"spark_application": PROBLEM}
    assert str(found["spark_application"].fix).startswith("helm install")


def test_a_token_that_nobody_knows(space: Namespace) -> None:
    settings = KubeSettings(
        space.name, host=space.kube.url, token=lambda: "wrong", ca_file=str(space.kube.authority.file)
    )
    found = looked(space, document(space), settings=settings)
    assert bad(found) == {"api": PROBLEM}
    assert "does not know who asks" in found["api"].message


@pytest.mark.parametrize("host", ["https://127.0.0.1:9", "https://no-such-host.invalid:6443"])
def test_a_server_that_is_not_there(space: Namespace, host: str) -> None:
    found = looked(space, document(space), settings=KubeSettings(space.name, host=host))
    assert bad(found) == {"api": PROBLEM}
    assert "cannot be asked" in found["api"].message


def test_no_secret_is_read(space: Namespace) -> None:
    make(space, "Secret", "registry", stringData={"a": "b"})
    with pytest.raises(ApiError, match="403"):
        Api(space.kube, space.token())("GET", space.path("secrets", "registry"))
    found = looked(space, document(space, image_pull_secrets=["registry"]))
    assert found["image_pull_secret.registry"].level is Level.OK
    assert json.dumps([one.model_dump(mode="json") for one in found.values()])
