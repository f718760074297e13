# SPDX-License-Identifier: Apache-2.0
"""A job that failed: its driver's own result says what to do, and whether another try would end the same."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_dataops.core.dataproc_dask.observation import ResultView
from tests.unit.core.dataproc_dask.simulator import JobFate
from tests.unit.operators.dataproc_dask.memory import World, dag_of

pytestmark = pytest.mark.airflow

RunDag = Callable[..., Any]
WHEN = datetime(2024, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(("retryable", "tries"), [(False, 1), (True, 2), (None, 2)])
def test_a_job_that_says_that_it_would_fail_again_is_not_retried(
    run_dag: RunDag, world: World, retryable: bool | None, tries: int
) -> None:
    code, hint = "FUNCTION_MISSING", "did you mean 'by_carrier'?"
    world.answer = {"ok": False, "code": code, "message": "no 'by_carier'", "hint": hint, "retryable": retryable}
    world.google.job_fates = iter(
        [JobFate(state="ERROR", result=ResultView(ok=False, code=code, message="no 'by_carier'"))] * 2
    )
    errors: list[BaseException] = []
    run = run_dag(dag_of(f"dask_final_{retryable}", errors, retries=1), WHEN)
    assert run.state == "failed"
    assert run.get_task_instance("delays").try_number == tries
    assert f"-> {hint} (log: " in str(errors[-1])
