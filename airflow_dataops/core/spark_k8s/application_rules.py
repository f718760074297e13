# SPDX-License-Identifier: Apache-2.0
"""Rules about the user's own SparkApplication: what is ours is refused, and what keeps a run from its end or the end from our eyes, too."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from airflow_dataops.core.checked import Fault
from airflow_dataops.core.durations import text, told
from airflow_dataops.core.spark_k8s.application_document import program_of, spec_of
from airflow_dataops.core.spark_k8s.names import MANAGED_BY, OWN_PREFIX
from airflow_dataops.core.spark_k8s.reserved import OURS
from airflow_dataops.core.spark_k8s.scc_rules import application_scc_rules, conf_scc_rules
from airflow_dataops.core.spark_k8s.secrets import holds_secret, is_secret_name
from airflow_dataops.core.spark_k8s.spec import ApplicationApi, Profile, RunParts
from airflow_dataops.core.spark_k8s.template_rules import annotation_rules, label_rules, pod_rules, secret_rules

_PATH = "app.application"
_KEYS = ("apiVersion", "kind", "metadata", "spec")
_PLAIN_TEXTS = ("sparkConf", "hadoopConf")
_ACCOUNT = "spark.kubernetes.authenticate.driver.serviceAccountName"
_TEMPLATES = (
    ("driver", "template", True),
    ("executor", "template", False),
    ("driverSpec", "podTemplateSpec", True),
    ("executorSpec", "podTemplateSpec", False),
)
_LEAST_LIFE = timedelta(minutes=5)


def application_rules(run: RunParts) -> Iterator[Fault]:
    """Give the faults of ``app.application``."""
    document = run.app.application
    if not document:
        return
    if run.target.mode != "crd":
        message = f"mode {run.target.mode} makes no SparkApplication"
        yield Fault(_PATH, "APPLICATION_UNUSED", message, "write mode: crd, or remove it")
        return
    shape = [*_shape(document), *_head(run, document)]
    yield from shape
    if shape:
        return
    metadata = document.get("metadata") or {}
    yield from label_rules(f"{_PATH}.metadata.labels", metadata.get("labels") or {})
    yield from annotation_rules(f"{_PATH}.metadata.annotations", metadata.get("annotations") or {})
    spec = spec_of(run.app)
    if program_of(run.app) is not None and (run.app.main is not None or run.app.module is not None):
        yield Fault(f"{_PATH}.spec", "PROGRAM_TWICE", "app names a program, too", "remove one of the two")
    for key in _PLAIN_TEXTS:
        yield from _properties(f"{_PATH}.spec.{key}", spec.get(key))
    for role in ("driver", "executor"):
        pod = spec.get(role) or {}
        if isinstance(pod, Mapping):
            yield from label_rules(f"{_PATH}.spec.{role}.labels", pod.get("labels") or {})
            yield from annotation_rules(f"{_PATH}.spec.{role}.annotations", pod.get("annotations") or {})
            yield from _properties(f"{_PATH}.spec.{role}.envVars", pod.get("envVars"))
    yield from _templates(run, spec)
    if run.app.profile is Profile.OPENSHIFT:
        yield from application_scc_rules(f"{_PATH}.spec", spec)
        yield from conf_scc_rules(f"{_PATH}.spec.sparkConf", map(str, _mapping(spec.get("sparkConf"))))
    yield from _ends(run, spec)
    yield from secret_rules(_PATH, {key: value for key, value in spec.items() if key not in _PLAIN_TEXTS})


def _templates(run: RunParts, spec: Mapping[str, Any]) -> Iterator[Fault]:
    """Give the faults of the pods' templates; what looks like a secret is found in the whole document."""
    for role, key, driver in _TEMPLATES:
        template = _mapping(spec.get(role)).get(key)
        where = f"{_PATH}.spec.{role}.{key}"
        if template is None:
            continue
        if not isinstance(template, Mapping):
            yield Fault(where, "BAD_TEMPLATE", "a pod template has metadata and spec")
            continue
        found = pod_rules(run, where, template, driver=driver)
        yield from (fault for fault in found if fault.code != "SECRET_IN_TEMPLATE")


def _shape(document: Mapping[str, Any]) -> Iterator[Fault]:
    try:
        json.dumps(document, allow_nan=False)
    except (TypeError, ValueError) as error:
        yield Fault(_PATH, "BAD_APPLICATION", f"not JSON: {error}")
        return
    for key in document:
        if key not in _KEYS:
            hint = "remove it" if key == "status" else None
            yield Fault(f"{_PATH}.{key}", "BAD_APPLICATION", f"a SparkApplication has {', '.join(_KEYS)}", hint)
    for path in ("metadata", "spec", "spec.driver", "spec.executor", "spec.sparkConf", "spec.hadoopConf"):
        found: Any = document
        for key in path.split("."):
            found = found.get(key) if isinstance(found, Mapping) else None
        if found is not None and not isinstance(found, Mapping):
            yield Fault(f"{_PATH}.{path}", "BAD_APPLICATION", f"{path} is a mapping")


def _head(run: RunParts, document: Mapping[str, Any]) -> Iterator[Fault]:
    kind, api = document.get("kind", "SparkApplication"), document.get("apiVersion")
    if kind != "SparkApplication":
        message = f"{kind!r} is no SparkApplication"
        hint = "Airflow is the schedule: give the template" if kind == "ScheduledSparkApplication" else None
        yield Fault(f"{_PATH}.kind", "BAD_APPLICATION", message, hint)
    if api is not None and api != run.target.application_api.value:
        known = [one.value for one in ApplicationApi]
        hint = f"write target.application_api: {api}" if api in known else f"known are {' and '.join(known)}"
        message = f"it is written for {api}, and target.application_api is {run.target.application_api.value}"
        yield Fault(f"{_PATH}.apiVersion", "APPLICATION_API", message, hint)
    metadata = document.get("metadata")
    for key in metadata if isinstance(metadata, Mapping) else ():
        if key not in ("labels", "annotations"):
            message = f"{key} is made of the run, so that the application can be found again"
            yield Fault(f"{_PATH}.metadata.{key}", "APPLICATION_OURS", message, "remove it")


def _properties(path: str, found: Any) -> Iterator[Fault]:
    for key, value in (found or {}).items() if isinstance(found, Mapping) else ():
        where = f"{path}.{key}"
        label = str(key).rpartition(".label.")[2] if ".label." in str(key) else ""
        if not isinstance(value, str):
            yield Fault(where, "BAD_VALUE", f"{value!r} is no text", f'write "{json.dumps(value)}"')
        elif is_secret_name(str(key)) or holds_secret(value):
            message = "what looks like a secret would stand in plain text in the application"
            yield Fault(where, "SECRET_IN_CONF", message, "give it to app.secret_env")
        elif (key in OURS and key != _ACCOUNT) or label == MANAGED_BY or label.startswith(OWN_PREFIX):
            message = f"{key} is set for each driver, so that it can be found again"
            yield Fault(where, "PROPERTY_IS_OURS", message, "remove it")


def _ends(run: RunParts, spec: Mapping[str, Any]) -> Iterator[Fault]:
    """Give what would keep a run from its end, or its end from being seen."""
    tolerations = _mapping(spec.get("applicationTolerations"))
    restarts = {
        "restartPolicy.type": _mapping(spec.get("restartPolicy")).get("type"),
        "applicationTolerations.restartConfig.restartPolicy": _mapping(tolerations.get("restartConfig")).get(
            "restartPolicy"
        ),
    }
    for path, word in restarts.items():
        if word == "Always":
            message = "a program that is started anew after each end never ends"
            yield Fault(f"{_PATH}.spec.{path}", "APPLICATION_NEVER_ENDS", message, "write OnFailure or Never")
    for key, cluster in (("mode", "cluster"), ("deploymentMode", "ClusterMode")):
        if spec.get(key, cluster) != cluster:
            message = f"{spec[key]!r}: the driver has to be a pod of its own"
            yield Fault(f"{_PATH}.spec.{key}", "APPLICATION_OURS", message, f"write {cluster}, or remove it")
    lives = {
        "timeToLiveSeconds": (spec.get("timeToLiveSeconds"), timedelta(seconds=1)),
        "applicationTolerations.ttlAfterStopMillis": (tolerations.get("ttlAfterStopMillis"), timedelta(milliseconds=1)),
    }
    least = max(_LEAST_LIFE, 10 * run.policy.poll)
    for path, (life, unit) in lives.items():
        if isinstance(life, int) and life >= 0 and life * unit < least:
            message = f"an application that is deleted after {told(life * unit)} may be gone before its end was seen"
            yield Fault(f"{_PATH}.spec.{path}", "APPLICATION_TOO_SHORT", message, f"write {text(least)} or more")


def _mapping(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, Mapping) else {}
