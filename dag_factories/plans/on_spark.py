# SPDX-License-Identifier: Apache-2.0
"""Steps of a pipeline -> the same steps, each in a Spark driver of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dag_factories.plans.common import said
from dag_factories.plans.model import TaskPlan
from dag_factories.project import Target
from dag_factories.spark import app_of, mlflow_of, s3_of, spark_of, target_of

_OPERATOR = "spark_k8s.SparkKubernetesStepOperator"


def on_spark(target: Target, steps: Sequence[TaskPlan], timezone: str) -> list[TaskPlan]:
    """Return the tasks of a run whose steps have drivers of their own.

    Args:
        target: Where it runs.
        steps: The tasks of the local runner, each with its job.
        timezone: IANA name of the zone in which a run's date is meant.

    Raises:
        SpecError: The target does not say how drivers are made (``SPARK_TARGET_MISSING``).
    """
    spark = spark_of(target)
    common: dict[str, Any] = {
        "app": app_of(spark),
        "target": target_of(spark, target.config.runner),
        "policy": spark.policy.given(),
        "aws_conn_id": spark.aws_conn_id,
        "s3": s3_of(spark),
        "timezone": timezone,
    }
    if tracked := mlflow_of(spark):
        common["mlflow"] = tracked
    if target.config.runner == "spark_k8s":
        common |= {"kubernetes_conn_id": spark.kubernetes_conn_id, "deferrable": spark.deferrable}
    return [_step(step, common) for step in steps]


def _step(step: TaskPlan, common: dict[str, Any]) -> TaskPlan:
    # The operator adds what only a run knows: the run itself, the name of the step's records, the content of a suite.
    spec = {} if step.job is None else {"job": step.job.stem, **step.job.spec}
    arguments = said({**common, "report_base_url": step.arguments.get("report_base_url")})
    arguments |= {"step": spec, "app": common["app"]}
    return step.model_copy(update={"operator": _OPERATOR, "job": None, "arguments": arguments})
