# SPDX-License-Identifier: Apache-2.0
"""What a DAG run's state says after a failure; Airflow is real, only the operators' work is not done."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

pytestmark = pytest.mark.airflow

TASKS = ["gate_bronze", "refine", "gate_silver", "publish", "report"]
MORE = "quality: {bronze: {rules: [{not_null: id}]}, silver: {rules: [{not_null: id}]}}\ndefaults: {retries: 0}\n"


@pytest.fixture
def states_of(
    dag_of: Callable[..., Any], run_dag: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[[str | None], tuple[str, dict[str, str]]]:
    """Return ``states_of(failing_task)`` -> state of the run, and of each task."""
    from airflow_dataops.operators.dq_gate import DataQualityGateOperator
    from airflow_dataops.operators.refine import PublishTableOperator, RefineTableOperator, RunReportOperator

    def run(failing: str | None) -> tuple[str, dict[str, str]]:
        def work(self: Any, context: Any) -> dict[str, str]:
            if self.task_id == failing:
                raise ValueError("on purpose")
            return {"verdict": "passed"}

        for cls in (DataQualityGateOperator, PublishTableOperator, RefineTableOperator, RunReportOperator):
            monkeypatch.setattr(cls, "execute", work)
        dag_run = run_dag(dag_of(MORE), datetime(2024, 1, 2, tzinfo=UTC))
        states = {instance.task_id: str(instance.state) for instance in dag_run.get_task_instances()}
        return str(dag_run.state), states

    return run


@pytest.mark.parametrize("failing", TASKS[:-1])
def test_a_run_is_failed_after_a_failure_although_its_report_succeeds(
    states_of: Callable[..., tuple[str, dict[str, str]]], failing: str
) -> None:
    state, tasks = states_of(failing)
    at = TASKS.index(failing)
    assert tasks == {
        **dict.fromkeys(TASKS[:at], "success"),
        failing: "failed",
        **dict.fromkeys(TASKS[at + 1 : -1], "upstream_failed"),
        "report": "success",
    }
    assert state == "failed"


def test_a_run_whose_work_succeeds_is_a_success(states_of: Callable[..., tuple[str, dict[str, str]]]) -> None:
    assert states_of(None) == ("success", dict.fromkeys(TASKS, "success"))


def test_a_report_that_fails_leaves_the_run_what_its_work_was(
    states_of: Callable[..., tuple[str, dict[str, str]]],
) -> None:
    state, tasks = states_of("report")
    assert (state, tasks["report"]) == ("success", "failed")
