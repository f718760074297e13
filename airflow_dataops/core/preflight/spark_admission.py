# SPDX-License-Identifier: Apache-2.0
"""Does the cluster let the pods in: what its dry creation of them says."""

from __future__ import annotations

import re
from collections.abc import Iterator

from airflow_dataops.core.machine import CallError
from airflow_dataops.core.preflight.findings import Finding, Level
from airflow_dataops.core.preflight.kube_asking import Document, KubeAnswers, user_of
from airflow_dataops.core.spark_k8s.diagnosis import refusal
from airflow_dataops.core.spark_k8s.failures import Reason
from airflow_dataops.core.spark_k8s.profiles import DRIVER_CONTAINER, EXECUTOR_CONTAINER
from airflow_dataops.core.spark_k8s.spec import Profile, RunParts

ROLES = {"driver": ("pod_template", DRIVER_CONTAINER), "executor": ("executor_template", EXECUTOR_CONTAINER)}
APPLICATION = "application"
_SCC = "openshift.io/scc"
_UNKNOWN_FIELD = re.compile(r'unknown field "([^"]+)"|duplicate field "([^"]+)"')
_RESTRICTED = re.compile(r'violates PodSecurity "restricted')
# What the level "baseline" of Kubernetes's Pod Security Standards refuses, too.
_BASELINE = re.compile(
    r"host namespaces|hostPath|hostPort|hostProcess|privileged|non-default capabilities|seLinuxOptions|forbidden sysctls|procMount"
)


def admission_findings(run: RunParts, answers: KubeAnswers) -> Iterator[Finding]:
    """Give whether driver and executor, as they would be created, are let in."""
    for role in ROLES:
        check = f"{role}.admission"
        found, error = answers.get(role), answers.error(role)
        if found is not None:
            scc = ((found.get("metadata") or {}).get("annotations") or {}).get(_SCC)
            by = f" by the security context constraint {scc}" if scc else ""
            yield Finding(check=check, level=Level.OK, message=f"the cluster lets the {role}'s pod in{by}")
        elif error is not None:
            yield _refused(run, answers, role, check, error)
        yield from _fields(answers, role)
    found, error = answers.get(APPLICATION), answers.error(APPLICATION)
    if found is not None:
        yield Finding(check="application.admission", level=Level.OK, message="the cluster takes the SparkApplication")
    elif error is not None and error.code != "NOT_FOUND":  # then its kind is missing, which is told
        yield _no_application(answers, error)


def _no_application(answers: KubeAnswers, error: CallError) -> Finding:
    check = "application.admission"
    if error.code not in ("INVALID", "BAD_REQUEST"):
        return answers.unread(APPLICATION, check, "whether the cluster takes the SparkApplication")
    message = f"the cluster refuses the SparkApplication: {error.message}"
    return Finding(check=check, level=Level.PROBLEM, message=message, fix="correct what it names")


def _refused(run: RunParts, answers: KubeAnswers, role: str, check: str, error: CallError) -> Finding:
    said = error.message
    if error.code not in ("FORBIDDEN", "INVALID", "BAD_REQUEST", "NOT_FOUND"):
        return answers.unread(role, check, f"whether the cluster lets the {role}'s pod in")
    if error.code == "NOT_FOUND":
        message = f"there is no namespace {answers.namespace}: {said}"
        document = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": answers.namespace}}
        return Finding(check="namespace", level=Level.PROBLEM, message=message, manifests=(document,))
    found = refusal(said) if error.code == "FORBIDDEN" else None
    message = f"the cluster refuses the {role}'s pod: {said}"
    if found is not None and found.code is Reason.SCC_DENIED:
        return _insecure(run, answers, role, check, said)
    if found is not None:
        passing = "exceeded quota" in said and answers.get("quotas") is not None
        level = Level.WARNING if passing else Level.PROBLEM
        return Finding(check=check, level=level, message=message, fix="see what is told of quotas and limit ranges")
    if "serviceaccount" in said and "not found" in said:
        return Finding(check=check, level=Level.PROBLEM, message=message, fix="see what is told of the service account")
    if "cannot create resource" in said:
        return Finding(check=check, level=Level.PROBLEM, message=message, fix="see what is told of own.rights")
    fix = f"correct what it names; app.{ROLES[role][0]} is laid over our own fields"
    return Finding(check=check, level=Level.PROBLEM, message=message, fix=fix)


def _insecure(run: RunParts, answers: KubeAnswers, role: str, check: str, said: str) -> Finding:
    """Return what to do about a pod that asks for more than the namespace gives: ask for less, or let an administrator give more."""
    message = f"the cluster's security rules refuse the {role}'s pod: {said}"
    template, _ = ROLES[role]
    scc = "security context constraint" in said
    # In a namespace with Pod Security the profile kind is let in; OpenShift gives users itself.
    if run.app.profile is Profile.PLAIN or (scc and run.app.profile is Profile.KIND):
        return Finding(check=check, level=Level.PROBLEM, message=message, fix="app: {profile: openshift}")
    given = getattr(run.app, template)
    fix = f"take what it names out of app.{template}; or let an administrator widen the rules" if given else None
    manifest = _wider_account(run, answers) if scc else _wider_namespace(answers, said)
    return Finding(check=check, level=Level.PROBLEM, message=message, fix=fix, manifests=(manifest,))


def _wider_namespace(answers: KubeAnswers, said: str) -> Document:
    level = "baseline" if _RESTRICTED.search(said) and not _BASELINE.search(said) else "privileged"
    labels = {"pod-security.kubernetes.io/enforce": level}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": answers.namespace, "labels": labels}}


def _wider_account(run: RunParts, answers: KubeAnswers) -> Document:
    namespace, account = answers.namespace, run.target.service_account
    name = "dataops-nonroot-v2"
    subject = user_of(namespace, account).rpartition(":")[2]
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name, "namespace": namespace},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "system:openshift:scc:nonroot-v2",
        },
        "subjects": [{"kind": "ServiceAccount", "name": subject, "namespace": namespace}],
    }


def _fields(answers: KubeAnswers, role: str) -> Iterator[Finding]:
    """Give the fields that the cluster does not know: it drops them without a word."""
    error = answers.error(f"{role}.fields")
    unknown = [first or second for first, second in _UNKNOWN_FIELD.findall(error.message)] if error is not None else []
    if unknown:
        template, _ = ROLES[role]
        message = f"the cluster knows no {', '.join(dict.fromkeys(unknown))} in a pod, and would drop it without a word"
        fix = f"correct it in app.{template}"
        yield Finding(check=f"{role}.fields", level=Level.WARNING, message=message, fix=fix)
