# SPDX-License-Identifier: Apache-2.0
"""A cluster that tasks share, and the janitor, in whole DAG runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_dataops.operators.dataproc_dask import (
    DataprocDaskCreateClusterOperator,
    DataprocDaskJanitorOperator,
    ephemeral_dask_cluster,
)
from tests.integration.dataproc_dask.setting import Setting

pytestmark = [pytest.mark.integration, pytest.mark.airflow]

RunDag = Callable[..., Any]
WHEN = datetime(2024, 1, 2, tzinfo=UTC)


def dag_of(name: str) -> Any:
    from airflow.providers.common.compat.sdk import DAG

    return DAG(name, schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC), catchup=False)


def test_a_failing_task_in_the_middle_does_not_keep_the_cluster(run_dag: RunDag, setting: Setting) -> None:
    driver = setting.driver()
    with dag_of("dask_shared") as dag, ephemeral_dask_cluster("dask", deferrable=True, **setting.common()) as dask:
        first = dask.submit("first", {"function": "jobs:answer", "bootstrap_uri": driver})
        second = dask.submit("second", {"function": "jobs:fail", "bootstrap_uri": driver})
        third = dask.submit("third", {"function": "jobs:answer", "bootstrap_uri": driver})
        first >> second >> third
    run = run_dag(dag, WHEN)
    states = {ti.task_id.removeprefix("dask."): str(ti.state) for ti in run.get_task_instances()}
    assert states == {
        "create": "success",
        "first": "success",
        "second": "failed",
        "third": "upstream_failed",
        "delete": "success",
        "gone": "upstream_failed",
    }
    assert run.state == "failed"
    [cluster] = setting.dataproc.bill()["clusters"]
    assert cluster["gone"] is not None
    assert len(setting.dataproc.calls("CreateCluster")) == 1
    assert {call["name"].rsplit("-", 2)[1] for call in setting.dataproc.calls("SubmitJob")} == {"first", "second"}
    links = {
        run.get_task_instance(task).xcom_pull(task_ids=task, key="dataops_dask_dashboard_url")
        for task in ("dask.create", "dask.first", "dask.second")
    }
    host = f"https://{cluster['uuid'][:12]}-dot-{setting.dataproc.region}.dataproc.googleusercontent.com"
    assert links == {f"{host}/gateway/default/dask/status"}
    gone = run.get_task_instance("dask.delete").xcom_pull(task_ids="dask.delete")
    assert float(gone["cost"]["amount"]) > 0


def test_the_janitor_deletes_what_nobody_waits_for_and_nothing_else(run_dag: RunDag, setting: Setting) -> None:
    common = setting.common()
    with dag_of("dask_orphan") as orphan:
        DataprocDaskCreateClusterOperator(task_id="create", **common)
    with dag_of("dask_foreign") as foreign:
        DataprocDaskCreateClusterOperator(task_id="create", **{**common, "instance": "others"})
    made = [run_dag(dag, WHEN).get_task_instance("create").xcom_pull(task_ids="create") for dag in (orphan, foreign)]
    assert len(setting.dataproc.billing()) == 2
    time.sleep(1.1)

    def sweep(name: str, **given: Any) -> Any:
        with dag_of(name) as dag:
            DataprocDaskJanitorOperator(
                task_id="sweep",
                project=setting.dataproc.id,
                region=setting.dataproc.region,
                api_endpoint=common["api_endpoint"],
                **{"instance": "tests", "orphan_after": "1s", **given},
            )
        return run_dag(dag, WHEN).get_task_instance("sweep").xcom_pull(task_ids="sweep")

    told = sweep("dask_sweep_dry", dry_run=True)
    assert [one["done"] for one in told["clusters"]] == ["would_delete"]
    assert sweep("dask_sweep_patient", orphan_after="30m")["clusters"] == []
    assert len(setting.dataproc.billing()) == 2
    swept = sweep("dask_sweep")
    assert swept["clusters"] == [{**made[0]["cluster"], "verdict": "ORPHANED", "done": "deleted"}]
    setting.dataproc.wait(lambda: len(setting.dataproc.billing()) == 1)
    assert [cluster["uuid"] for cluster in setting.dataproc.billing()] == [made[1]["cluster"]["uuid"]]
