# SPDX-License-Identifier: Apache-2.0
"""Questions to a Kubernetes API server that change nothing, answers, and the roles that let one ask."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from airflow_dataops.core.machine import CallError
from airflow_dataops.core.preflight.findings import Finding, Level

RBAC = "rbac.authorization.k8s.io"
LOOK_ROLE = "dataops-preflight"
NOBODY = "REPLACE-WITH-THE-ACCOUNT-OF-AIRFLOW"
_ACCOUNT = "system:serviceaccount:"
Document = dict[str, Any]


class Right(NamedTuple):
    """What an account may have to do in the namespace.

    Attributes:
        resource: ``pods``, ``pods/log``.
        verbs: What it does with it.
        group: API group; empty for the core.
        needed: Without it the run fails; else something is only left behind.
    """

    resource: str
    verbs: tuple[str, ...]
    group: str = ""
    needed: bool = True


LOOKS = (
    Right("resourcequotas", ("list",)),
    Right("limitranges", ("list",)),
    Right("serviceaccounts", ("get",)),
    Right("persistentvolumeclaims", ("get",)),
    Right("localsubjectaccessreviews", ("create",), "authorization.k8s.io"),
    Right("secrets", ("create",)),  # tells whether there is one of a name, and reads none
    Right("configmaps", ("create",)),
)
"""What a preflight asks beside what the run does itself; whoever may not ask is told so, and no more."""


@dataclass(frozen=True)
class KubeQuestion:
    """One request.

    Attributes:
        key: Name of the answer.
        path: Path of the API.
        body: Document that is posted; None reads.
        query: Parameters. What creates an object always has ``dryRun=All``.
    """

    key: str
    path: str
    body: Document | None = None
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class KubeAnswers:
    """What was found out.

    Attributes:
        namespace: Where.
        found: Question's key -> document or error.
    """

    namespace: str
    found: Mapping[str, Document | CallError]

    @property
    def member(self) -> str:
        """Who asks, as the API server calls it; a word to replace where it does not say."""
        return str(((self.get("whoami") or {}).get("status") or {}).get("userInfo", {}).get("username") or NOBODY)

    def get(self, key: str) -> Document | None:
        """Return an answer; None where there is none, or an error."""
        answer = self.found.get(key)
        return answer if isinstance(answer, dict) else None

    def error(self, key: str) -> CallError | None:
        """Return the error that an answer is; None for another one."""
        answer = self.found.get(key)
        return answer if isinstance(answer, CallError) else None

    def items(self, key: str) -> list[Document]:
        """Return the objects of a list."""
        return list((self.get(key) or {}).get("items") or [])

    def unread(self, key: str, check: str, what: str) -> Finding:
        """Return the finding for a question that nobody answered.

        Args:
            key: The question's key.
            check: Name of the check.
            what: What could not be seen, for people.
        """
        error = self.error(key)
        said = f"{error.code}: {error.message}" if error is not None else "it was not asked for"
        message = f"{what} could not be looked at: {said}"
        denied = error is not None and error.code == "FORBIDDEN"
        manifests = role_of(self.namespace, LOOK_ROLE, self.member, LOOKS) if denied else ()
        return Finding(check=check, level=Level.UNKNOWN, message=message, manifests=manifests)


def role_of(namespace: str, name: str, user: str, rights: Iterable[Right]) -> tuple[Document, ...]:
    """Return a role with these rights, and its binding to a user or service account.

    Args:
        namespace: Where.
        name: Name of role and binding.
        user: As the API server calls it: ``system:serviceaccount:NAMESPACE:NAME``, or a person.
        rights: What it may do.
    """
    metadata = {"name": name, "namespace": namespace}
    rules = [rule_of(one) for one in rights]
    api = f"{RBAC}/v1"
    role = {"apiVersion": api, "kind": "Role", "metadata": metadata, "rules": rules}
    reference = {"apiGroup": RBAC, "kind": "Role", "name": name}
    binding = {"apiVersion": api, "kind": "RoleBinding", "metadata": metadata, "roleRef": reference}
    return role, {**binding, "subjects": [_subject(user)]}


def rule_of(right: Right) -> Document:
    """Return a right as a rule of a role."""
    return {"apiGroups": [right.group], "resources": [right.resource], "verbs": list(right.verbs)}


def user_of(namespace: str, account: str) -> str:
    """Return a service account as the API server calls it."""
    return f"{_ACCOUNT}{namespace}:{account}"


def _subject(user: str) -> Document:
    if user.startswith(_ACCOUNT):
        namespace, _, name = user.removeprefix(_ACCOUNT).partition(":")
        return {"kind": "ServiceAccount", "name": name, "namespace": namespace}
    return {"apiGroup": RBAC, "kind": "User", "name": user}


__all__ = ["LOOKS", "KubeAnswers", "KubeQuestion", "Right", "role_of", "rule_of", "user_of"]
