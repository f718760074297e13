# SPDX-License-Identifier: Apache-2.0
"""The drivers of a target in ``dataops.yaml``: what Kubernetes, Spark or S3 would not take, and what would have no effect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.s3 import S3Settings
from airflow_dataops.core.spark_k8s.rules import broken_rules
from airflow_dataops.core.spark_k8s.spark_submit import ALSO_HERE
from airflow_dataops.core.spark_k8s.tracking import MlflowSettings, server_of
from dag_factories import spark
from dag_factories.check.dask_target import deepest
from dag_factories.project import TargetConfig
from dag_factories.specs.base import Path, Problem
from dag_factories.specs.spark import SparkTarget

_KEYS_OF_SECRET = frozenset(f"app.secret_env.{name}" for name in spark.KEYS)


def check(name: str, target: TargetConfig) -> Iterator[Problem]:
    """Yield what is wrong with the drivers of a target.

    Args:
        name: The target.
        target: What ``dataops.yaml`` says of it; it has a section ``spark``.
    """
    section = target.spark
    if section is None:
        return
    place: Path = ("targets", name, "spark")
    if target.runner not in spark.RUNNERS:
        message = f"the target says runner: {target.runner}, so no driver is ever made so"
        yield Problem(place, "SPARK_NOT_USED", message, "write engine: spark, runner: spark_k8s", on_key=True)
        return
    written = section.given()
    for fault in broken_rules(spark.parts_of(target)):
        if fault.path in _KEYS_OF_SECRET and section.s3 is not None and section.s3.secret is not None:
            continue  # it is told at s3.secret, by which they come
        root, _, rest = fault.path.partition(".")
        steps = _steps(written if root != "policy" else written.get("policy", {}), rest)
        found = (
            ("policy", *deepest(written.get("policy"), steps)) if root == "policy" else deepest(written, steps)
        ) or ()
        exact = bool(found) and (len(found) == len(steps) + (root == "policy"))
        message = fault.message if exact else f"{rest}: {fault.message}"
        hint = None if fault.hint is None else fault.hint.replace("app.", "").replace("target.", "")
        yield Problem((*place, *found), fault.code, message, hint, on_key=not exact)
    yield from _unused(target.runner, section, place)
    yield from _without_spark(target, section, place)
    yield from _without_partner(target, section, place)
    yield from _s3(section, target, place)
    yield from _mlflow(section, place)


def _steps(document: Any, path: str) -> Path:
    """Return a fault's path as steps; the name of a property or label may hold dots, so the longest key that is written counts."""
    steps: list[str | int] = []
    rest = path
    while rest:
        step: str | int = rest.partition(".")[0]
        if isinstance(document, dict):
            written = (key for key in document if rest == key or rest.startswith(f"{key}."))
            step = max(written, key=len, default=step)
        rest = rest.removeprefix(str(step)).removeprefix(".")
        step = int(step) if isinstance(document, list) and str(step).isdigit() else step
        steps.append(step)
        document = document[step] if deepest(document, (step,)) else None
    return tuple(steps)


def _unused(runner: str, section: SparkTarget, place: Path) -> Iterator[Problem]:
    if runner != "spark_standalone":
        return
    unused: list[Path] = [(field,) for field in sorted(spark.ONLY_IN_PODS & section.model_fields_set)]
    for name, used in ALSO_HERE.items():
        unused += [(name, field) for field in sorted(getattr(section, name).model_fields_set - used)]
    for path in unused:
        said = ".".join(map(str, path))
        message = f"{said} has no effect: spark_standalone makes no pods, and runs each driver on its worker"
        yield Problem((*place, *path), "SPARK_FIELD_UNUSED", message, "remove it", on_key=True)
    if section.s3 is not None and section.s3.secret is not None:
        message = "s3.secret is a Secret of Kubernetes, and spark_standalone reads none"
        hint = "write aws_conn_id: … instead of s3, or secret_env: {AWS_ACCESS_KEY_ID: env:NAME, AWS_SECRET_ACCESS_KEY: env:NAME}"
        yield Problem((*place, "s3", "secret"), "SECRET_NOT_HERE", message, hint, on_key=True)


def _without_spark(target: TargetConfig, section: SparkTarget, place: Path) -> Iterator[Problem]:
    """Give what only Spark has a use for, where DuckDB does the work; a warning, since the engine may be changed for a while only."""
    if (target.engine, target.runner) != ("duckdb", "spark_k8s"):
        return
    for field in sorted(spark.ONLY_WITH_SPARK & section.model_fields_set):
        message = f"{field} has no effect: with engine: duckdb a step is done in the driver alone, and starts no Spark"
        hint = "remove it, or write engine: spark"
        yield Problem((*place, field), "SPARK_FIELD_UNUSED", message, hint, severity="warning", on_key=True)


def _without_partner(target: TargetConfig, section: SparkTarget, place: Path) -> Iterator[Problem]:
    """Give what only counts beside something else; a warning, since that may be left out for a while only."""
    unused = {}
    if target.runner == "spark_k8s" and section.mode == "direct":
        message = "mode direct makes the driver's pod itself, and no SparkApplication"
        unused["application_api"] = message, "write mode: crd, or remove it"
    if target.engine == "spark" and section.event_log is None and not section.application:
        message = "no event log is written, so there is nothing for its links to show"
        unused["history_server"] = message, "add event_log: s3a://BUCKET/spark-events, or remove it"
    for field, (why, hint) in unused.items():
        if field in section.model_fields_set:
            message = f"{field} has no effect: {why}"
            yield Problem((*place, field), "SPARK_FIELD_UNUSED", message, hint, severity="warning", on_key=True)


def _mlflow(section: SparkTarget, place: Path) -> Iterator[Problem]:
    found = spark.mlflow_of(section)
    if isinstance(found, bool):
        return
    at: Path = (*place, "mlflow")
    if found.get("conn_id") is not None and found.get("tracking_uri") is not None:
        message = "conn_id and tracking_uri both say where MLflow is"
        yield Problem(at, "MLFLOW_SETTINGS", message, "leave one of them out", on_key=True)
    address = found.get("tracking_uri")
    if address is None or "${" in address:
        return
    try:
        server_of(MlflowSettings(tracking_uri=address), None, {})
    except SpecError as error:
        yield Problem((*at, "tracking_uri"), error.code, error.message, error.hint)


def _s3(section: SparkTarget, target: TargetConfig, place: Path) -> Iterator[Problem]:
    if section.s3 is None:
        return
    at: Path = (*place, "s3")
    if section.aws_conn_id is not None:
        message = "s3 and aws_conn_id both say where S3 is"
        yield Problem(at, "S3_SETTINGS", message, "leave one of them out", on_key=True)
    try:
        settings = S3Settings(**spark.s3_of(section))
        if target.engine == "spark":
            settings.for_s3a(section.spark_version)
    except SpecError as error:
        yield Problem(at, error.code, error.message, error.hint, on_key=True)
    except ValidationError as error:
        yield Problem(at, "S3_SETTINGS", error.errors(include_input=False)[0]["msg"], None, on_key=True)
