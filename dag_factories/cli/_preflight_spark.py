# SPDX-License-Identifier: Apache-2.0
"""The preflight of a target with Spark drivers: the namespace, and S3 as this machine reaches it."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_dataops.clients.s3 import S3Client
    from airflow_dataops.clients.spark_k8s.settings import KubeSettings
    from airflow_dataops.core.preflight.findings import Finding
    from airflow_dataops.core.spark_k8s.spec import RunParts, SparkApp
    from dag_factories.plans.model import Plan
    from dag_factories.project import Target
    from dag_factories.specs.spark import SparkTarget


def ask(arguments: argparse.Namespace, target: Target, plan: Plan) -> tuple[Finding, ...]:
    """Return what a target's namespace lacks for a pipeline.

    Raises:
        SpecError: The target has no namespace to look at, an option has no meaning for it, or what its lake refers to is not set here.
    """
    from airflow_dataops.clients.spark_k8s.preflight import preflight
    from airflow_dataops.core.errors import SpecError
    from airflow_dataops.jobs.secrets import lookup
    from dag_factories import spark
    from dag_factories.resolve import replace_references

    config = spark.spark_of(target)
    if arguments.impersonate:
        hint = "use a kubeconfig of that account: --kubeconfig FILE (kubectl create token NAME makes its token)"
        raise SpecError("--impersonate is for Google Cloud", hint=hint, code="USAGE")
    asked = with_secrets(spark.parts_of(target.config), config, plan)
    settings, run = place_of(arguments, config, asked)
    lake = replace_references(target.lake, str, lambda ref: lookup(f"{ref.kind}:{ref.name}"))
    found = preflight(settings, run, s3=_s3(config, os.environ), lake=lake)
    return (*found, *_not_set(source for source in run.app.secret_env.values() if isinstance(source, str)))


def with_secrets(run: RunParts, config: SparkTarget, plan: Plan) -> RunParts:
    """Return what a target asks for, with the secrets of a pipeline's steps and the keys of its connections where those are known here."""
    from airflow_dataops.core.s3 import S3Settings
    from airflow_dataops.core.spark_k8s.step import looked_up
    from airflow_dataops.core.spark_k8s.storage import with_storage

    steps = [task.arguments.get("step") for task in plan.tasks]
    own = looked_up(run.app.secret_env, steps)
    app = run.app.model_copy(update={"secret_env": {**run.app.secret_env, **own}})
    fields = None if config.aws_conn_id is None else _connection(config.aws_conn_id)
    if config.aws_conn_id is not None and fields is not None:
        app = with_storage(app, *S3Settings.from_connection(config.aws_conn_id, fields).for_s3a(app.spark_version))
    return run.model_copy(update={"app": _tracked(app, config)})


def _tracked(app: SparkApp, config: SparkTarget) -> SparkApp:
    """Return the program with the password or token of MLflow's connection, where that is known here; a wrong one hinders no run."""
    from airflow_dataops.core.errors import DataOpsError
    from airflow_dataops.core.spark_k8s.tracking import MlflowSettings, server_of, with_tracking
    from dag_factories.spark import mlflow_of

    said = mlflow_of(config)
    conn_id = None if isinstance(said, bool) else said.get("conn_id")
    try:
        fields = None if conn_id is None else _connection(conn_id)
        if fields is None:
            return app
        return with_tracking(app, server_of(MlflowSettings(conn_id=conn_id), fields, {}), "preflight")
    except DataOpsError:
        return app


def _not_set(references: Iterable[str]) -> Iterator[Finding]:
    """Give the secrets that Airflow will have to look up and that are not set here, which may be another machine than Airflow's."""
    from airflow_dataops.core.errors import DataOpsError
    from airflow_dataops.core.preflight.findings import Finding, Level
    from airflow_dataops.jobs.secrets import lookup

    for name in dict.fromkeys(references):
        try:
            lookup(name)
        except DataOpsError as error:
            message = (
                f"Airflow looks up {name} for the driver's Secret; here {error.message}, and Airflow was not asked"
            )
            yield Finding(check=f"reference.{name}", level=Level.WARNING, message=message, fix=error.hint)
        else:
            yield Finding(check=f"reference.{name}", level=Level.OK, message=f"{name} is set here")


def place_of(arguments: argparse.Namespace, config: SparkTarget, run: RunParts) -> tuple[KubeSettings, RunParts]:
    """Return as whom to ask, and the run in its namespace; the target's, or else its connection's where the environment has that."""
    from airflow_dataops.clients.spark_k8s.connection import fields_of, settings_of
    from airflow_dataops.clients.spark_k8s.settings import KubeSettings

    found = _connection(config.kubernetes_conn_id)
    fields = {} if found is None else fields_of(config.kubernetes_conn_id, found.get("extra") or {})
    if config.namespace is None and fields.get("namespace"):
        place = run.target.model_copy(update={"namespace": str(fields["namespace"])})
        run = run.model_copy(update={"target": place})
    namespace = run.target.namespace
    if arguments.kubeconfig or arguments.context:
        given = None if arguments.kubeconfig is None else str(arguments.kubeconfig)
        return KubeSettings(namespace=namespace, kubeconfig=given, context=arguments.context), run
    return settings_of(fields, namespace), run


def _s3(config: SparkTarget, environ: Mapping[str, str]) -> S3Client | None:
    """Return what looks at S3; None where the target's connection is not known here.

    Keys of the target's Secret are the cluster's: here those of the environment are taken.
    """
    from airflow_dataops.clients.s3 import S3Client
    from airflow_dataops.core.s3 import S3Settings
    from airflow_dataops.jobs.secrets import lookup
    from dag_factories.spark import s3_of

    if config.aws_conn_id is not None:
        found = _connection(config.aws_conn_id)
        if found is None:
            return None
        settings = S3Settings.from_connection(config.aws_conn_id, found)
    else:
        said = S3Settings.from_env(environ)
        keys = {name: getattr(said, name) for name in ("access_key", "secret_key", "session_token")}
        settings = said if config.s3 is None else S3Settings(**s3_of(config), **keys)
    return S3Client(settings, settings.keys(lookup))


def _connection(conn_id: str) -> dict[str, Any] | None:
    """Return the fields of an Airflow connection that the environment has; None where it has none."""
    from airflow_dataops.jobs.secrets import connection_fields

    text = os.environ.get(f"AIRFLOW_CONN_{conn_id.upper()}")
    return connection_fields(text) if text else None
