# SPDX-License-Identifier: Apache-2.0
"""Questions to Google's REST services, and their answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_dataops.core.machine import CallError
from airflow_dataops.core.preflight.findings import Finding, Level


@dataclass(frozen=True)
class Question:
    """One request of REST.

    Attributes:
        key: Name of the answer.
        service: ``compute``, ``cloudkms``, ``iam``, ``cloudresourcemanager``, ``storage`` or ``file``.
        path: Behind the service's base address, with what has to be escaped escaped.
        body: Posted as JSON; None asks with GET.
        paged: A list with ``nextPageToken``; its answer is ``{"pages": […]}``.
        role: Role that lets one look.
        on: Project in which that role is needed.
    """

    key: str
    service: str
    path: str
    role: str
    on: str
    body: Mapping[str, Any] | None = None
    paged: bool = False


@dataclass(frozen=True)
class Answers:
    """What was found out.

    Attributes:
        found: Question's key -> JSON, or the error; a key may be missing where nobody asked.
        questions: The questions, by key.
        member: Who asked, as IAM writes it: ``serviceAccount:…``, ``user:…``.
    """

    found: Mapping[str, dict[str, Any] | CallError]
    questions: Mapping[str, Question] = field(default_factory=dict)
    member: str = "MEMBER"

    def get(self, key: str) -> dict[str, Any] | None:
        """Return an answer; None where there is none, or an error."""
        answer = self.found.get(key)
        return answer if isinstance(answer, dict) else None

    def missing(self, key: str) -> bool:
        """Tell whether the service says that there is no such thing."""
        answer = self.found.get(key)
        return isinstance(answer, CallError) and answer.code == "NOT_FOUND"

    def unread(self, key: str, check: str, what: str) -> Finding:
        """Return the finding for a question that nobody answered.

        Args:
            key: The question's key.
            check: Name of the check.
            what: What could not be seen, for people.
        """
        question, error = self.questions[key], self.found.get(key)
        said = f"{error.code}: {error.message}" if isinstance(error, CallError) else "it was not asked for"
        fix = grant_on_project(question.on, self.member, question.role)
        if isinstance(error, CallError) and error.code not in ("PERMISSION_DENIED", "UNAUTHENTICATED"):
            return Finding(check=check, level=Level.UNKNOWN, message=f"{what} could not be looked at: {said}")
        message = f"{what} could not be looked at: {said}; grant {question.role} to check"
        return Finding(check=check, level=Level.UNKNOWN, message=message, fix=fix)

    def items(self, key: str, name: str) -> Iterator[Any]:
        """Yield the items of all pages of a list, or the values of an aggregated one."""
        for page in (self.get(key) or {}).get("pages", []):
            found = page.get(name, [])
            for one in found.values() if isinstance(found, dict) else [found]:
                yield from one if isinstance(one, list) else next((v for v in one.values() if isinstance(v, list)), [])


def grant_on_project(project: str, member: str, role: str) -> str:
    """Return the line that grants a role in a project."""
    return f"gcloud projects add-iam-policy-binding {project} --member={member} --role={role} --condition=None"


def holders(policy: Mapping[str, Any], *roles: str) -> set[str]:
    """Return who holds one of the roles without a condition, by an IAM policy."""
    return {
        member
        for binding in policy.get("bindings", [])
        if binding.get("role") in roles and not binding.get("condition")
        for member in binding.get("members", [])
    }


__all__ = ["Answers", "Question"]
