# SPDX-License-Identifier: Apache-2.0
"""The section ``spark`` of a target says what the core's models say, with the same defaults."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from airflow_dataops.core.s3 import S3Settings
from airflow_dataops.core.spark_k8s.spec import DynamicExecutors, KubernetesTarget, Policy, SparkApp
from airflow_dataops.core.spark_k8s.tracking import MlflowSettings
from dag_factories.spark import OF_APP, OF_TARGET, ONLY_IN_PODS, mlflow_of
from dag_factories.specs.spark import SparkExecutors, SparkMlflow, SparkPolicy, SparkS3, SparkTarget

# What a step itself says.
PROGRAM = {"name", "main", "main_class", "module", "args", "py_files", "files", "result"}
KEYS = {"access_key", "secret_key", "session_token"}


def defaults(model: type[BaseModel], fields: set[str]) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        return value.total_seconds() if isinstance(value, timedelta) else value

    return {name: plain(model.model_fields[name].get_default(call_default_factory=True)) for name in fields}


@pytest.mark.parametrize(
    ("written", "core", "fields"),
    [
        (SparkTarget, SparkApp, set(SparkApp.model_fields) - PROGRAM),
        (SparkTarget, KubernetesTarget, set(KubernetesTarget.model_fields) - {"namespace"}),
        (SparkPolicy, Policy, set(Policy.model_fields)),
        (SparkExecutors, DynamicExecutors, set(DynamicExecutors.model_fields) - {"maximum"}),
        (SparkMlflow, MlflowSettings, set(MlflowSettings.model_fields)),
        (SparkS3, S3Settings, set(S3Settings.model_fields) - KEYS),
    ],
)
def test_each_field_of_the_core_can_be_written_and_has_its_default(
    written: type[BaseModel], core: type[BaseModel], fields: set[str]
) -> None:
    assert fields <= set(written.model_fields)
    assert defaults(written, fields) == defaults(core, fields)


def test_each_key_goes_to_one_place() -> None:
    assert set(SparkApp.model_fields) >= OF_APP
    assert set(KubernetesTarget.model_fields) >= OF_TARGET
    assert set(SparkTarget.model_fields) >= ONLY_IN_PODS


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ({}, False),
        ({"mlflow": False}, False),
        ({"mlflow": True}, True),
        ({"mlflow": {}}, True),
        ({"mlflow": {"conn_id": "m", "experiment": "e"}}, {"conn_id": "m", "experiment": "e"}),
    ],
)
def test_where_steps_are_tracked(written: dict[str, Any], wanted: Any) -> None:
    assert mlflow_of(SparkTarget.model_validate(written)) == wanted
