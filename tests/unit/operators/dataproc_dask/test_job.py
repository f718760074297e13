# SPDX-License-Identifier: Apache-2.0
"""The all-in-one operator in whole runs: deferred or not, it says what happened, and nothing is left."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_dataops.core.dataproc_dask.observation import ResultView
from airflow_dataops.core.dataproc_dask.turn import CallKind
from airflow_dataops.core.machine import CallError
from tests.unit.core.dataproc_dask.simulator import CreateFate, JobFate
from tests.unit.operators.dataproc_dask.memory import LOG, World, arguments, dag_of
from tests.unit.operators.shell import Shell

pytestmark = pytest.mark.airflow

RunDag = Callable[..., Any]
WHEN = datetime(2024, 1, 2, tzinfo=UTC)
RATES = {
    "currency": "USD",
    "machines": {"n2-standard-4": {"vcpus": 4, "hourly": "0.2"}},
    "dataproc_vcpu_hour": "0.01",
    "disk_gb_month": {"pd-balanced": "0.1"},
}


def pulled(run: Any, key: str = "return_value") -> Any:
    return run.get_task_instance("delays").xcom_pull(task_ids="delays", key=key)


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_clean_run_returns_the_result_with_seconds_cost_and_names(
    run_dag: RunDag, world: World, metrics: list[tuple[str, dict[str, str]]], deferrable: bool
) -> None:
    world.result({"rows": 3})
    run = run_dag(dag_of(f"dask_clean_{deferrable}", rate_card=RATES, deferrable=deferrable), WHEN)
    assert run.state == "success"
    found = pulled(run)
    assert found["result"] == {"rows": 3}
    assert found["clusters"] == {"created": 1, "adopted": 0, "deleted": 1}
    assert set(found["seconds"]) == {"create", "queue", "run", "delete", "total"}
    assert found["cost"]["currency"] == "USD"
    assert 0.05 < float(found["cost"]["amount"]) < 0.2
    assert found["job"]["seconds"] == {"function": 1.5}
    assert world.google.alive() == []
    assert world.google.count(CallKind.CREATE) == world.google.count(CallKind.SUBMIT) == 1
    assert world.open == 0
    assert found["cluster"]["name"] in pulled(run, "dataops_dask_cluster_url")
    assert found["cluster"]["name"] in pulled(run, "dataops_dask_dashboard_url")
    assert found["job"]["id"] in pulled(run, "dataops_dask_job_url")
    assert "logs/query" in pulled(run, "dataops_dask_logs_url")
    names = {name.removeprefix("dataops.dataproc_dask.") for name, _ in metrics}
    assert {"created", "deleted", "cost", "seconds.run", "seconds.total"} <= names


@pytest.mark.parametrize("deferrable", [False, True])
def test_each_line_of_the_driver_is_told_once(
    run_dag: RunDag, world: World, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], deferrable: bool
) -> None:
    caplog.set_level(logging.INFO)
    part = f"{LOG}.000000000"

    async def grow() -> None:
        if world.google.jobs and len(world.buckets.objects.get(part, b"").splitlines()) < 20:
            count = len(world.buckets.objects.get(part, b"").splitlines())
            world.buckets.objects[part] = world.buckets.objects.get(part, b"") + f"said {count:02d}\n".encode()

    world.on_sleep = grow
    run = run_dag(dag_of(f"dask_log_{deferrable}", deferrable=deferrable), WHEN)
    assert run.state == "success"
    text = caplog.text + capfd.readouterr().out
    assert [text.count(f"said {number:02d}") for number in range(20)] in ([1] * 20, [2] * 20)


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_job_that_fails_fails_the_task_in_one_line_and_leaves_nothing(
    run_dag: RunDag,
    world: World,
    metrics: list[tuple[str, dict[str, str]]],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    deferrable: bool,
) -> None:
    result = ResultView(ok=False, code="FUNCTION_RAISED", message="ValueError: no luck")
    world.google.job_fates = iter([JobFate(state="ERROR", result=result)])
    errors: list[BaseException] = []
    run = run_dag(dag_of(f"dask_fails_{deferrable}", errors, deferrable=deferrable), WHEN)
    assert run.state == "failed"
    [line] = str(errors[0]).splitlines()
    assert line.startswith("JOB_FAILED: FUNCTION_RAISED: ValueError: no luck")
    assert "-> read the driver's log" in line
    assert type(errors[0]).__name__ == "TransientError"
    assert world.google.alive() == []
    assert ("dataops.dataproc_dask.failed", "JOB_FAILED") in {(name, tags.get("code")) for name, tags in metrics}
    assert "dataops.dataproc_dask.failed code=JOB_FAILED" in caplog.text + capfd.readouterr().out


def test_what_a_retry_does_not_help_is_not_retried(run_dag: RunDag, world: World) -> None:
    denied = CallError("PERMISSION_DENIED", "no actAs on the service account")
    world.google.creates = iter([CreateFate(refuse=denied)])
    errors: list[BaseException] = []
    run = run_dag(dag_of("dask_denied", errors, retries=2), WHEN)
    assert run.state == "failed"
    assert type(errors[0]).__name__ == "AirflowFailException"
    assert str(errors[0]).startswith("PERMISSION_DENIED: ")
    assert world.google.count(CallKind.CREATE) == 1


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"policy": {"budget": "0.01"}, "rate_card": RATES}, "OVER_BUDGET"),
        ({"policy": {"budget": "9"}}, "RATE_CARD_MISSING"),
        ({"rate_card": {**RATES, "machines": {}}}, "RATE_MISSING"),
        ({"rate_card": {"currency": "USD"}}, "RATE_CARD_INVALID"),
        ({"job": {"function": "no function"}}, "DASK_RUN_INVALID"),
        ({"policy": {"deadline": 3}}, "DASK_RUN_INVALID"),
        ({"bucket": None}, "BUCKET_MISSING"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_asked_for(
    run_dag: RunDag, world: World, given: dict[str, Any], code: str
) -> None:
    errors: list[BaseException] = []
    run = run_dag(dag_of(f"dask_refused_{code.lower()}_{len(str(given))}", errors, retries=3, **given), WHEN)
    assert run.state == "failed"
    [line] = str(errors[0]).splitlines()
    assert line.startswith(f"{code}: ")
    assert type(errors[0]).__name__ == "AirflowFailException"
    assert world.google.calls == []
    assert world.google.reads == []


def test_texts_are_rendered(run_dag: RunDag, world: World) -> None:
    run = run_dag(dag_of("dask_rendered", job={"function": "a:b", "args": {"run": "{{ run_id }}"}}), WHEN)
    assert run.state == "success"
    [document] = [data for uri, data in world.buckets.objects.items() if "/job-" in uri and uri.endswith(".json")]
    assert run.run_id.encode() in document


def of_google(**changes: Any) -> dict[str, Any]:
    """Arguments that a workflow of Google's can honour."""
    cluster = arguments()["cluster"] | {"zones": []}
    return {"cluster": cluster, "lifecycle": "google"} | changes


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_workflow_of_googles_returns_the_same(run_dag: RunDag, world: World, deferrable: bool) -> None:
    world.result({"rows": 3})
    given = of_google(rate_card=RATES, deferrable=deferrable)
    run = run_dag(dag_of(f"dask_google_{deferrable}", **given), WHEN)
    assert run.state == "success"
    found = pulled(run)
    assert found["result"] == {"rows": 3}
    assert found["clusters"] == {"created": 1, "adopted": 0, "deleted": 1}
    assert float(found["cost"]["amount"]) > 0
    assert [kind for _, kind, _ in world.google.calls] == [CallKind.START]
    assert found["job"]["id"] in pulled(run, "dataops_dask_job_url")
    assert found["cluster"]["name"] in pulled(run, "dataops_dask_cluster_url")


def test_links_open_the_workflow_until_google_has_named_what_it_makes(world: World) -> None:
    from airflow_dataops.operators.dataproc_dask import DataprocDaskJobOperator

    world.google.pending = 60
    task = Shell(DataprocDaskJobOperator(task_id="delays", deferrable=True, **{**arguments(), **of_google()}))
    task.begin()
    for key in ("dataops_dask_cluster_url", "dataops_dask_job_url"):
        assert "/workflows/instances/europe-west1/workflow-1?" in task.ti.xcom_pull(task_ids="delays", key=key)


def test_a_deferral_that_broke_stops_the_workflow(world: World) -> None:
    from airflow_dataops.operators.dataproc_dask import DataprocDaskJobOperator

    task = Shell(DataprocDaskJobOperator(task_id="delays", deferrable=True, **{**arguments(), **of_google()}))
    task.begin()
    world.google.advance(timedelta(minutes=3))
    assert len(world.google.alive()) == 1
    with pytest.raises(Exception, match=r"(?i)timeout|deferral"):
        task.break_off()
    assert world.google.count(CallKind.STOP) == 1
    assert world.google.clusters == {}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (of_google(policy={"keep_failed_for": "30m"}), r"WORKFLOW_REFUSES: policy\.keep_failed_for"),
        (of_google(policy={"deadlines": {"run": "25h"}}), r"WORKFLOW_TIMEOUT: policy\.deadlines\.run: 25h"),
        ({"lifecycle": "google"}, r"WORKFLOW_REFUSES: cluster\.zones"),
        ({"lifecycle": "nobody"}, r"DASK_RUN_INVALID: lifecycle is 'nobody'"),
    ],
)
def test_what_a_workflow_cannot_do_is_refused_before_anything_is_written(
    world: World, given: dict[str, Any], said: str
) -> None:
    from airflow_dataops.operators.dataproc_dask import DataprocDaskJobOperator

    task = Shell(DataprocDaskJobOperator(task_id="delays", deferrable=False, **{**arguments(), **given}))
    with pytest.raises(Exception, match=said) as caught:
        task.run()
    assert type(caught.value).__name__ == "AirflowFailException"
    assert world.google.calls == []
    assert world.buckets.objects == {}


def test_a_policy_that_is_a_model_asks_only_for_what_was_written(world: World) -> None:
    from airflow_dataops.core.dataproc_dask.spec import Policy
    from airflow_dataops.operators.dataproc_dask import DataprocDaskJobOperator

    given = of_google(policy=Policy(poll=timedelta(seconds=5)))
    task = Shell(DataprocDaskJobOperator(task_id="delays", deferrable=False, **{**arguments(), **given}))
    assert task.run()["clusters"]["deleted"] == 1
