# SPDX-License-Identifier: Apache-2.0
"""The manifests of the pages, word for word, as ``kubectl apply --server-side`` brings them to a real API server with Pod Security ``restricted``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.house.blocks import blocks
from tests.services.kube.accounts import RBAC, Namespace, until
from tests.services.kube.api import Api
from tests.services.kube.kube_server import KubeServer

yaml = pytest.importorskip("yaml")
RIGHTS, IN_A_POD = Path("docs/how-to/spark_k8s.md"), Path("docs/how-to/onprem.md")
KINDS = {"Role": "roles", "RoleBinding": "rolebindings", "ServiceAccount": "serviceaccounts", "Pod": "pods"}
WORKER, SPARK = "system:serviceaccount:airflow:airflow-worker", "system:serviceaccount:{}:spark"


@pytest.fixture(scope="module")
def space(kube: KubeServer) -> Iterator[Namespace]:
    made = Namespace(kube, Api(kube))
    yield made
    made.remove()


def manifests(page: Path, space: Namespace) -> list[dict[str, Any]]:
    """Return the manifests of a page, for a namespace of another name."""
    text = [one.text for one in blocks(page) if one.language == "yaml" and one.text.startswith("apiVersion:")]
    found = yaml.safe_load_all("---\n".join(text).replace("namespace: analytics", f"namespace: {space.name}"))
    return list(found)


def apply(space: Namespace, document: dict[str, Any], **query: str) -> Any:
    group = f"{RBAC}/v1" if document["kind"].startswith("Role") else "v1"
    path = space.path(KINDS[document["kind"]], document["metadata"]["name"], group=group)
    more = {"fieldManager": "kubectl", "fieldValidation": "Strict", "force": "true", **query}
    return space.api("PATCH", path, document, "application/apply-patch+yaml", **more)


def may(space: Namespace, user: str, verb: str, resource: str) -> bool:
    place = {"namespace": space.name, "verb": verb, "resource": resource}
    spec = {"user": user.format(space.name), "resourceAttributes": place}
    answer = space.api("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": spec})
    return bool(answer["status"]["allowed"])


def test_after_the_page_both_accounts_may_what_they_have_to_and_nobody_reads_a_secret(space: Namespace) -> None:
    found = manifests(RIGHTS, space)
    assert sorted(one["kind"] for one in found) == ["Role", "Role", "RoleBinding", "RoleBinding", "ServiceAccount"]
    assert {one["metadata"]["namespace"] for one in found} == {space.name}
    for document in found:
        apply(space, document)
    # The API server hears of roles by a watch of its own.
    until(lambda: may(space, WORKER, "delete", "pods") and may(space, SPARK, "deletecollection", "pods"))
    assert may(space, WORKER, "create", "secrets")
    assert not [user for user in (WORKER, SPARK) for verb in ("get", "list") if may(space, user, verb, "secrets")]


def test_the_pod_that_looks_at_s3_is_let_in(space: Namespace) -> None:
    [document] = manifests(IN_A_POD, space)
    taken = apply(space, document, dryRun="All")
    assert taken["spec"]["containers"][0]["args"][:2] == ["dataops", "check-s3"]
