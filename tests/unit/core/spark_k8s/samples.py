# SPDX-License-Identifier: Apache-2.0
"""Documents and identities that the tests of this area share."""

from __future__ import annotations

from typing import Any

from airflow_dataops.core.identity import RunIdentity
from airflow_dataops.core.spark_k8s.spec import RunParts

IDENTITY = RunIdentity(
    instance="prod", dag_id="flights", task_id="refine.Bronze_to_silver", run_id="scheduled__2026-11-21T00:00:00+00:00"
)


def document() -> dict[str, Any]:
    """Return the document of a Python program with bounds for its executors."""
    return {
        "app": {
            "name": "flights",
            "main": "local:///opt/app/job.py",
            "args": ["--day", "2026-11-21", 3, True],
            "image": "registry.example.com/spark:3.5.7",
            "conf": {"spark.sql.shuffle.partitions": 64},
            "env": {"TZ": "UTC"},
            "secret_env": {
                "AWS_ACCESS_KEY_ID": {"name": "s3", "key": "id"},
                "AWS_SECRET_ACCESS_KEY": "conn:s3.password",
            },
            "driver": {"cores": "500m", "memory": "1g"},
            "executor": {"cores": 2, "memory": "2g", "cpu_limit": 2},
            "executors": {"minimum": 0, "maximum": 4},
            "event_log": "s3a://logs/spark-events",
            "labels": {"team": "data"},
        },
        "target": {"namespace": "analytics"},
        "policy": {},
    }


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return the sample with the value at the dotted ``path`` replaced; a key that holds dots stands last, after ``/``."""
    whole = document()
    path, slash, key = path.partition("/")
    *parents, last = [*path.split("."), key] if slash else path.split(".")
    place: Any = whole
    for name in parents:
        place = place[int(name)] if isinstance(place, list) else place.setdefault(name, {})
    place[last] = value
    return whole


def parts(path: str | None = None, value: Any = None) -> RunParts:
    """Return the sample, perhaps changed at ``path``, with no rule looked at."""
    return RunParts.model_validate(changed(path, value) if path else document())
