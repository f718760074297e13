# SPDX-License-Identifier: Apache-2.0
"""What the plans of all kinds share: tasks with their merged arguments, alerts, and the name of a table as an asset."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from airflow_dataops.core.errors import SpecError
from dag_factories.arguments import dag_arguments
from dag_factories.plans.model import Alert
from dag_factories.project import Project, Target
from dag_factories.references import SECRET_KINDS, parse, typed_values
from dag_factories.specs.base import PipelineSpec
from dag_factories.specs.limits import Limits

_URI = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_ON_CLUSTERS = ("dask", "dataproc_dask")
_IN_DRIVERS = {("spark", "spark_k8s"), ("duckdb", "spark_k8s"), ("spark", "spark_standalone")}
_BUILT = {("duckdb", "local"), _ON_CLUSTERS, *_IN_DRIVERS}


def dag_with_assets(spec: PipelineSpec, project: Project, target: Target) -> dict[str, Any]:
    """Return the arguments of the DAG, with the tables of an asset schedule as URIs."""
    arguments = dag_arguments(spec, project)
    schedule = arguments["schedule"]
    if isinstance(schedule, dict):
        uris = [asset_uri(project.table(path, target), path, target) for path in schedule["assets"]]
        arguments["schedule"] = {"assets": uris}
    return arguments


def is_on_cluster(target: Target) -> bool:
    """Return whether the target's jobs run on Dask clusters that Airflow makes for a run."""
    return (target.config.engine, target.config.runner) == _ON_CLUSTERS


def is_in_drivers(target: Target) -> bool:
    """Return whether each of the target's steps has a Spark driver of its own."""
    return (target.config.engine, target.config.runner) in _IN_DRIVERS


def engine_of(spec: PipelineSpec, target: Target) -> str:
    """Return the engine of the target's jobs.

    Raises:
        SpecError: This version has no such engine and runner (``ENGINE_NOT_AVAILABLE``).
    """
    engine, runner = target.config.engine, target.config.runner
    if (engine, runner) not in _BUILT:
        raise SpecError(
            f"target {target.name!r} says engine: {engine}, runner: {runner}; {spec.kind} runs on engine: duckdb, runner: local; "
            "engine: dask, runner: dataproc_dask; engine: spark, runner: spark_k8s or spark_standalone; "
            "or engine: duckdb, runner: spark_k8s",
            hint="choose another target with --target, DATAOPS_TARGET or default_target",
            code="ENGINE_NOT_AVAILABLE",
        )
    return engine


def alerts_of(spec: PipelineSpec) -> list[Alert]:
    """Return what the file tells to whom, the worst first."""
    told = (("critical", spec.alerts.critical), ("warning", spec.alerts.warning), ("info", spec.alerts.info))
    return [
        Alert.model_validate({"severity": severity, "route": route}) for severity, routes in told for route in routes
    ]


def resources_of(own: Limits, target: Target) -> dict[str, Any]:
    """Return the limits of a job's process: the pipeline's, and the target's where it says nothing; empty where neither does."""
    base = target.config.resources
    if not own.model_fields_set and not base.model_fields_set:
        return {}
    resources = own.over(base).model_dump(mode="json", exclude_defaults=True)
    if spill := resources.get("spill_dir"):
        resources["spill_dir"] = typed_values(spill)
    return resources


def said(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values that say something."""
    return {key: value for key, value in values.items() if value not in (None, {}, [])}


def asset_uri(table: str, written: str, target: Target) -> str:
    """Return the URI by which other pipelines know a table.

    A folder is ``file:///…``, ``s3a://`` and ``s3n://`` are ``s3://``, as Airflow's own providers name them. Where only the run
    knows the lake (``${env:LAKE}``), it is ``x-dataops://<target>/<path below the lake>``: an asset's name is fixed when the DAG
    is read, and has to be the same on every machine.

    Args:
        table: The table's full path, ``${lake}`` expanded.
        written: The same, as the author wrote it.
        target: Where it is meant.
    """
    if parse(table, SECRET_KINDS):
        below = written.removeprefix("${lake}").lstrip("/")
        return f"x-dataops://{target.name}/{quote(below)}"
    scheme = _URI.match(table)
    if scheme is None:
        return f"file://{quote(table)}"
    name = scheme[1].lower()
    return ("s3" if name in {"s3a", "s3n"} else name) + "://" + quote(table[scheme.end() :])
