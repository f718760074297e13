# SPDX-License-Identifier: Apache-2.0
"""A namespace for one test, with an account for Airflow and one for drivers, neither of which may do more than it has to."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from tests.services.kube.api import Api
from tests.services.kube.kube_server import KubeServer

_T = TypeVar("_T")

AIRFLOW, DRIVER = "airflow", "spark-driver"
RBAC = "rbac.authorization.k8s.io"
Rules = list[dict[str, list[str]]]


def _rule(resources: str, verbs: str, group: str = "") -> dict[str, list[str]]:
    return {"apiGroups": [group], "resources": resources.split(), "verbs": verbs.split()}


AIRFLOW_RULES: Rules = [
    _rule("pods", "create get list watch delete"),
    _rule("pods/log", "get"),
    _rule("events", "get list watch"),
    _rule("configmaps secrets services", "create"),
    _rule("resourcequotas limitranges serviceaccounts persistentvolumeclaims", "get list"),
    _rule("localsubjectaccessreviews", "create", "authorization.k8s.io"),
    _rule("sparkapplications", "create get list delete", "sparkoperator.k8s.io"),
    _rule("sparkapplications", "create get list delete", "spark.apache.org"),
]
DRIVER_RULES: Rules = [
    _rule("pods", "create get list watch delete deletecollection"),
    _rule("configmaps", "create get list deletecollection"),
    _rule("services", "list deletecollection"),
    _rule("persistentvolumeclaims", "list deletecollection"),
]


def until(look: Callable[[], _T], seconds: float = 120) -> _T:
    """Return what ``look`` returns as soon as it is true.

    Raises:
        TimeoutError: It does not become so.
    """
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise TimeoutError(f"not so after {seconds} s: {found!r}")
        time.sleep(0.05)


class Namespace:
    """A namespace of its own.

    Attributes:
        name: Its name.
        kube: The control plane.
        api: Requests of the administrator: to set up and to look, never for what is tested.
    """

    def __init__(self, kube: KubeServer, api: Api, *, pod_security: str = "restricted") -> None:
        self.kube, self.api, self.name = kube, api, f"test-{uuid.uuid4().hex[:10]}"
        labels = {"pod-security.kubernetes.io/enforce": pod_security}
        api("POST", "/api/v1/namespaces", {"metadata": {"name": self.name, "labels": labels}})
        self.account(AIRFLOW, AIRFLOW_RULES)
        self.account(DRIVER, DRIVER_RULES)
        until(lambda: api.get(self.path("serviceaccounts", "default")))  # pods are refused before

    def path(self, kind: str, name: str = "", *, group: str = "v1") -> str:
        """Return the path of an object or, without a name, of all of a kind; ``group`` is ``v1`` or ``<group>/<version>``."""
        base = f"/api/{group}" if "/" not in group else f"/apis/{group}"
        return f"{base}/namespaces/{self.name}/{kind}" + (f"/{name}" if name else "")

    def account(self, name: str, rules: Rules) -> None:
        """Make a service account that may do what the rules say."""
        rbac = f"{RBAC}/v1"
        self.api("POST", self.path("serviceaccounts"), {"metadata": {"name": name}})
        self.api("POST", self.path("roles", group=rbac), {"metadata": {"name": name}, "rules": rules})
        subject = {"kind": "ServiceAccount", "name": name, "namespace": self.name}
        role = {"apiGroup": RBAC, "kind": "Role", "name": name}
        body = {"metadata": {"name": name}, "roleRef": role, "subjects": [subject]}
        self.api("POST", self.path("rolebindings", group=rbac), body)
        group, resource, verb = (rules[-1][part][0] for part in ("apiGroups", "resources", "verbs"))
        until(lambda: self.may(name, verb, resource, group))  # the API server hears of roles by a watch of its own

    def may(self, account: str, verb: str, resource: str, group: str = "") -> bool:
        """Tell whether a service account may do something, by what the API server knows now."""
        wanted = {"group": group, "resource": resource, "verb": verb}
        spec = {
            "user": f"system:serviceaccount:{self.name}:{account}",
            "resourceAttributes": wanted | {"namespace": self.name},
        }
        answer = self.api("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": spec})
        return bool(answer["status"]["allowed"])

    def token(self, account: str = AIRFLOW, *, seconds: int = 3600) -> str:
        """Return a token of a service account that ends after so many seconds, 600 at least."""
        answer = self.api(
            "POST", self.path("serviceaccounts", f"{account}/token"), {"spec": {"expirationSeconds": seconds}}
        )
        return str(answer["status"]["token"])

    def kubeconfig(self, account: str = AIRFLOW) -> Path:
        """Return a kubeconfig of a service account."""
        return self.kube.write_kubeconfig(f"{self.name}-{account}", token=self.token(account), namespace=self.name)

    def revoke(self, account: str = AIRFLOW) -> None:
        """Make an account's tokens invalid, by deleting it; one that has been used is good for 10 more seconds."""
        self.api("DELETE", self.path("serviceaccounts", account))
        time.sleep(1)  # the API server hears of it by its own watch, and remembers each answer about a token

    def run(self, name: str, *command: str, **changes: Any) -> None:
        """Create a pod (see :func:`pod`) as the administrator."""
        self.api("POST", self.path("pods"), pod(name, *command, **changes))

    def pod(self, name: str) -> Any:
        """Return a pod; None where there is none."""
        return self.api.get(self.path("pods", name))

    def wait(self, name: str, *phases: str, seconds: float = 120) -> Any:
        """Return a pod as soon as it is in one of these phases; without phases, as soon as it has ended."""
        wanted = phases or ("Succeeded", "Failed")

        def look() -> Any:
            found = self.pod(name)
            return found if found and found["status"].get("phase") in wanted else None

        return until(look, seconds)

    def container(self, name: str) -> Any:
        """Return the status of a pod's first container; an empty one where it has none yet."""
        return ((self.pod(name) or {}).get("status", {}).get("containerStatuses") or [{}])[0]

    def log(self, name: str, **query: str) -> str:
        """Return a pod's log."""
        return self.api.text("GET", self.path("pods", f"{name}/log"), **query).decode()

    def events(self, name: str) -> list[str]:
        """Return the reasons of a pod's events, in any order."""
        found = self.api("GET", self.path("events"), fieldSelector=f"involvedObject.name={name}")
        return sorted({event["reason"] for event in found["items"]})

    def quota(self, **hard: str) -> None:
        """Limit the namespace; returns when the limit holds."""
        limits = {name.replace("_", "."): value for name, value in hard.items()}
        self.api("POST", self.path("resourcequotas"), {"metadata": {"name": "quota"}, "spec": {"hard": limits}})
        until(lambda: "hard" in (self.api.get(self.path("resourcequotas", "quota")) or {}).get("status", {}))

    def remove(self) -> None:
        """Delete it, without waiting."""
        self.api("DELETE", f"/api/v1/namespaces/{self.name}")


def pod(name: str, *command: str, container: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Return a pod of one container that Pod Security ``restricted`` admits.

    Args:
        name: Its name.
        command: What it runs.
        container: Fields of its container, instead of the usual ones.
        changes: Fields of its spec; ``labels`` and ``annotations`` are of its metadata.
    """
    meta = {"name": name} | {key: changes.pop(key) for key in ("labels", "annotations") if key in changes}
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    one = {"name": "main", "image": "test:1", "command": list(command), "securityContext": security}
    of_pod = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1, "securityContext": of_pod}
    return {"metadata": meta, "spec": spec | changes | {"containers": [one | dict(container or {})]}}
