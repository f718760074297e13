# SPDX-License-Identifier: Apache-2.0
"""Rules about labels, annotations and pod templates: what is ours is refused there, so that nothing is dropped in silence."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from airflow_dataops.core.checked import Fault
from airflow_dataops.core.spark_k8s import forms
from airflow_dataops.core.spark_k8s.forms import form
from airflow_dataops.core.spark_k8s.merge import names_in
from airflow_dataops.core.spark_k8s.names import ANNOTATIONS, MANAGED_BY, OWN_PREFIX
from airflow_dataops.core.spark_k8s.profiles import CONF_DIR, DRIVER_CONTAINER, EXECUTOR_CONTAINER
from airflow_dataops.core.spark_k8s.reserved import VARIABLES
from airflow_dataops.core.spark_k8s.scc_rules import scc_rules
from airflow_dataops.core.spark_k8s.secrets import holds_secret, is_secret_name
from airflow_dataops.core.spark_k8s.spec import Profile, RunParts

_OF_SPARK = (
    "spark-app-name",
    "spark-app-selector",
    "spark-exec-id",
    "spark-exec-inactive",
    "spark-role",
    "spark-version",
)
_NAMED = {"containers": "name", "initContainers": "name", "volumes": "name", "env": "name", "volumeMounts": "mountPath"}
_OURS_IN_BOTH = {"restartPolicy": None, "schedulingGates": None}
_OURS_IN_DRIVER = {
    "serviceAccountName": "target.service_account",
    "serviceAccount": "target.service_account",
    "activeDeadlineSeconds": "policy.run_timeout",
}
_OURS_IN_CONTAINER = {
    "args": "app.args",
    "command": None,
    "image": "app.image",
    "terminationMessagePath": None,
    "terminationMessagePolicy": None,
}


def template_rules(run: RunParts) -> Iterator[Fault]:
    """Give the faults of ``labels``, ``annotations`` and both templates."""
    app = run.app
    yield from label_rules("app.labels", app.labels)
    yield from annotation_rules("app.annotations", app.annotations)
    yield from pod_rules(run, "app.pod_template", app.pod_template, driver=True)
    yield from pod_rules(run, "app.executor_template", app.executor_template, driver=False)


def pod_rules(run: RunParts, path: str, template: Mapping[str, Any], *, driver: bool) -> Iterator[Fault]:
    """Give the faults of a pod template of the user's, wherever it stands.

    Args:
        run: What is asked for.
        path: Where it stands.
        template: The template.
        driver: Whether it is the driver's; else it is the executors'.
    """
    app = run.app
    variables = dict.fromkeys(app.env, "app.env") | dict.fromkeys(app.secret_env, "app.secret_env")
    ours = _OURS_IN_BOTH | (_OURS_IN_DRIVER if driver else {})
    yield from _template(path, template, DRIVER_CONTAINER if driver else EXECUTOR_CONTAINER, ours, variables)
    if app.profile is Profile.OPENSHIFT:
        yield from scc_rules(path, template)


def label_rules(path: str, labels: Mapping[Any, Any]) -> Iterator[Fault]:
    """Give the faults of labels of the user's."""
    for key, value in labels.items():
        where = f"{path}.{key}"
        yield from form(where, "BAD_LABEL_KEY", str(key), forms.LABEL_KEY, forms.LABEL_KEY_VALID)
        if not isinstance(value, str):
            yield Fault(where, "BAD_LABEL_VALUE", f"{value!r} is no text", f'write "{value}"')
        else:
            yield from form(where, "BAD_LABEL_VALUE", value, forms.LABEL_VALUE, forms.LABEL_VALUE_VALID)
        if key == MANAGED_BY or str(key).startswith(OWN_PREFIX) or key in _OF_SPARK:
            message = f"{MANAGED_BY}, labels that start with {OWN_PREFIX}, and Spark's own are not yours to set"
            yield Fault(where, "RESERVED_LABEL", message)


def annotation_rules(path: str, annotations: Mapping[Any, Any]) -> Iterator[Fault]:
    """Give the faults of annotations of the user's."""
    for key, value in annotations.items():
        where = f"{path}.{key}"
        yield from form(where, "BAD_ANNOTATION_KEY", str(key), forms.LABEL_KEY, forms.LABEL_KEY_VALID)
        if not isinstance(value, str):
            yield Fault(where, "BAD_ANNOTATION", f"{value!r} is no text", f'write "{value}"')
        elif holds_secret(value):
            yield Fault(where, "SECRET_IN_ANNOTATION", "everybody who may read pods reads annotations", "remove it")
        if str(key).startswith(ANNOTATIONS):
            yield Fault(where, "RESERVED_ANNOTATION", f"annotations that start with {ANNOTATIONS} are not yours to set")


def _template(
    path: str, template: Mapping[str, Any], container: str, ours: Mapping[str, str | None], variables: Mapping[str, str]
) -> Iterator[Fault]:
    try:
        json.dumps(template, allow_nan=False)
    except (TypeError, ValueError) as error:
        yield Fault(path, "BAD_TEMPLATE", f"not JSON: {error}")
        return
    shape = [*_shape(path, template)]
    yield from shape
    if shape:
        return
    metadata, spec = template.get("metadata") or {}, template.get("spec") or {}
    yield from label_rules(f"{path}.metadata.labels", metadata.get("labels") or {})
    yield from annotation_rules(f"{path}.metadata.annotations", metadata.get("annotations") or {})
    yield from _not_ours(f"{path}.spec", spec, ours)
    for entry in spec.get("containers") or []:
        if entry["name"] == container:
            where = f"{path}.spec.containers.{container}"
            yield from _not_ours(where, entry, _OURS_IN_CONTAINER)
            yield from _variables(f"{where}.env", [one["name"] for one in entry.get("env") or []], variables)
            if any(mount["mountPath"].rstrip("/") == CONF_DIR for mount in entry.get("volumeMounts") or []):
                message = f"{CONF_DIR} holds the properties of the run"
                yield Fault(f"{where}.volumeMounts", "TEMPLATE_OURS", message, "mount at another place")
    yield from secret_rules(path, template)


def _variables(path: str, names: list[str], variables: Mapping[str, str]) -> Iterator[Fault]:
    for name in names:
        if name in VARIABLES:
            yield Fault(f"{path}.{name}", "VARIABLE_IS_OURS", f"{name} is set for each pod", "remove it")
        elif name in variables:
            yield Fault(f"{path}.{name}", "VARIABLE_TWICE", f"{variables[name]} has it too", "remove one of the two")


def _shape(path: str, template: Mapping[str, Any]) -> Iterator[Fault]:
    known = {"metadata": ("labels", "annotations"), "spec": None, "apiVersion": None, "kind": None}
    for key in template:
        if key not in known:
            yield Fault(f"{path}.{key}", "BAD_TEMPLATE", "a pod template has metadata and spec")
    for key, value in (("apiVersion", "v1"), ("kind", "Pod")):
        if template.get(key, value) != value:
            yield Fault(
                f"{path}.{key}", "BAD_TEMPLATE", f"{template[key]!r} is not {value}", "give metadata and spec of a pod"
            )
    for key in ("metadata", "spec"):
        if template.get(key) is not None and not isinstance(template[key], Mapping):
            yield Fault(f"{path}.{key}", "BAD_TEMPLATE", f"{key} is a mapping")
            return
    metadata = template.get("metadata") or {}
    for key in metadata:
        if key not in ("labels", "annotations"):
            message = f"{key} is made of the run, so that the pod can be found again"
            yield Fault(
                f"{path}.metadata.{key}", "TEMPLATE_OURS", message, "only labels and annotations may stand there"
            )
        elif metadata[key] is not None and not isinstance(metadata[key], Mapping):
            yield Fault(f"{path}.metadata.{key}", "BAD_TEMPLATE", f"{key} is a mapping")
    yield from _lists(f"{path}.spec", template.get("spec") or {})


def _lists(path: str, part: Mapping[str, Any]) -> Iterator[Fault]:
    for key, name in _NAMED.items():
        entries = part.get(key)
        if entries is None:
            continue
        if not isinstance(entries, list) or any(not isinstance(entry, Mapping) for entry in entries):
            yield Fault(f"{path}.{key}", "BAD_TEMPLATE", f"{key} is a list of mappings")
            continue
        if any(not isinstance(entry.get(name), str) for entry in entries):
            message = f"each of {key} needs its {name}: by that it is merged with ours"
            yield Fault(f"{path}.{key}", "BAD_TEMPLATE", message)
            continue
        if len(set(names_in(key, entries))) < len(entries):
            yield Fault(f"{path}.{key}", "BAD_TEMPLATE", f"a {name} stands there twice")
        for entry in entries:
            yield from _lists(f"{path}.{key}.{entry[name]}", entry) if key.endswith("ontainers") else ()


def _not_ours(path: str, part: Mapping[str, Any], ours: Mapping[str, str | None]) -> Iterator[Fault]:
    for key, field in ours.items():
        if key in part:
            hint = f"write {field}" if field else "remove it"
            yield Fault(f"{path}.{key}", "TEMPLATE_OURS", f"{key} is not the template's to set", hint)


def secret_rules(path: str, value: Any) -> Iterator[Fault]:
    """Give what looks like a secret anywhere in a document; annotations have rules of their own."""
    message, hint = (
        "what looks like a secret would stand in plain text in the pod's spec",
        "write valueFrom: {secretKeyRef: …}",
    )
    if isinstance(value, Mapping):
        name = value.get("name")
        if isinstance(name, str) and isinstance(value.get("value"), str) and is_secret_name(name):
            yield Fault(f"{path}.{name}", "SECRET_IN_TEMPLATE", message, hint)
            return
        for key, part in value.items():
            yield from secret_rules(f"{path}.{key}", part) if key != "annotations" else ()
    elif isinstance(value, list):
        for position, part in enumerate(value):
            yield from secret_rules(f"{path}.{position}", part)
    elif isinstance(value, str) and holds_secret(value):
        yield Fault(path, "SECRET_IN_TEMPLATE", message, hint)
