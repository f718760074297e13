# SPDX-License-Identifier: Apache-2.0
"""A step of a pipeline in a driver pod."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import DAG

from airflow_dataops.core.errors import DataOpsError
from airflow_dataops.core.spark_k8s.step import failure_message_of, message_of
from airflow_dataops.operators.spark_k8s import SparkKubernetesStepOperator
from tests.unit.core.spark_k8s.fates import Fate
from tests.unit.operators.shell import Shell
from tests.unit.operators.spark_k8s.memory import World
from tests.unit.operators.steps import PUBLISHED, WHEN, task_of_run

LAKE = "s3://lake"
GATE = {"job": "dq_gate", "lake": LAKE, "source": {"path": LAKE + "/b/${run.date}"}, "slice": {"kind": "full"}}
PUBLISH = {"job": "publish", "lake": LAKE, "target": {"path": LAKE + "/s"}, "slice": {"kind": "full"}}
GATED = {**PUBLISHED, "job": "dq_gate", "verdict": "passed", "rules": [{"passed": True, "severity": "critical"}]}


def shell(step: dict[str, Any], *, app: dict[str, Any] | None = None, **more: Any) -> Shell:
    operator = SparkKubernetesStepOperator(
        task_id="step",
        dag=DAG("d", schedule=None, start_date=WHEN),
        step=step,
        app={"image": "registry.example.com/spark:3.5.7", **(app or {})},
        target={"namespace": "analytics", "history_server": "https://history.example.com"},
        instance="prod",
        timezone="Europe/Paris",
        **{"policy": {"poll": "10s"}, "deferrable": True, **more},
    )
    return task_of_run(operator)


def ends(world: World, *results: dict[str, Any] | DataOpsError | Fate) -> None:
    """Let the drivers end so, one after another."""

    def fate(result: dict[str, Any] | DataOpsError | Fate) -> Fate:
        if isinstance(result, DataOpsError):
            return Fate(exit_code=1, message=failure_message_of(result))
        return result if isinstance(result, Fate) else Fate(message=message_of(result))

    world.kube.fates = iter([fate(result) for result in results])
