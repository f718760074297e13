# SPDX-License-Identifier: Apache-2.0
"""What kustomize makes of each overlay, on a real API server with Pod Security ``restricted``."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_dataops.clients.metadata.cluster import look
from airflow_dataops.clients.spark_k8s.settings import KubeSettings
from tests.services.edge_tools import built
from tests.services.kube.accounts import RBAC, Namespace, until
from tests.services.kube.api import Api, ApiError
from tests.services.kube.kube_server import KubeServer

Document = dict[str, Any]
OVERLAYS = ("base", "overlays/k3s", "overlays/eks")
PLURALS = {
    "ConfigMap": "configmaps",
    "Deployment": "deployments",
    "HorizontalPodAutoscaler": "horizontalpodautoscalers",
    "Job": "jobs",
    "NetworkPolicy": "networkpolicies",
    "PodDisruptionBudget": "poddisruptionbudgets",
    "Role": "roles",
    "RoleBinding": "rolebindings",
    "Service": "services",
    "ServiceAccount": "serviceaccounts",
}
OF_THE_CLUSTER = {"ClusterRole": "clusterroles", "ClusterRoleBinding": "clusterrolebindings"}
FOREIGN = {"ExternalSecret"}  # an operator's: no part of Kubernetes


class Estate:
    """An overlay in a namespace of another name."""

    def __init__(self, space: Namespace, overlay: str) -> None:
        self.space, self.made = space, list[str]()
        text = json.dumps(built(overlay)).replace('"namespace": "edge"', f'"namespace": "{space.name}"')
        text = text.replace('"metadata-preflight-nodes"', f'"metadata-preflight-{space.name}"')
        self.objects: list[Document] = json.loads(text)

    def of(self, *kinds: str) -> list[Document]:
        return [one for one in self.objects if one["kind"] in kinds]

    def apply(self) -> None:
        for one in self.objects:
            if one["kind"] not in {"Namespace", *FOREIGN}:
                self._apply(one)

    def _apply(self, one: Document) -> None:
        name, group = one["metadata"]["name"], one["apiVersion"]
        if one["kind"] in OF_THE_CLUSTER:
            path = f"/apis/{group}/{OF_THE_CLUSTER[one['kind']]}/{name}"
            self.made.append(path)
        else:
            path = self.space.path(PLURALS[one["kind"]], name, group=group)
        more = {"fieldManager": "kubectl", "fieldValidation": "Strict", "force": "true"}
        self.space.api("PATCH", path, one, "application/apply-patch+yaml", **more)

    def admit(self, workload: Document, **security: Any) -> Any:
        """Ask for a pod of a workload, which is not made."""
        template = copy.deepcopy(workload["spec"]["template"])
        for container in template["spec"]["containers"]:
            container["securityContext"].update(security)
        metadata = {**template["metadata"], "generateName": "asked-"}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
        return self.space.api("POST", self.space.path("pods"), pod, dryRun="All", fieldValidation="Strict")

    def remove(self) -> None:
        for path in self.made:
            self.space.api("DELETE", path)
        self.space.remove()


@pytest.fixture(params=OVERLAYS)
def estate(request: pytest.FixtureRequest, kube: KubeServer) -> Iterator[Estate]:
    overlay = str(request.param)
    built(overlay)  # skips where kustomize is not there, before anything is made
    made = Estate(Namespace(kube, Api(kube)), overlay)
    yield made
    made.remove()


def test_all_is_taken_and_its_pods_are_let_in(estate: Estate) -> None:
    estate.apply()
    workloads = estate.of("Deployment", "Job")
    assert sorted(one["metadata"]["name"] for one in workloads) == [
        "metadata-api",
        "metadata-topics",
        "metadata-worker",
    ]
    for one in workloads:
        taken = estate.admit(one)
        assert taken["spec"]["automountServiceAccountToken"] is False
        assert [each["securityContext"]["readOnlyRootFilesystem"] for each in taken["spec"]["containers"]] == [True]
    with pytest.raises(ApiError, match="violates PodSecurity"):
        estate.admit(workloads[0], allowPrivilegeEscalation=True)


def test_the_preflights_account_sees_nodes_and_pods_and_no_other_may_anything(estate: Estate) -> None:
    estate.apply()
    space = estate.space
    until(lambda: space.may("metadata-preflight", "list", "nodes"))
    config = space.kubeconfig("metadata-preflight")
    found = look(space.name, 30, KubeSettings(space.name, kubeconfig=str(config)))
    assert [one.name for one in found] == ["nodes", f"pods of {space.name}"]
    assert [one.found for one in found if "403" in one.found or "FORBIDDEN" in one.found.upper()] == []
    assert not space.may("metadata-preflight", "list", "secrets")
    others = ("metadata-api", "metadata-worker", "metadata-topics")
    assert not [name for name in others for kind in ("nodes", "pods", "secrets") if space.may(name, "list", kind)]


def test_the_namespace_itself_is_restricted() -> None:
    for overlay in OVERLAYS:
        [found] = [one for one in built(overlay) if one["kind"] == "Namespace"]
        assert found["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
        assert {one["metadata"]["namespace"] for one in built(overlay) if "namespace" in one["metadata"]} == {"edge"}


def test_a_binding_names_the_account_of_this_namespace(estate: Estate) -> None:
    subjects = [subject for one in estate.of("RoleBinding", "ClusterRoleBinding") for subject in one["subjects"]]
    assert {(one["name"], one["namespace"]) for one in subjects} == {("metadata-preflight", estate.space.name)}
    assert {one["roleRef"]["apiGroup"] for one in estate.of("RoleBinding")} == {RBAC}
