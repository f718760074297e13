# SPDX-License-Identifier: Apache-2.0
"""What Spark and Kubernetes would refuse, or would do otherwise than meant, found before anything is created."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import timedelta

from airflow_dataops.core.checked import Fault
from airflow_dataops.core.durations import told
from airflow_dataops.core.spark_k8s import forms
from airflow_dataops.core.spark_k8s.application_document import has_image
from airflow_dataops.core.spark_k8s.application_rules import application_rules
from airflow_dataops.core.spark_k8s.forms import form
from airflow_dataops.core.spark_k8s.names import MOST_ATTEMPTS
from airflow_dataops.core.spark_k8s.program_rules import program_rules
from airflow_dataops.core.spark_k8s.property_rules import property_rules
from airflow_dataops.core.spark_k8s.sizes import LEAST_HEAP
from airflow_dataops.core.spark_k8s.spec import DynamicExecutors, PodSize, RunParts
from airflow_dataops.core.spark_k8s.template_rules import template_rules

LONGEST_RUN = timedelta(days=30)


def broken_rules(run: RunParts) -> list[Fault]:
    """Return the rules that a well-typed run breaks."""
    return [fault for rule in _RULES for fault in rule(run)]


def _image(run: RunParts) -> Iterator[Fault]:
    app = run.app
    if app.image is None and run.target.mode != "standalone" and not has_image(app):
        yield Fault("app.image", "IMAGE_MISSING", "pods need an image", "write image: registry/spark:3.5.7")
    valid = "an image such as registry.example.com/spark:3.5.7"
    yield from form("app.image", "BAD_IMAGE", app.image, forms.IMAGE, valid)
    for position, name in enumerate(app.image_pull_secrets):
        path = f"app.image_pull_secrets.{position}"
        yield from form(path, "BAD_SECRET_NAME", name, forms.SUBDOMAIN, forms.SUBDOMAIN_VALID)
    valid = "Spark 3.5 or 4.x, as 3.5, 3.5.7 or 4.0"
    yield from form("app.spark_version", "BAD_SPARK_VERSION", app.spark_version, forms.VERSION, valid)


def _sizes(run: RunParts) -> Iterator[Fault]:
    app = run.app
    for role, size in (("driver", app.driver), ("executor", app.executor)):
        yield from _size(f"app.{role}", size)
    if app.executor.pyspark_memory is not None and not app.python:
        message = "the program is no Python program, and its executors start no Python"
        yield Fault("app.executor.pyspark_memory", "PYSPARK_MEMORY_UNUSED", message, "remove it")


def _size(path: str, size: PodSize) -> Iterator[Fault]:
    if size.memory.mib < LEAST_HEAP:
        message = (
            f"{size.memory} is less than the {LEAST_HEAP}Mi without which Spark does not start; a bare number is bytes"
        )
        yield Fault(f"{path}.memory", "TOO_LITTLE_MEMORY", message, "write 512m or more")
    if size.cpu_limit is not None and size.cpu_limit < size.cores:
        message = f"{size.cpu_limit} is less than cores, which is {size.cores}"
        yield Fault(f"{path}.cpu_limit", "LIMIT_BELOW_REQUEST", message, f"write {size.cores} or more, or leave it out")
    share = size.memory_overhead_factor
    if share is not None and not (math.isfinite(share) and 0 < share <= 10):
        message = f"{share} is not more than 0 and at most 10"
        yield Fault(f"{path}.memory_overhead_factor", "BAD_OVERHEAD_FACTOR", message, "write 0.4, or leave it out")
    if share is not None and size.memory_overhead is not None:
        message = "memory_overhead is given, so the factor would be ignored"
        yield Fault(f"{path}.memory_overhead_factor", "OVERHEAD_TWICE", message, "remove one of the two")


def _executors(run: RunParts) -> Iterator[Fault]:
    wanted = run.app.executors
    if not isinstance(wanted, DynamicExecutors):
        if wanted < 1:
            message = f"{wanted} executors would never begin the work"
            hint = "write 1 or more, or bounds: {minimum: 0, maximum: 4}"
            yield Fault("app.executors", "TOO_FEW_EXECUTORS", message, hint)
        return
    first = wanted.minimum if wanted.initial is None else wanted.initial
    if not 0 <= wanted.minimum <= first <= wanted.maximum or wanted.maximum < 1:
        message = (
            f"minimum {wanted.minimum}, initial {first}, maximum {wanted.maximum}: "
            "0 <= minimum <= initial <= maximum, and maximum at least 1"
        )
        yield Fault("app.executors", "BAD_EXECUTOR_BOUNDS", message)
    for name in ("idle", "shuffle_idle"):
        yield from _at_least_a_second(f"app.executors.{name}", getattr(wanted, name))


def _target(run: RunParts) -> Iterator[Fault]:
    target = run.target
    yield from form("target.namespace", "BAD_NAMESPACE", target.namespace, forms.DNS_LABEL, forms.DNS_LABEL_VALID)
    account = target.service_account
    yield from form("target.service_account", "BAD_ACCOUNT", account, forms.SUBDOMAIN, forms.SUBDOMAIN_VALID)
    valid = "an address such as https://host:6443, without user and query"
    for name in ("api_server", "history_server", "console"):
        value: str | None = getattr(target, name)
        if value is not None and forms.URL.fullmatch(value) is None:
            said = "" if "@" in value or "?" in value else f"{forms.shown(value)}: "
            yield Fault(f"target.{name}", "BAD_ADDRESS", f"{said}{valid}")
    if target.mode == "standalone" and target.master is None:
        hint = "write master: spark://host:7077 or master: local[*]"
        yield Fault("target.master", "MASTER_MISSING", "mode standalone needs Spark's master", hint)
    if target.mode != "standalone" and target.master is not None:
        message = f"mode {target.mode} has the cluster itself as master"
        yield Fault("target.master", "MASTER_UNUSED", message, "remove it, or write mode: standalone")
    yield from form("target.master", "BAD_MASTER", target.master, forms.SPARK_MASTER, "spark://host:7077 or local[*]")


def _patience(run: RunParts) -> Iterator[Fault]:
    policy = run.policy
    if not 1 <= policy.attempts <= MOST_ATTEMPTS:
        yield Fault("policy.attempts", "BAD_ATTEMPTS", f"{policy.attempts} is not between 1 and {MOST_ATTEMPTS}")
    for name in ("poll", "backoff", "backoff_limit", "start_timeout", "run_timeout", "delete_timeout"):
        yield from _at_least_a_second(f"policy.{name}", getattr(policy, name))
    whole = policy.start_timeout + policy.run_timeout
    if whole > LONGEST_RUN:
        message = f"start_timeout and run_timeout are {told(whole)} together, longer than {told(LONGEST_RUN)}"
        yield Fault("policy.run_timeout", "TOO_LONG", message, "split the work into runs")


def _at_least_a_second(path: str, length: timedelta) -> Iterator[Fault]:
    if length < timedelta(seconds=1):
        yield Fault(path, "TOO_SHORT", f"{length.total_seconds():g}s is shorter than 1s")


_RULES: tuple[Callable[[RunParts], Iterator[Fault]], ...] = (
    program_rules,
    _image,
    _sizes,
    _executors,
    property_rules,
    template_rules,
    application_rules,
    _target,
    _patience,
)
