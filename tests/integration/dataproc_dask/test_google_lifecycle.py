# SPDX-License-Identifier: Apache-2.0
"""``lifecycle="google"``: whatever goes wrong, one workflow a try, the function's result or one clear line, and nothing that bills."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_dataops.core.errors import TransientError
from airflow_dataops.operators.dataproc_dask import DataprocDaskJobOperator
from tests.integration.dataproc_dask.setting import Setting
from tests.services.dataproc_fake.running import Project
from tests.unit.operators.shell import Shell, again, fire

pytestmark = [pytest.mark.integration, pytest.mark.airflow]

RunDag = Callable[..., Any]
WHEN = datetime(2024, 1, 2, tzinfo=UTC)
START = "InstantiateInlineWorkflowTemplate"
WAITS: dict[str, Any] = {"args": {"wait_for": "go"}}
HOUR = 3600


def arguments(setting: Setting, **changes: Any) -> dict[str, Any]:
    """Arguments of the operator, with what a workflow cannot do taken out."""
    given = setting.arguments(**changes)
    given["cluster"]["zones"] = ["europe-west1-b"]
    return given | {"lifecycle": "google"}


def task(setting: Setting, **changes: Any) -> Shell:
    return Shell(DataprocDaskJobOperator(task_id="delays", **{"deferrable": False, **arguments(setting, **changes)}))


def started(project: Project) -> int:
    """How many workflows there were: requests of one id are one."""
    return len({call["request_id"] for call in project.calls(START) if call["committed"]})


def jobs(project: Project) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = project.fake.ask("jobs", project=project.id)
    return found


def state_of(project: Project) -> str:
    """Return the furthest state of cluster or job so far."""
    states = [job["state"] for job in jobs(project)] or [cluster["state"] for cluster in project.bill()["clusters"]]
    return states[0] if states else ""


def nothing_bills(project: Project, clusters: int = 1) -> None:
    project.wait(lambda: not project.billing())
    assert len(project.bill()["clusters"]) == clusters


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_function_runs_in_a_workflow_and_google_deletes_its_cluster(
    run_dag: RunDag,
    setting: Setting,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    deferrable: bool,
) -> None:
    from airflow.providers.common.compat.sdk import DAG

    caplog.set_level(logging.INFO)
    begin = datetime(2024, 1, 1, tzinfo=UTC)
    with DAG(f"dask_google_{deferrable}", schedule=None, start_date=begin, catchup=False) as dag:
        DataprocDaskJobOperator(
            task_id="delays", deferrable=deferrable, **arguments(setting, job={"args": {"answer": 7}})
        )
    run = run_dag(dag, WHEN)
    assert run.state == "success"
    found = run.get_task_instance("delays").xcom_pull(task_ids="delays")
    assert found["result"] == {"answer": 7}
    assert found["clusters"] == {"created": 1, "adopted": 0, "deleted": 1}
    assert set(found["seconds"]) == {"create", "queue", "run", "delete", "total"}
    assert float(found["cost"]["amount"]) > 0
    nothing_bills(setting.dataproc)
    [cluster] = setting.dataproc.bill()["clusters"]
    assert (cluster["name"], cluster["uuid"]) == (found["cluster"]["name"], found["cluster"]["uuid"])
    [job] = jobs(setting.dataproc)
    urls = {
        key: run.get_task_instance("delays").xcom_pull(task_ids="delays", key=f"dataops_dask_{key}_url")
        for key in ("job", "cluster", "logs")
    }
    assert job["id"] in urls["job"]
    assert cluster["name"] in urls["cluster"]
    asked = [call["method"] for call in setting.dataproc.calls()]
    assert [method for method in asked if not method.startswith(("Get", "List"))] == [START]
    text = caplog.text + capfd.readouterr().out
    assert [text.count(f"line {number} of the driver") for number in range(3)] in ([1] * 3, [2] * 3)


def test_a_function_that_fails_is_told_as_ever(setting: Setting) -> None:
    shell = task(setting, job={"function": "jobs:fail"})
    with pytest.raises(TransientError, match="JOB_FAILED: FUNCTION_RAISED: ValueError: no luck"):
        shell.run()
    nothing_bills(setting.dataproc)
    assert started(setting.dataproc) == 1


def later(project: Project, true: Callable[[], Any]) -> None:
    """Let the hour pass, for which something is pending, as soon as something is true."""

    def wait() -> None:
        project.wait(true)
        project.configure(advance=HOUR)

    threading.Thread(target=wait, daemon=True).start()


@pytest.mark.parametrize("pending", [0, HOUR])
def test_a_lost_answer_to_the_start_makes_one_workflow(setting: Setting, pending: int) -> None:
    setting.dataproc.arm("create_reply_lost", method=START)
    setting.dataproc.arm("workflow_pending", seconds=pending)
    if pending:
        later(setting.dataproc, lambda: len(setting.dataproc.calls(START)) > 1)
    assert task(setting).run()["result"] == {"answer": 42}
    assert (len(setting.dataproc.calls(START)) > 1) == bool(pending)
    assert started(setting.dataproc) == 1
    nothing_bills(setting.dataproc)


@pytest.mark.parametrize("code", ["UNAVAILABLE", "RESOURCE_EXHAUSTED"])
def test_looks_that_fail_for_a_while_are_sat_out(setting: Setting, code: str) -> None:
    setting.dataproc.arm("polls_fail", nth=3, times=6, code=code)
    assert task(setting).run()["result"] == {"answer": 42}
    nothing_bills(setting.dataproc)
    assert started(setting.dataproc) == 1


@pytest.mark.parametrize(
    ("fault", "code"),
    [("create_stockout", "STOCKOUT"), ("create_kms", "KMS_DENIED"), ("create_init_action_failed", "INIT")],
)
def test_a_cluster_that_cannot_be_made_is_told_and_gone(setting: Setting, fault: str, code: str) -> None:
    setting.dataproc.arm(fault, method=START)
    with pytest.raises(Exception, match=code):
        task(setting).run()
    nothing_bills(setting.dataproc)
    assert started(setting.dataproc) == 1


def test_a_job_that_takes_too_long_is_stopped_by_google(setting: Setting) -> None:
    setting.dataproc.configure(speed=300, create=1, delete=1)
    limits = {"deadlines": {"run": "10m"}, "heartbeat_stale": None}
    with pytest.raises(TransientError, match="RUN_TIMEOUT"):
        task(setting, job=WAITS, policy=limits).run()
    nothing_bills(setting.dataproc)
    assert setting.dataproc.calls("CancelOperation") == []


@pytest.mark.parametrize("state", ["", "CREATING", "RUNNING"])
def test_a_task_that_is_killed_stops_its_workflow(setting: Setting, state: str) -> None:
    project = setting.dataproc
    project.configure(create=HOUR if state == "CREATING" else 1)
    if not state:
        project.arm("workflow_pending", seconds=HOUR)
    shell = task(setting, job=WAITS)

    def kill() -> None:
        project.wait(lambda: project.calls(START) and state_of(project) == state)
        shell.operator.on_kill()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    with pytest.raises(TransientError, match="KILLED"):
        shell.run()
    killer.join(120)
    assert not killer.is_alive()
    assert [call["code"] for call in project.calls("CancelOperation")] == ["OK"]
    nothing_bills(project, clusters=1 if state else 0)
    assert [job["state"] for job in jobs(project)] == (["CANCELLED"] if state == "RUNNING" else [])


def test_a_stop_that_is_refused_for_a_while_is_sent_again(setting: Setting) -> None:
    project = setting.dataproc
    trigger = deferred(setting)
    project.wait(lambda: state_of(project) == "RUNNING")
    project.arm("stop_unavailable", times=3)
    asyncio.run(trigger.on_kill())
    assert [call["code"] for call in project.calls("CancelOperation")] == ["UNAVAILABLE"] * 3 + ["OK"]
    nothing_bills(project)


def test_a_trigger_that_is_ended_by_hand_stops_the_workflow(setting: Setting) -> None:
    project, trigger = setting.dataproc, deferred(setting)
    project.wait(lambda: state_of(project) == "RUNNING")
    asyncio.run(again(trigger).on_kill())
    assert len(project.calls("CancelOperation")) == 1
    nothing_bills(project)


def test_a_deferral_that_times_out_stops_the_workflow(setting: Setting) -> None:
    from airflow.exceptions import AirflowException

    project = setting.dataproc
    shell = task(setting, job=WAITS, deferrable=True)
    shell.begin()
    project.wait(lambda: state_of(project) == "RUNNING")
    with pytest.raises(AirflowException):
        shell.break_off()
    assert project.billing() == []
    assert [job["state"] for job in jobs(project)] == ["CANCELLED"]
    assert started(project) == 1


def test_a_triggerer_that_is_started_anew_goes_on_with_the_same_workflow(setting: Setting) -> None:
    project, shell = setting.dataproc, task(setting, job=WAITS, deferrable=True)
    trigger = shell.begin()

    async def die() -> None:
        running = asyncio.ensure_future(anext(again(trigger).run()))
        await asyncio.to_thread(project.wait, lambda: state_of(project) == "RUNNING")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(die())
    setting.put("go")
    assert shell.complete(fire(again(trigger)))["result"] == {"answer": 42}
    assert started(project) == 1
    assert project.calls("CancelOperation") == []
    nothing_bills(project)


@pytest.mark.parametrize("state", ["", "CREATING", "RUNNING", "DONE"])
def test_the_next_try_takes_the_workflow_over(setting: Setting, state: str) -> None:
    project = setting.dataproc
    project.configure(create=HOUR if state == "CREATING" else 1)
    if not state:
        project.arm("workflow_pending", seconds=HOUR)
    task(setting, job=WAITS, deferrable=True).begin()  # and nobody goes on with it
    if state == "DONE":
        setting.put("go")
    project.wait(lambda: project.calls(START) and state_of(project) == state)
    setting.put("go")
    before = len(project.calls())
    if state in ("", "CREATING"):
        later(project, lambda: len(project.calls()) > before)
    second = task(setting, job=WAITS)
    second.ti.try_number, second.ti.max_tries, second.operator.retries = 2, 1, 1
    assert second.run()["result"] == {"answer": 42}
    assert started(project) == 1
    assert len(jobs(project)) == 1
    nothing_bills(project)


def test_a_job_that_failed_is_run_again_by_the_next_try(setting: Setting) -> None:
    project, first = setting.dataproc, task(setting, job={"function": "jobs:fail"})
    with pytest.raises(TransientError):
        first.run()
    second = task(setting)
    second.ti.try_number, second.ti.max_tries, second.operator.retries = 2, 1, 1
    assert second.run()["result"] == {"answer": 42}
    assert started(project) == 2
    nothing_bills(project, clusters=2)


@pytest.mark.parametrize(
    ("part", "option", "value"),
    [
        ("policy", "keep_failed_for", "30m"),
        ("policy", "attempts", 2),
        ("cluster", "zones", ["europe-west1-b", "europe-west1-c"]),
    ],
)
def test_what_a_workflow_cannot_do_is_refused_before_any_call(
    setting: Setting, part: str, option: str, value: Any
) -> None:
    given = arguments(setting)
    given[part] = given[part] | {option: value}
    shell = Shell(DataprocDaskJobOperator(task_id="delays", deferrable=False, **given))
    with pytest.raises(Exception, match=rf"WORKFLOW_REFUSES: {part}\.{option}"):
        shell.run()
    assert setting.dataproc.calls() == []


def deferred(setting: Setting) -> Any:
    """Return the trigger of a task whose job waits."""
    return task(setting, job=WAITS, deferrable=True, policy={"deadlines": {"run": timedelta(hours=1)}}).begin()
