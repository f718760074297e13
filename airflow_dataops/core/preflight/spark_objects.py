# SPDX-License-Identifier: Apache-2.0
"""Are the objects there that a run names: accounts, Secrets, ConfigMaps, claims, and the operator's own kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from airflow_dataops.core.preflight.findings import Finding, Level
from airflow_dataops.core.preflight.kube_asking import Document, KubeAnswers, KubeQuestion
from airflow_dataops.core.preflight.pod_amounts import named_objects
from airflow_dataops.core.preflight.spark_rights import ON_DEMAND
from airflow_dataops.core.spark_k8s.spec import RunParts, SecretKeyRef

DRY = {"dryRun": "All"}
ACCOUNT = "account"
REPLACE = "REPLACE-ME"
_PULL, _SECRET, _CONFIG, _CLAIM = "imagePullSecret", "Secret", "ConfigMap", "PersistentVolumeClaim"
_CHECKS = {_PULL: "image_pull_secret", _SECRET: "secret", _CONFIG: "config_map", _CLAIM: "claim"}
_CLAIM_NAME = ".options.claimName"
_OPERATORS = {
    "sparkoperator.k8s.io": "helm install spark-operator spark-operator --repo https://kubeflow.github.io/spark-operator",
    "spark.apache.org": "helm install spark spark-kubernetes-operator --repo https://apache.github.io/spark-kubernetes-operator",
}


def named(run: RunParts, pods: Iterator[Document] | list[Document], own: frozenset[str]) -> tuple[tuple[str, str], ...]:
    """Return kind and name of each object that a run needs to find, without those that are made for it.

    Args:
        run: The run.
        pods: Documents of its driver and executors.
        own: Names of what is made for the driver.
    """
    found = [one for pod in pods for one in named_objects(pod)]
    found += [(_SECRET, source.name) for source in run.app.secret_env.values() if isinstance(source, SecretKeyRef)]
    found += [(_PULL, name) for name in run.app.image_pull_secrets]
    claims = [value for key, value in run.app.conf.items() if key.endswith(_CLAIM_NAME) and value != ON_DEMAND]
    found += [(_CLAIM, name) for name in claims if "SPARK_EXECUTOR_ID" not in name]
    return tuple(dict.fromkeys(one for one in found if one[1] not in own))


def object_questions(namespace: str, objects: tuple[tuple[str, str], ...]) -> Iterator[KubeQuestion]:
    """Give a question for each object. Nobody reads a Secret for it: creating one of that name, dry, is a conflict where it is there."""
    base = f"/api/v1/namespaces/{namespace}"
    for kind, name in objects:
        key = f"{kind}:{name}"
        if kind == _CLAIM:
            yield KubeQuestion(key, f"{base}/persistentvolumeclaims/{name}")
        elif kind == _CONFIG:
            body = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}}
            yield KubeQuestion(key, f"{base}/configmaps", body, DRY)
        else:
            body = {"apiVersion": "v1", "kind": _SECRET, "metadata": {"name": name, "namespace": namespace}}
            yield KubeQuestion(key, f"{base}/secrets", body, DRY)


def account_findings(run: RunParts, answers: KubeAnswers, driver: Document) -> Iterator[Finding]:
    """Give what the driver's service account is like."""
    name, check = run.target.service_account, "service_account"
    error, found = answers.error(ACCOUNT), answers.get(ACCOUNT)
    metadata = {"name": name, "namespace": answers.namespace}
    document = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
    if error is not None and error.code == "NOT_FOUND":
        message = f"there is no service account {name}: the cluster refuses the driver's pod"
        yield Finding(check=check, level=Level.PROBLEM, message=message, manifests=(document,))
    elif found is None:
        yield answers.unread(ACCOUNT, check, f"service account {name}")
    elif _no_token(found, driver):
        message = f"service account {name} gives its pods no token, so the driver cannot ask for executors"
        mended = {**document, "automountServiceAccountToken": True}
        yield Finding(check=check, level=Level.PROBLEM, message=message, manifests=(mended,))
    else:
        yield Finding(check=check, level=Level.OK, message=f"service account {name} is there")


def pull_secrets(run: RunParts, answers: KubeAnswers) -> tuple[tuple[str, str], ...]:
    """Return the pull secrets that pods get of their service account: those, where the run names none."""
    entries = [] if run.app.image_pull_secrets else (answers.get(ACCOUNT) or {}).get("imagePullSecrets") or []
    return tuple((_PULL, str(entry["name"])) for entry in entries)


def object_findings(run: RunParts, answers: KubeAnswers, objects: tuple[tuple[str, str], ...]) -> Iterator[Finding]:
    """Give whether each object is there."""
    for kind, name in objects:
        check, key = f"{_CHECKS[kind]}.{name}", f"{kind}:{name}"
        error, found = answers.error(key), answers.get(key)
        there = found is not None if kind == _CLAIM else error is not None and error.code == "CONFLICT"
        missing = error is not None and error.code == "NOT_FOUND" if kind == _CLAIM else found is not None
        if there:
            yield _claim(check, name, found) if found is not None else _fine(check, kind, name)
        elif missing:
            yield _missing(run, check, kind, name)
        else:
            yield answers.unread(key, check, f"{kind} {name}")
    if not any(kind == _PULL for kind, _ in objects) and run.app.image:
        message = (
            f"no pull secret is named: the registry of {run.app.image} has to give it to everybody, or know the nodes"
        )
        yield Finding(check="image_pull_secret", level=Level.OK, message=message)


def kind_findings(run: RunParts, answers: KubeAnswers) -> Iterator[Finding]:
    """Give, for mode ``crd``, whether the cluster knows the operator's SparkApplication."""
    if run.target.mode != "crd":
        return
    check, api = "spark_application", str(run.target.application_api)
    kinds = [one.get("name") for one in (answers.get("kinds") or {}).get("resources") or []]
    error = answers.error("kinds")
    if "sparkapplications" in kinds:
        yield Finding(check=check, level=Level.OK, message=f"the cluster knows SparkApplication of {api}")
    elif error is None or error.code == "NOT_FOUND":
        message = f"the cluster knows no SparkApplication of {api}: its operator is not installed"
        fix = _OPERATORS[api.partition("/")[0]]
        yield Finding(check=check, level=Level.PROBLEM, message=message, fix=fix)
    else:
        yield answers.unread("kinds", check, f"the kinds of {api}")


def _fine(check: str, kind: str, name: str) -> Finding:
    return Finding(check=check, level=Level.OK, message=f"{kind} {name} is there")


def _claim(check: str, name: str, found: Document) -> Finding:
    phase = (found.get("status") or {}).get("phase", "")
    if phase == "Lost":
        message = f"the volume of claim {name} is lost: pods that use it do not start"
        return Finding(check=check, level=Level.PROBLEM, message=message, fix=f"delete claim {name}, and make it anew")
    modes = (found.get("spec") or {}).get("accessModes") or []
    if phase == "Bound" and set(modes) <= {"ReadWriteOnce"}:
        message = f"claim {name} is ReadWriteOnce: driver and executors that use it have to be on one node"
        return Finding(check=check, level=Level.WARNING, message=message, fix="use a claim that is ReadWriteMany")
    return Finding(check=check, level=Level.OK, message=f"claim {name} is there ({phase or 'not bound'})")


def _missing(run: RunParts, check: str, kind: str, name: str) -> Finding:
    namespace = run.target.namespace
    document: Document = {"apiVersion": "v1", "kind": _SECRET if kind == _PULL else kind}
    document["metadata"] = {"name": name, "namespace": namespace}
    fix = None
    if kind == _PULL:
        registry = _registry(run.app.image or "")
        fix = (
            f"kubectl create secret docker-registry {name} --namespace={namespace} --docker-server={registry}"
            f" --docker-username={REPLACE} --docker-password={REPLACE}"
        )
        account = f'{{"auths": {{"{registry}": {{"username": "{REPLACE}", "password": "{REPLACE}"}}}}}}'
        document |= {"type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": account}}
        means = "the image cannot be pulled from a registry that wants to know who asks"
    elif kind == _CLAIM:
        spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "10Gi"}}}
        document["spec"], means = spec, "pods that use it wait for ever"
    else:
        document["stringData" if kind == _SECRET else "data"] = dict.fromkeys(_keys(run, name), REPLACE)
        means = "pods that name it do not start (CreateContainerConfigError)"
    message = f"there is no {_SECRET if kind == _PULL else kind} {name}: {means}"
    return Finding(check=check, level=Level.PROBLEM, message=message, fix=fix, manifests=(document,))


def _keys(run: RunParts, name: str) -> list[str]:
    sources = run.app.secret_env.values()
    return [one.key for one in sources if isinstance(one, SecretKeyRef) and one.name == name]


def _registry(image: str) -> str:
    first = image.partition("/")[0]
    own = "/" in image and ("." in first or ":" in first or first == "localhost")
    return first if own else "https://index.docker.io/v1/"


def _no_token(account: Mapping[str, object], driver: Document) -> bool:
    own = (driver.get("spec") or {}).get("automountServiceAccountToken")
    return own is False or (own is None and account.get("automountServiceAccountToken") is False)
