# SPDX-License-Identifier: Apache-2.0
"""A task in mode standalone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow_dataops.operators.spark_k8s import SparkKubernetesSubmitOperator
from tests.unit.operators.shell import Shell


def shell(word: str, home: Path, *, app: dict[str, Any] | None = None, **policy: Any) -> Shell:
    operator = SparkKubernetesSubmitOperator(
        task_id="sum",
        mode="standalone",
        app={
            "main": "/opt/app/job.py",
            "args": [word],
            "env": {"PIDS": str(home / "pids")},
            "secret_env": {"STORE_PASSWORD": "conn:store.password"},
            "event_log": "hdfs://logs/events",
            **(app or {}),
        },
        target={"master": "spark://master:7077", "history_server": "https://history.example.com"},
        policy=policy,
        instance="tests",
    )
    return Shell(operator)
