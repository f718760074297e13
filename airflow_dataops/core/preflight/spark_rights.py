# SPDX-License-Identifier: Apache-2.0
"""What Airflow's account and the driver's have to be allowed, and whether they are."""

from __future__ import annotations

from collections.abc import Iterator

from airflow_dataops.core.preflight.findings import Finding, Level
from airflow_dataops.core.preflight.kube_asking import Document, KubeAnswers, KubeQuestion, Right, role_of, user_of
from airflow_dataops.core.spark_k8s.spec import RunParts, SecretKeyRef

AIRFLOW_ROLE, DRIVER_ROLE = "dataops-airflow", "dataops-spark"
ON_DEMAND = "OnDemand"
_REVIEWS = "/apis/authorization.k8s.io/v1"


def airflow_rights(run: RunParts) -> tuple[Right, ...]:
    """Return what Airflow's account does in the namespace."""
    rights = [Right("pods", ("create", "get", "list", "delete")), Right("pods/log", ("get",))]
    rights.append(Right("events", ("list",), needed=False))  # a cause is then told less well
    if run.target.mode == "crd":
        rights[0] = Right("pods", ("get", "list"))
        rights.append(application_right(run.target.application_api))
    else:
        rights.append(Right("configmaps", ("create",)))
        if run.app.service:
            rights.append(Right("services", ("create",)))
    if any(not isinstance(source, SecretKeyRef) for source in run.app.secret_env.values()):
        rights.append(Right("secrets", ("create",)))
    return tuple(rights)


def application_right(api: str) -> Right:
    """Return what Airflow's account does with SparkApplications of an API: ``sparkoperator.k8s.io/v1beta2``."""
    return Right("sparkapplications", ("create", "get", "list", "delete"), api.partition("/")[0])


def driver_rights(run: RunParts) -> tuple[Right, ...]:
    """Return what the driver's account does in the namespace: make executors, and clear away after them."""
    cleaning = ("deletecollection",)
    rights = [
        Right("pods", ("create", "get", "list", "watch", "delete")),
        Right("configmaps", ("create",)),
        Right("pods", cleaning, needed=False),
        Right("configmaps", cleaning, needed=False),
        Right("services", cleaning, needed=False),
        Right("persistentvolumeclaims", cleaning, needed=False),
    ]
    if ON_DEMAND in run.app.conf.values():
        rights.append(Right("persistentvolumeclaims", ("create", "list")))
    return tuple(rights)


def rights_questions(run: RunParts) -> Iterator[KubeQuestion]:
    """Give one question for each right: about oneself, and about the driver's account."""
    namespace = run.target.namespace
    for key, attributes in _attributes("own", airflow_rights(run), namespace):
        yield KubeQuestion(key, f"{_REVIEWS}/selfsubjectaccessreviews", _review("SelfSubjectAccessReview", attributes))
    user = user_of(namespace, run.target.service_account)
    path = f"{_REVIEWS}/namespaces/{namespace}/localsubjectaccessreviews"
    for key, attributes in _attributes("driver", driver_rights(run), namespace):
        body = _review("LocalSubjectAccessReview", attributes, user)
        yield KubeQuestion(key, path, {**body, "metadata": {"namespace": namespace}})


def rights_findings(run: RunParts, answers: KubeAnswers) -> Iterator[Finding]:
    """Give what the answers to :func:`rights_questions` mean."""
    yield from _of("own", "own.rights", answers, answers.member, AIRFLOW_ROLE, airflow_rights(run))
    user = user_of(run.target.namespace, run.target.service_account)
    yield from _of("driver", "service_account.rights", answers, user, DRIVER_ROLE, driver_rights(run))


def _of(
    prefix: str, check: str, answers: KubeAnswers, user: str, role: str, rights: tuple[Right, ...]
) -> Iterator[Finding]:
    keys = [key for key, _ in _attributes(prefix, rights, answers.namespace)]
    unread = next((key for key in keys if answers.get(key) is None), None)
    if unread is not None:
        yield answers.unread(unread, check, f"what {user} may do in {answers.namespace}")
        return
    lacking = [_told(key) for key in _denied(prefix, [one for one in rights if one.needed], answers)]
    untidy = [_told(key) for key in _denied(prefix, [one for one in rights if not one.needed], answers)]
    if not lacking and not untidy:
        message = f"{user} may do in {answers.namespace} all that it has to"
        yield Finding(check=check, level=Level.OK, message=message)
        return
    message = f"{user} may not {', '.join(lacking or untidy)} in {answers.namespace}"
    if not lacking:
        message += "; the run works without, but tells or clears away less"
    level = Level.PROBLEM if lacking else Level.WARNING
    yield Finding(check=check, level=level, message=message, manifests=role_of(answers.namespace, role, user, rights))


def _denied(prefix: str, rights: list[Right], answers: KubeAnswers) -> list[str]:
    asked = _attributes(prefix, tuple(rights), answers.namespace)
    return [key for key, _ in asked if not ((answers.get(key) or {}).get("status") or {}).get("allowed")]


def _attributes(prefix: str, rights: tuple[Right, ...], namespace: str) -> Iterator[tuple[str, Document]]:
    for right in rights:
        resource, _, sub = right.resource.partition("/")
        for verb in right.verbs:
            attributes = {"namespace": namespace, "verb": verb, "group": right.group, "resource": resource}
            yield f"{prefix}:{verb} {right.resource}", attributes | ({"subresource": sub} if sub else {})


def _review(kind: str, attributes: Document, user: str | None = None) -> Document:
    spec = {"resourceAttributes": attributes} | ({} if user is None else {"user": user})
    return {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}


def _told(key: str) -> str:
    return key.partition(":")[2]
