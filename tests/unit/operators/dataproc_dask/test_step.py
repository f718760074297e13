# SPDX-License-Identifier: Apache-2.0
"""A step of a pipeline on a cluster that tasks share: what its job is told, what the task returns, and which failures are for good."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, Asset

from airflow_dataops.core.dataproc_dask.observation import ResultView
from airflow_dataops.core.errors import TransientError
from airflow_dataops.operators.dataproc_dask import DataprocDaskCreateClusterOperator, DataprocDaskStepOperator
from tests.unit.core.dataproc_dask.simulator import JobFate
from tests.unit.operators.dataproc_dask.memory import World, arguments
from tests.unit.operators.shell import Shell, Ti, fire
from tests.unit.operators.steps import PUBLISHED, SALTED, WHEN, task_of_run

pytestmark = pytest.mark.airflow

GATE = {"job": "dq_gate", "lake": "gs://lake", "source": {"path": "gs://lake/b/${run.date}"}, "slice": {"kind": "full"}}
PUBLISH = {"job": "publish", "lake": "gs://lake", "target": {"path": "gs://lake/s"}, "slice": {"kind": "full"}}


def step(args: dict[str, Any], *, deferrable: bool = True, **more: Any) -> Shell:
    store: dict[Any, Any] = {}
    common = {"deferrable": deferrable}
    cluster = arguments()["cluster"]
    make = DataprocDaskCreateClusterOperator(task_id="create", cluster=cluster, instance="prod", **common)
    Shell(make, Ti("create", store)).run()
    dag = DAG("d", schedule=None, start_date=WHEN)
    job = {**arguments()["job"], "name": "step", "args": args}
    operator = DataprocDaskStepOperator(
        task_id="step",
        dag=dag,
        cluster_task_id="create",
        bucket="jobs",
        job=job,
        timezone="Europe/Paris",
        **more,
        **common,
    )
    return task_of_run(operator, store)


def documents(world: World) -> list[dict[str, Any]]:
    found = [json.loads(data) for uri, data in world.buckets.objects.items() if uri.endswith(".json")]
    return [one["args"] for one in found if "args" in one]


@pytest.mark.parametrize("deferrable", [False, True])
def test_the_job_is_told_the_run_and_its_references_and_no_secret(
    world: World, deferrable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SALT", "not-to-be-seen")
    world.result(
        {**PUBLISHED, "job": "dq_gate", "verdict": "passed", "rules": [{"passed": True, "severity": "critical"}]}
    )
    shell = step(GATE | SALTED, deferrable=deferrable)
    said = shell.run()
    [args] = documents(world)
    assert args["source"] == {"path": "gs://lake/b/2024-01-02"}
    assert (args["task"], args["run"]["key"], args["run"]["pipeline"]) == ("step", "2024-01-02T000000", "d")
    assert args["run"]["timezone"] == "Europe/Paris"
    assert args["masks"] == SALTED["masks"]
    assert not any(b"not-to-be-seen" in data for data in world.buckets.objects.values())
    assert (said["verdict"], said["run_key"], said["dask"]["job"]["id"] in world.google.jobs) == ("passed", "k", True)


@pytest.mark.parametrize("new_process", [False, True])
def test_lineage_is_told_of_what_the_step_read(world: World, new_process: bool) -> None:
    pytest.importorskip("airflow.providers.openlineage")
    world.result({**PUBLISHED, "job": "dq_gate", "rows": {"read": 7}, "rules": []})
    shell = step({**GATE, "source": {"path": "gs://lake/b/${run.key}/x"}})
    event = fire(shell.begin())
    if new_process:
        shell.operator._lineage = (None, None)
    shell.complete(event)
    [source] = shell.operator.get_openlineage_facets_on_complete(shell.ti).inputs
    key = "k" if new_process else "2024-01-02T000000"
    assert (source.namespace, source.name) == ("gs://lake", f"b/{key}/x")
    assert source.inputFacets["inputStatistics"].rowCount == 7


def test_a_suite_goes_as_its_content(world: World, tmp_path: Path) -> None:
    (tmp_path / "suite.json").write_text('{"expectations": []}')
    world.result({**PUBLISHED, "job": "dq_gate", "rules": []})
    step(GATE | {"suite": str(tmp_path / "suite.json")}).run()
    assert documents(world)[0]["suite"] == {"expectations": []}


def test_the_rows_that_were_published_are_in_the_events_of_the_asset(world: World) -> None:
    world.result(PUBLISHED)
    asset = Asset(uri="gs://lake/s")
    shell = step(PUBLISH, outlets=[asset])
    shell.run()
    assert shell.context["outlet_events"][asset].extra == {
        "rows": 3, "run_key": "k", "files_added": 1, "files_removed": 0
    }  # fmt: skip


def test_a_wrong_step_is_refused_before_a_job_is_made(world: World) -> None:
    with pytest.raises(AirflowFailException, match="JOB_SPEC_INVALID"):
        step({**GATE, "slice": {"kind": "half"}}).run()
    assert world.google.jobs == {}


@pytest.mark.parametrize(
    ("code", "retryable", "raised"),
    [
        ("GATE_FAILED", False, AirflowFailException),
        ("RUN_CONFLICT", True, TransientError),
        ("FUNCTION_RAISED", None, TransientError),
    ],
)
def test_only_what_another_try_may_mend_is_tried_again(
    world: World, code: str, retryable: bool | None, raised: type[Exception]
) -> None:
    shell = step(GATE)
    world.answer = {"ok": False, "code": code, "message": "no luck", "retryable": retryable}
    world.google.job_fates = iter([JobFate(state="ERROR", result=ResultView(ok=False, code=code, message="no luck"))])
    with pytest.raises(raised, match=f"{code}: no luck"):
        shell.run()
    assert len(world.google.alive()) == 1


def test_another_try_is_another_job_on_the_same_cluster(world: World) -> None:
    shell = step(PUBLISH)
    world.answer = {"ok": False, "code": "RUN_CONFLICT", "message": "busy", "retryable": True}
    failed = ResultView(ok=False, code="RUN_CONFLICT", message="busy")
    world.google.job_fates = iter([JobFate(state="ERROR", result=failed), JobFate()])
    with pytest.raises(TransientError):
        shell.run()
    world.result(PUBLISHED)
    shell.ti.try_number = 2
    assert shell.run()["rows"] == {"written": 3}
    assert (len(world.google.jobs), len(world.google.alive())) == (2, 1)
