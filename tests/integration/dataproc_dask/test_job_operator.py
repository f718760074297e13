# SPDX-License-Identifier: Apache-2.0
"""The all-in-one operator in whole DAG runs: deferred and not, and what is left when something goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_dataops.operators.dataproc_dask import DataprocDaskJobOperator
from tests.integration.dataproc_dask.setting import Setting

pytestmark = [pytest.mark.integration, pytest.mark.airflow]

RunDag = Callable[..., Any]
WHEN = datetime(2024, 1, 2, tzinfo=UTC)


def dag_of(name: str) -> Any:
    from airflow.providers.common.compat.sdk import DAG

    return DAG(name, schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC), catchup=False)


def pulled(run: Any, task: str, key: str = "return_value") -> Any:
    return run.get_task_instance(task).xcom_pull(task_ids=task, key=key)


def errors_of(found: list[BaseException]) -> dict[str, Any]:
    return {"on_failure_callback": lambda context: found.append(context["exception"])}


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_function_runs_on_a_cluster_that_is_gone_afterwards(
    run_dag: RunDag, setting: Setting, caplog: pytest.LogCaptureFixture, deferrable: bool
) -> None:
    with dag_of(f"dask_clean_{deferrable}") as dag:
        DataprocDaskJobOperator(
            task_id="delays", deferrable=deferrable, **setting.arguments(job={"args": {"answer": 7}})
        )
    run = run_dag(dag, WHEN)
    assert run.state == "success"
    found = pulled(run, "delays")
    assert found["result"] == {"answer": 7}
    assert found["clusters"] == {"created": 1, "adopted": 0, "deleted": 1}
    assert set(found["seconds"]) == {"create", "queue", "run", "delete", "total"}
    assert float(found["cost"]["amount"]) > 0
    [cluster] = setting.dataproc.bill()["clusters"]
    assert cluster["gone"] is not None
    assert (cluster["name"], cluster["uuid"]) == (found["cluster"]["name"], found["cluster"]["uuid"])
    assert len(setting.dataproc.calls("SubmitJob")) == 1
    assert found["job"]["id"] in pulled(run, "delays", "dataops_dask_job_url")
    assert found["cluster"]["name"] in pulled(run, "delays", "dataops_dask_cluster_url")
    asked = [call["method"] for call in setting.dataproc.calls()]
    assert len([method for method in asked if not method.startswith("Get")]) <= 10, asked
