# SPDX-License-Identifier: Apache-2.0
"""A pipeline on a target with Spark drivers: the program, place and policy that the core knows."""

from __future__ import annotations

from typing import Any

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.spark_k8s.spark_submit import IN_PODS_ONLY
from airflow_dataops.core.spark_k8s.spec import RunParts
from dag_factories.project import Target, TargetConfig
from dag_factories.specs.spark import SparkTarget

RUNNERS = ("spark_k8s", "spark_standalone")
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
OF_TARGET = frozenset(
    {"namespace", "service_account", "mode", "application_api", "master", "api_server", "history_server", "console"}
)
OF_TASK = frozenset({"kubernetes_conn_id", "aws_conn_id", "s3", "deferrable", "mlflow", "policy"})
OF_APP = frozenset(SparkTarget.model_fields) - OF_TARGET - OF_TASK
ONLY_IN_PODS = frozenset({"deferrable", "kubernetes_conn_id", "mode"}).union(*IN_PODS_ONLY.values())
"""What mode standalone has no use for."""
ONLY_WITH_SPARK = frozenset({"executor", "executors", "executor_template", "event_log"})
"""What a driver has no use for that starts no Spark."""


def spark_of(target: Target) -> SparkTarget:
    """Return how a target's drivers are made.

    Raises:
        SpecError: It does not say (``SPARK_TARGET_MISSING``).
    """
    config = target.config
    if config.spark is None:
        need = "image: …, namespace: …" if config.runner == "spark_k8s" else "master: spark://host:7077"
        raise SpecError(
            f"target {target.name!r} does not say how its drivers are made",
            hint=f"add to the target: spark: {{{need}}}",
            code="SPARK_TARGET_MISSING",
        )
    return config.spark


def app_of(spark: SparkTarget) -> dict[str, Any]:
    """Return the document of a :class:`~airflow_dataops.core.spark_k8s.spec.SparkApp` without a program: what is said, and no more."""
    said = spark.given(only=set(OF_APP))
    if spark.s3 is not None and spark.s3.secret is not None:
        keys = {name: {"name": spark.s3.secret, "key": name} for name in KEYS}
        said["secret_env"] = {**keys, **said.get("secret_env", {})}
    return said


def target_of(spark: SparkTarget, runner: str) -> dict[str, Any]:
    """Return the document of a :class:`~airflow_dataops.core.spark_k8s.spec.KubernetesTarget`: what is said, and no more."""
    said = spark.given(only=set(OF_TARGET))
    return {**said, "mode": "standalone"} if runner == "spark_standalone" else said


def s3_of(spark: SparkTarget) -> dict[str, Any]:
    """Return the fields of :class:`~airflow_dataops.core.s3.S3Settings` that the target says."""
    return {} if spark.s3 is None else spark.s3.given(without={"secret"})


def mlflow_of(spark: SparkTarget) -> bool | dict[str, Any]:
    """Return where steps are tracked, as :class:`~airflow_dataops.core.spark_k8s.tracking.MlflowSettings` or true; false where nowhere."""
    if isinstance(spark.mlflow, bool):
        return spark.mlflow
    return spark.mlflow.given() or True


def parts_of(config: TargetConfig) -> RunParts:
    """Return what a step of a target asks for, well typed, with no rule looked at; the target has a section ``spark``."""
    spark = config.spark or SparkTarget()
    start = {"main": "local:///opt/dataops/step.py"}
    document = {
        "app": {**app_of(spark), **start},
        "target": target_of(spark, config.runner),
        "policy": spark.policy.given(),
    }
    return RunParts.model_validate(document)
