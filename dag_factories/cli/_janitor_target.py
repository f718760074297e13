# SPDX-License-Identifier: Apache-2.0
"""Where the clusters or drivers of a target of ``dataops.yaml`` are, for whoever sweeps them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_dataops.clients.google import GoogleSettings
    from airflow_dataops.clients.spark_k8s.settings import KubeSettings
    from dag_factories.project import Target


def target_of(name: str, folder: Path) -> Target:
    """Return a target of the project that a folder belongs to; it has Dask clusters or a namespace.

    Raises:
        PipelineError: ``dataops.yaml`` has an error.
        SpecError: There is no such target (``UNKNOWN_TARGET``), or it has neither (``USAGE``).
    """
    from airflow_dataops.core.errors import SpecError
    from dag_factories.findings import PipelineError, has_errors
    from dag_factories.pipeline import load_project

    loaded = load_project(folder)
    if has_errors(loaded.findings):
        raise PipelineError(loaded.findings)
    target = loaded.project.target(name)
    if not _has_place(target):
        others = [one for one in loaded.project.spec.targets if _has_place(loaded.project.target(one))]
        hint = f"--target {others[0]}" if others else "no target of dataops.yaml has clusters or driver pods"
        message = (
            f"target {name!r} says runner: {target.config.runner}: it leaves nothing in a cloud or a cluster to sweep"
        )
        raise SpecError(message, hint=hint, code="USAGE")
    return target


def on_spark(target: Target) -> bool:
    """Tell whether it has driver pods; else it has Dask clusters."""
    return target.config.runner == "spark_k8s"


def applications_of(target: Target) -> tuple[str, ...]:
    """Return the API of the SparkApplications that a target's runs make; none where they make pods."""
    from dag_factories.spark import parts_of

    place = parts_of(target.config).target
    return (place.application_api.value,) if place.mode == "crd" else ()


def kube_settings(arguments: argparse.Namespace, target: Target) -> KubeSettings:
    """Return how a target's namespace is reached: by the kubeconfig of the command line, or as its connection in the environment says.

    Raises:
        SpecError: Neither the target nor its connection names a namespace (``USAGE``).
    """
    from airflow_dataops.core.errors import SpecError
    from dag_factories.cli import _preflight_spark
    from dag_factories.spark import parts_of, spark_of

    spark, asked = spark_of(target), parts_of(target.config)
    settings, run = _preflight_spark.place_of(arguments, spark, asked)
    if spark.namespace is None and run is asked:
        message = f"target {target.name!r} takes its namespace from an Airflow connection that is not known here"
        hint = "write --namespace NS instead of --target, or set AIRFLOW_CONN_…"
        raise SpecError(message, hint=hint, code="USAGE")
    return settings


def google_settings(arguments: argparse.Namespace, target: Target) -> GoogleSettings:
    """Return where a target's clusters are, and as whom they are asked for; what the command line says goes before."""
    from airflow_dataops.clients.google import GoogleSettings, accounts_of

    config = target.config.dask
    if config is None:
        raise ValueError(f"target {target.name!r} has no clusters")
    chain = accounts_of(arguments.impersonate) or tuple(config.impersonation_chain)
    endpoint = arguments.api_endpoint or config.api_endpoint
    return GoogleSettings(config.project, config.region, impersonation_chain=chain, dataproc_endpoint=endpoint)


def _has_place(target: Target) -> bool:
    config = target.config
    return (config.runner == "spark_k8s" and config.spark is not None) or (
        config.runner == "dataproc_dask" and config.dask is not None
    )
