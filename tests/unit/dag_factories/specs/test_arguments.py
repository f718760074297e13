# SPDX-License-Identifier: Apache-2.0
"""Every argument of the installed Airflow's DAG and tasks can be set in YAML, or is left out for a reason that is written down."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from dag_factories.specs.arguments import (
    CALLBACKS,
    DAG_EXCLUDED,
    DURATIONS,
    FILE_NAMES,
    TASK_EXCLUDED,
    DagArguments,
    DagCommon,
    DagDefaults,
    TaskArguments,
)
from dag_factories.specs.base import PipelineSpec

# Names that Airflow has in some versions only; each is offered under its newest name.
OTHER_VERSIONS = {
    "fail_fast",
    "allowed_run_types",
    "disable_bundle_versioning",
    "rerun_with_latest_version",
}


def parameters(kind: Any) -> set[str]:
    found = inspect.signature(kind.__init__).parameters.values()
    return {parameter.name for parameter in found if parameter.kind is not parameter.VAR_KEYWORD} - {"self"}


@pytest.fixture(scope="module")
def dag_parameters() -> set[str]:
    return parameters(pytest.importorskip("airflow.providers.common.compat.sdk").DAG)


@pytest.fixture(scope="module")
def task_parameters() -> set[str]:
    return parameters(pytest.importorskip("airflow.providers.common.compat.sdk").BaseOperator)


@pytest.mark.airflow
def test_every_dag_argument_can_be_set_or_is_left_out_for_a_reason(dag_parameters: set[str]) -> None:
    offered = DagDefaults.model_fields.keys() | FILE_NAMES.keys()
    assert dag_parameters - offered - DAG_EXCLUDED.keys() == set()


@pytest.mark.airflow
def test_every_task_argument_can_be_set_or_is_left_out_for_a_reason(task_parameters: set[str]) -> None:
    assert task_parameters - TaskArguments.model_fields.keys() - TASK_EXCLUDED.keys() == set()


@pytest.mark.airflow
def test_no_dag_argument_is_offered_that_airflow_does_not_have(dag_parameters: set[str]) -> None:
    # `timezone` is part of the timetable.
    assert DagDefaults.model_fields.keys() - dag_parameters - OTHER_VERSIONS == {"timezone"}


@pytest.mark.airflow
def test_no_task_argument_is_offered_that_airflow_does_not_have(task_parameters: set[str]) -> None:
    assert TaskArguments.model_fields.keys() - task_parameters == set()


@pytest.mark.parametrize("model", [DagDefaults, TaskArguments])
def test_durations_and_callbacks_are_known_to_the_realisers(model: type[Any]) -> None:
    for name, info in model.model_fields.items():
        assert (name in DURATIONS) == name.endswith(("_timeout", "_delay")), name
        assert (name in CALLBACKS) == name.endswith("_callback"), name
        assert info is not None


def test_nothing_is_both_offered_and_left_out() -> None:
    assert DagDefaults.model_fields.keys() & DAG_EXCLUDED.keys() == set()
    assert TaskArguments.model_fields.keys() & TASK_EXCLUDED.keys() == set()


def test_each_dag_argument_has_one_place_in_a_file() -> None:
    assert DagCommon.model_fields.keys() & DagArguments.model_fields.keys() == set()
    assert DagCommon.model_fields.keys() <= PipelineSpec.model_fields.keys()
