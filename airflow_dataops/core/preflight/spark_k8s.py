# SPDX-License-Identifier: Apache-2.0
"""Is everything there that a Spark program needs in its namespace: what to ask, and what the answers mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.identity import RunIdentity
from airflow_dataops.core.preflight.findings import Finding, Level
from airflow_dataops.core.preflight.kube_asking import Document, KubeAnswers, KubeQuestion
from airflow_dataops.core.preflight.spark_admission import APPLICATION, ROLES, admission_findings
from airflow_dataops.core.preflight.spark_limits import disk_findings, limit_findings
from airflow_dataops.core.preflight.spark_objects import (
    ACCOUNT,
    DRY,
    account_findings,
    kind_findings,
    named,
    object_findings,
    object_questions,
    pull_secrets,
)
from airflow_dataops.core.preflight.spark_quota import Pods, quota_findings
from airflow_dataops.core.preflight.spark_rights import rights_findings, rights_questions
from airflow_dataops.core.spark_k8s import names
from airflow_dataops.core.spark_k8s.driver_pod import driver_pod, executor_template
from airflow_dataops.core.spark_k8s.merge import merge
from airflow_dataops.core.spark_k8s.objects import objects
from airflow_dataops.core.spark_k8s.rules import broken_rules
from airflow_dataops.core.spark_k8s.sizes import executor_requests
from airflow_dataops.core.spark_k8s.spec import RunParts, SecretKeyRef

IDENTITY = RunIdentity(instance="preflight", dag_id="preflight", task_id="preflight", run_id="preflight")
_UNREACHED = frozenset({"UNAVAILABLE", "TIMEOUT", "LOST", "UNTRUSTED", "KUBECONFIG_INVALID", "SERVER"})
_SKEW_SECONDS = 300.0  # a signature is good for a quarter of an hour


class Store(NamedTuple):
    """How a look at an object store came out.

    Attributes:
        uri: What was looked at.
        seconds: How long that took; None where it failed, or nobody looked.
        skew: Seconds that our clock is ahead of the endpoint's; None where it does not say.
        error: What went wrong.
        hint: What to do about it.
        keyless: Whether no keys were found to look with.
    """

    uri: str
    seconds: float | None = None
    skew: float | None = None
    error: str = ""
    hint: str | None = None
    keyless: bool = False


def questions(run: RunParts) -> tuple[KubeQuestion, ...]:
    """Return what has to be asked first.

    Args:
        run: What is wanted; it may break rules.

    Raises:
        SpecError: The mode is ``standalone``, which uses no namespace (``ENGINE_NOT_AVAILABLE``).
    """
    if run.target.mode == "standalone":
        hint = "look at a target with mode direct or crd"
        raise SpecError("mode standalone uses no namespace", hint=hint, code="ENGINE_NOT_AVAILABLE")
    namespace = run.target.namespace
    base = f"/api/v1/namespaces/{namespace}"
    whoami = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    found = [
        KubeQuestion("version", "/version"),
        KubeQuestion("whoami", "/apis/authentication.k8s.io/v1/selfsubjectreviews", whoami),
        KubeQuestion("quotas", f"{base}/resourcequotas"),
        KubeQuestion("limits", f"{base}/limitranges"),
        KubeQuestion(ACCOUNT, f"{base}/serviceaccounts/{run.target.service_account}"),
        *rights_questions(run),
    ]
    if run.target.mode == "crd":
        found.append(KubeQuestion("kinds", f"/apis/{run.target.application_api}"))
    if not broken_rules(run):
        found += object_questions(namespace, _named(run))
        found += _admission_questions(run, base)
    return tuple(found)


def more_questions(run: RunParts, answers: KubeAnswers) -> tuple[KubeQuestion, ...]:
    """Return what has to be asked after the first answers."""
    return tuple(object_questions(run.target.namespace, pull_secrets(run, answers)))


def findings(run: RunParts, answers: KubeAnswers, stores: Sequence[Store] = ()) -> tuple[Finding, ...]:
    """Return what the answers mean, in the order in which it is best mended.

    Args:
        run: The run that was asked about.
        answers: What was found out.
        stores: How the looks at object stores came out.
    """
    found = [*_rules(run), *(_store(run, one) for one in stores)]
    api = _api(answers)
    if api.level is not Level.OK:
        return (api, *found)
    pods = _pods(run, answers)
    found = [api, *found, *rights_findings(run, answers), *kind_findings(run, answers)]
    found += account_findings(run, answers, pods.driver)
    if not broken_rules(run):
        found += object_findings(run, answers, (*_named(run), *pull_secrets(run, answers)))
        found += [*quota_findings(run, answers, pods), *limit_findings(answers, pods), *disk_findings(pods)]
        found += admission_findings(run, answers)
    return tuple({(one.check, one.message): one for one in found}.values())


def stores_of(run: RunParts, lake: str | None = None) -> tuple[str, ...]:
    """Return what of S3 a run names, one address for each bucket and folder: the lake, the event log, the result, files of the program."""
    app = run.app
    given = [lake, app.event_log, app.result, app.main, *app.py_files, *app.jars, *app.files]
    found = [uri.partition("#")[0] for uri in given if uri and uri.partition("://")[0] in ("s3", "s3a")]
    return tuple(dict.fromkeys(found))


def _api(answers: KubeAnswers) -> Finding:
    check, found = "api", [answers.error(key) for key in ("version", "whoami")]
    errors = [error for error in found if error is not None]
    worst = next((one for one in errors if one.code in _UNREACHED), None)
    if worst is not None:
        message = f"the API server cannot be asked: {worst.code}: {worst.message}"
        fix = "look at the connection's address, proxy and authority, and at the network's way from here to it"
        if worst.code == "KUBECONFIG_INVALID":
            fix = "give the connection a kubeconfig, or KUBECONFIG of whoever asks: kubectl config view --minify shows what it says"
        return Finding(check=check, level=Level.PROBLEM, message=message, fix=fix)
    if any(one.code == "UNAUTHORIZED" for one in errors):
        message = "the API server does not know who asks: the token has ended, or is of another cluster"
        fix = f"kubectl create token ACCOUNT --namespace={answers.namespace}, and put it into the connection's kube_config"
        return Finding(check=check, level=Level.PROBLEM, message=message, fix=fix)
    version = (answers.get("version") or {}).get("gitVersion", "of an unknown version")
    return Finding(check=check, level=Level.OK, message=f"the API server {version} answers {answers.member}")


def _rules(run: RunParts) -> Iterator[Finding]:
    faults = broken_rules(run)
    for fault in faults:
        yield Finding(check=f"rules.{fault.path}", level=Level.PROBLEM, message=fault.message, fix=fault.hint)
    if not faults:
        yield Finding(check="rules", level=Level.OK, message="the run keeps all rules of Kubernetes and Spark")


def _store(run: RunParts, one: Store) -> Finding:
    check = f"s3.{one.uri.partition('://')[2].partition('/')[0]}"
    if one.keyless:
        source = run.app.secret_env.get("AWS_SECRET_ACCESS_KEY")
        own = f"those of Secret {source.name}" if isinstance(source, SecretKeyRef) else "their own role, or none"
        message = f"{one.uri} was not looked at: no keys are known here, and the pods have {own}"
        hint = "set S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY here to look with keys like theirs"
        return Finding(check=check, level=Level.UNKNOWN, message=message, fix=hint)
    if one.error:
        return Finding(check=check, level=Level.PROBLEM, message=f"{one.uri}: {one.error}", fix=one.hint)
    if one.seconds is None:
        message = f"{one.uri} was not looked at: nobody says where its endpoint is"
        hint = "give a connection of type aws, or S3_ENDPOINT_URL; dataops check-s3 looks at an endpoint alone"
        return Finding(check=check, level=Level.UNKNOWN, message=message, fix=hint)
    if one.skew is not None and abs(one.skew) > _SKEW_SECONDS:
        message = f"{one.uri}: the endpoint's clock differs by {one.skew:.0f} s; signatures are refused from 900 s on"
        return Finding(check=check, level=Level.WARNING, message=message, fix="set the clocks by NTP")
    message = f"{one.uri} lists in {one.seconds:.2f} s from here; pods may have another way and other keys"
    return Finding(check=check, level=Level.OK, message=message)


def _named(run: RunParts) -> tuple[tuple[str, str], ...]:
    driver = names.driver_name(IDENTITY, 1)
    own = frozenset({names.config_name(driver), names.secret_name(driver)})
    return named(run, [_driver(run), _executor(run)], own)


def _pods(run: RunParts, answers: KubeAnswers) -> Pods:
    return Pods(answers.get("driver") or _driver(run), answers.get("executor") or _executor(run))


def _admission_questions(run: RunParts, base: str) -> Iterator[KubeQuestion]:
    if run.target.mode == "crd":
        path = f"/apis/{run.target.application_api}/namespaces/{run.target.namespace}/sparkapplications"
        yield KubeQuestion(APPLICATION, path, objects(run, IDENTITY, 1).driver, DRY)
        return
    for role, pod in (("driver", _driver(run)), ("executor", _executor(run))):
        yield KubeQuestion(role, f"{base}/pods", pod, DRY)
        if getattr(run.app, ROLES[role][0]):
            yield KubeQuestion(f"{role}.fields", f"{base}/pods", pod, {**DRY, "fieldValidation": "Strict"})


def _driver(run: RunParts) -> Document:
    return driver_pod(run, IDENTITY, 1)


def _executor(run: RunParts) -> Document:
    """Return an executor as Spark would make it of the template."""
    app = run.app
    template = executor_template(app)
    name = f"{names.driver_name(IDENTITY, 1)}-exec-1"
    container = {
        "name": ROLES["executor"][1],
        "image": app.image,
        "imagePullPolicy": app.image_pull_policy,
        "resources": executor_requests(app).resources(),
    }
    spec = {
        "containers": [container],
        "restartPolicy": "Never",
        "serviceAccountName": run.target.service_account,
        "imagePullSecrets": [{"name": secret} for secret in app.image_pull_secrets],
    }
    metadata = {"name": name, "namespace": run.target.namespace}
    return merge(merge(template, {"spec": spec}), {"metadata": metadata})


__all__ = ["Store", "findings", "more_questions", "questions", "stores_of"]
