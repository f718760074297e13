# SPDX-License-Identifier: Apache-2.0
"""Rules about Spark's properties and the environment: what has a field of its own, and that no secret stands there."""

from __future__ import annotations

from collections.abc import Iterator

from airflow_dataops.core.checked import Fault
from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.secrets import parse
from airflow_dataops.core.spark_k8s import forms
from airflow_dataops.core.spark_k8s.forms import form, shown
from airflow_dataops.core.spark_k8s.reserved import OURS, VARIABLES, field_for, template_for
from airflow_dataops.core.spark_k8s.scc_rules import conf_scc_rules
from airflow_dataops.core.spark_k8s.secrets import holds_secret, is_secret_name
from airflow_dataops.core.spark_k8s.sizes import off_heap_mib
from airflow_dataops.core.spark_k8s.spec import Mode, Profile, RunParts, SecretKeyRef

_S3_KEYS = (".access.key", ".secret.key", ".session.token")


def property_rules(run: RunParts) -> Iterator[Fault]:
    """Give the faults of ``conf``, ``env`` and ``secret_env``."""
    mode, conf = run.target.mode, run.app.conf
    for key, value in conf.items():
        yield from _property(f"app.conf.{key}", key, value, mode)
    if run.app.profile is Profile.OPENSHIFT and mode != "standalone":
        yield from conf_scc_rules("app.conf", (key for key in conf if mode == "crd" or template_for(key) is None))
    for name, value in run.app.env.items():
        yield from _variable(f"app.env.{name}", name)
        if is_secret_name(name) or holds_secret(value):
            yield Fault(f"app.env.{name}", "SECRET_IN_ENV", *_instead("a variable", name))
        if "\0" in value:
            yield Fault(f"app.env.{name}", "BAD_VALUE", "no variable can hold the character NUL")
    for name, source in run.app.secret_env.items():
        yield from _variable(f"app.secret_env.{name}", name)
        if name in run.app.env:
            yield Fault(f"app.secret_env.{name}", "VARIABLE_TWICE", "env has it too", "remove one of the two")
        yield from _source(f"app.secret_env.{name}", source)
        if run.target.mode == "standalone" and isinstance(source, SecretKeyRef):
            message = "mode standalone has no Kubernetes Secret to read"
            yield Fault(
                f"app.secret_env.{name}", "SECRET_NOT_HERE", message, "write env:NAME, var:NAME or conn:ID.field"
            )


def _property(path: str, key: str, value: str, mode: Mode) -> Iterator[Fault]:
    field, template = field_for(key), template_for(key)
    if field is not None:
        yield Fault(path, "PROPERTY_HAS_FIELD", f"{key} has a field of its own", f"write app.{field}")
    elif template is not None and mode == "direct":
        message = f"{key} has no effect: mode direct makes the driver's pod itself, without spark-submit"
        yield Fault(path, "PROPERTY_UNUSED", message, f"write app.pod_template: {{spec: {{{template}: …}}}}")
    elif key in OURS:
        yield Fault(
            path, "PROPERTY_IS_OURS", f"{key} is set for each driver, so that it can be found again", "remove it"
        )
    elif is_secret_name(key) or holds_secret(value):
        yield Fault(path, "SECRET_IN_CONF", *_instead("a property", key))
    elif forms.PROPERTY.fullmatch(key) is None:
        message = f"{shown(key)}: Spark reads properties whose names begin with spark. and hold no spaces"
        yield Fault(
            path, "BAD_PROPERTY", message, f"write spark.hadoop.{key}" if key.isascii() and key.isprintable() else None
        )
    elif key == "spark.memory.offHeap.size":
        try:
            off_heap_mib(value)
        except ValueError as error:
            yield Fault(path, "BAD_SIZE", str(error))


def _instead(what: str, name: str) -> tuple[str, str]:
    message = f"{what} that looks like a secret would stand in plain text in ConfigMaps, pod specs and logs"
    if name.startswith("spark.hadoop.fs.s3a.") and name.endswith(_S3_KEYS):
        hint = (
            "remove it: give the keys to secret_env as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN), each as "
            "{name: SECRET, key: KEY} or conn:ID.password; S3A reads them from there"
        )
    else:
        variable = "NAME" if name.startswith("spark.") else name
        hint = (
            f"remove it: write secret_env: {{{variable}: {{name: SECRET, key: KEY}}}} or {variable}: conn:ID.password"
        )
    return message, hint


def _variable(path: str, name: str) -> Iterator[Fault]:
    yield from form(path, "BAD_VARIABLE", name, forms.VARIABLE, forms.VARIABLE_VALID)
    if name in VARIABLES:
        yield Fault(path, "VARIABLE_IS_OURS", f"{name} is set for each pod", "remove it")


def _source(path: str, source: SecretKeyRef | str) -> Iterator[Fault]:
    if isinstance(source, SecretKeyRef):
        yield from form(f"{path}.name", "BAD_SECRET_NAME", source.name, forms.SUBDOMAIN, forms.SUBDOMAIN_VALID)
        valid = "1 to 253 of letters, digits, -, _ and ."
        yield from form(f"{path}.key", "BAD_SECRET_KEY", source.key, forms.SECRET_KEY, valid)
        return
    try:
        parse(source)
    except SpecError as error:
        # The text is not repeated: somebody may have put the secret itself here.
        yield Fault(
            path, "BAD_REFERENCE", error.message, "write {name: SECRET, key: KEY}, env:NAME, var:NAME or conn:ID.field"
        )
