# SPDX-License-Identifier: Apache-2.0
"""The operator's shape; a real run of it is in tests/integration/dag_factories/test_composer_dask.py."""

from __future__ import annotations

import inspect

import pytest

from airflow_dataops.core.dask_job import DaskJobSpec

pytestmark = pytest.mark.airflow


def test_every_field_of_the_jobs_spec_is_an_argument() -> None:
    from airflow_dataops.operators.dask_job import DaskJobOperator

    elsewhere = {"schema_version", "job", "task", "run", "resources", "engine"}
    assert set(DaskJobSpec.model_fields) - elsewhere <= set(inspect.signature(DaskJobOperator.__init__).parameters)


def test_what_may_hold_a_reference_is_rendered() -> None:
    from airflow_dataops.operators.dask_job import DaskJobOperator

    assert {"lake", "args", "code"} <= set(DaskJobOperator.template_fields)


def test_it_can_be_ended_before_it_was_started() -> None:
    from airflow_dataops.operators.dask_job import DaskJobOperator

    DaskJobOperator(task_id="count", lake="/lake", function="work:count").on_kill()
