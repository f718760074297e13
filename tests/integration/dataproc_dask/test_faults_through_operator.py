# SPDX-License-Identifier: Apache-2.0
"""Each row of the fault table through the unmodified operator: how its task ends, what was made, what it says, and what is left.

``test_every_row_has_a_test`` holds this file to the table. Of the long list, CI plays one case of each row, drawn from the commit's hash, and
``test_faults.py`` all of them without Airflow; ``make soak AREA=faults_through_operator`` and ``make soak-airflow2`` play the others.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from airflow.triggers.base import BaseTrigger

from airflow_dataops.core.errors import TransientError
from airflow_dataops.operators.dataproc_dask import DataprocDaskJanitorOperator
from airflow_dataops.triggers import _task_state
from tests.drawing import drawing
from tests.integration.dataproc_dask.driving import HELD, SPEED, let_end, without_polls
from tests.integration.dataproc_dask.lent import LOSSES, lend_functions
from tests.integration.dataproc_dask.operating import (
    RunDag,
    Told,
    arguments,
    cancelled,
    deferred,
    keep_time,
    killed,
    shell,
    task_run,
)
from tests.integration.dataproc_dask.setting import Setting
from tests.integration.dataproc_dask.table import CASES, FINAL, LONG, Case, check_project, rows
from tests.integration.dataproc_dask.walking import Walker, walker
from tests.services.dataproc_fake.running import Project
from tests.unit.operators.shell import Ti, again, fire

pytestmark = [pytest.mark.integration, pytest.mark.airflow]

# On the worker and in the triggerer: where both have to do with the fault, else the one or the other in turn.
BOTH = {"create_reply_lost", "polls_hang", "submit_reply_lost", "driver_hangs", "ttl_mid_job"}
WALKED = [
    (case, deferrable)
    for number, case in enumerate(CASES)
    for deferrable in (False, True)
    if case.fault in BOTH or deferrable is bool(number % 2)
]
IDLE = 3600.0  # seconds: the cluster's idle_delete_ttl


@pytest.fixture
def project(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project in which a minute lasts three seconds; all runs of this process go by its clock."""
    setting.dataproc.configure(speed=SPEED, create=8, delete=5)
    keep_time(setting.dataproc.refresh, SPEED, monkeypatch)
    return setting.dataproc


Kill = Callable[..., None]


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Walker]:
    """A server that forks tasks and triggers."""
    with walker("elsewhere") as server:
        yield server


@pytest.fixture
def kill(elsewhere: Walker, project: Project, tmp_path: Path) -> Kill:
    """Return ``kill(method, nth=1, **told)``; see :func:`~tests.integration.dataproc_dask.operating.killed`."""
    return partial(killed, elsewhere, tmp_path / "elsewhere.log", project)


def check_error(told: Told, code: str) -> str:
    """Check that the task failed once, in a way that Airflow understands, and in one line that begins with the code; return the line."""
    assert told.state == "failed"
    [error] = told.errors
    line = str(error)
    assert type(error).__name__ == ("AirflowFailException" if code in FINAL else "TransientError")
    assert line.startswith(f"{code}: ")
    assert "\n" not in line
    return line


def check_bill(project: Project, code: str | None = None) -> None:
    """Check that no cluster was billed for longer than somebody waited for its job; none lived until its time to live."""
    if code not in ("TTL", "DELETE_STUCK"):
        assert [cluster for cluster in project.bill()["clusters"] if cluster["seconds"] > IDLE] == []


def check_one(project: Project) -> None:
    """Check that there was one cluster, which is gone, and one job."""
    project.wait(lambda: not project.billing())
    assert len(project.bill()["clusters"]) == 1
    assert len(project.fake.ask("jobs", project=project.id)) == 1


def _walked() -> list[Any]:
    """Return each case; all but one of each row are for the soak."""
    _, draw = drawing()
    played = [
        draw.choice([one for one in WALKED if one[0].row == row]) for row in sorted({case.row for case, _ in WALKED})
    ]
    return [
        pytest.param(
            case,
            deferrable,
            id=f"{case}-{'deferred' if deferrable else 'worker'}",
            marks=[] if (case, deferrable) in played else [pytest.mark.soak],
        )
        for case, deferrable in WALKED
    ]


@pytest.mark.parametrize(("case", "deferrable"), _walked())
def test_a_fault_ends_as_the_table_says(
    project: Project,
    run_dag: RunDag,
    case: Case,
    deferrable: bool,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    case.arm(project)
    name = f"row_{case}_{deferrable}"
    told = task_run(run_dag, name, arguments(project, case.job, **case.policy), deferrable=deferrable)
    log = capsys.readouterr().out + caplog.text
    assert not case.note or f"{case.note}: " in log, log
    check_project(case, project)
    check_bill(project, case.code)
    if case.code is not None:
        line = check_error(told, case.code)
        assert f"dataops.dataproc_dask.failed code={case.code}" in log
        assert not case.log or f"gs://{project.bucket}/" in line
        return
    assert told.state == "success"
    assert told.value["result"] == {"answer": 42}
    assert told.value["clusters"] == {"created": case.clusters, "adopted": 0, "deleted": case.clusters}
    assert float(told.value["cost"]["amount"]) > 0


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_clean_run_needs_few_calls_and_deletes_at_the_first_look_after_the_end(
    project: Project, run_dag: RunDag, deferrable: bool
) -> None:
    assert task_run(run_dag, f"row_none_{deferrable}", arguments(project), deferrable=deferrable).state == "success"
    made = without_polls(project.calls())
    assert len(made) <= 10, made
    [job] = project.fake.ask("jobs", project=project.id)
    assert len([call for call in project.calls("GetJob") if call["time"] > job["ended"]]) == 1
    check_one(project)


def test_02_a_worker_that_is_killed_before_it_defers_leaves_a_cluster_that_the_next_try_adopts(
    project: Project,
    kill: Kill,
) -> None:
    given = arguments(project)
    kill("CreateCluster", arguments=given, deferrable=True)
    found = shell(given, deferrable=True, tries=2).run()
    assert found["clusters"] == {"created": 0, "adopted": 1, "deleted": 1}
    check_one(project)


def test_14_a_worker_that_is_killed_while_it_waits_leaves_a_job_that_the_next_try_attaches_to(
    project: Project, kill: Kill
) -> None:
    given = arguments(project, HELD)
    kill("SubmitJob", arguments=given, deferrable=False)
    once(project, lambda: project.calls("GetJob"))
    found = shell(given, deferrable=False, tries=2).run()
    assert found["clusters"]["adopted"] == 1
    check_one(project)


def test_14_a_failed_execution_is_followed_by_a_new_one_when_airflow_retries(project: Project, run_dag: RunDag) -> None:
    project.arm("driver_dies")
    once(project, lambda: [job for job in project.fake.ask("jobs", project=project.id) if job["ended"]])
    told = task_run(run_dag, "row_14", arguments(project, HELD), retries=1, retry_delay=0)
    assert told.state == "success"
    assert [str(error).partition(":")[0] for error in told.errors] == ["JOB_FAILED"]
    assert sorted(call["name"][-3:] for call in project.calls("SubmitJob")) == ["-x1", "-x2"]
    assert project.billing() == []


def once(project: Project, true: Callable[[], Any]) -> None:
    """Let the jobs of a project end as soon as something is true."""

    def wait() -> None:
        project.wait(true)
        let_end(project)

    threading.Thread(target=wait, daemon=True).start()


@pytest.mark.parametrize(("row", "fault", "code", "word"), LOSSES, ids=[f"{row}-{fault}" for row, fault, *_ in LOSSES])
def test_dask_machines_that_are_lost_end_the_task_by_name(
    setting: Setting, run_dag: RunDag, row: int, fault: str, code: str, word: str
) -> None:
    pytest.importorskip("distributed", reason="needs Dask: pip install 'airflow-dataops[dask]'")
    project = setting.dataproc
    project.configure(dask_workers=2)
    project.arm(fault, when="the work has begun")
    job = {"function": "lent_functions:naps", "python_file_uris": [lend_functions(project)]}
    given = arguments(project, job, real_driver=True, poll="1s", deadlines={"create": "10s"})
    given["job"]["args"] = {}
    told = task_run(run_dag, f"row_{row}", given, deferrable=True)
    assert word in check_error(told, code)
    check_one(project)


def test_18_a_job_is_told_to_stop_once(project: Project, run_dag: RunDag) -> None:
    project.arm("cancel_stuck")
    given = arguments(project, LONG, deadlines={"run": "30s", "cancel": "20s"})
    check_error(task_run(run_dag, "row_18", given, deferrable=True), "RUN_TIMEOUT")
    assert len(project.calls("CancelJob")) == 1


@pytest.mark.parametrize("method", ["GetOperation", "GetJob"])
def test_19_a_kill_on_the_worker_deletes_within_30_seconds(project: Project, method: str) -> None:
    task = shell(arguments(project, LONG), deferrable=False)

    def kill() -> None:
        project.wait(lambda: project.calls(method))
        task.operator.on_kill()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    with pytest.raises(TransientError, match=r"^KILLED: .*$"):
        task.run()
    killer.join(120)
    assert not killer.is_alive()
    assert [call["committed"] for call in project.calls("DeleteCluster")] == [True]
    project.wait(lambda: not project.billing())


def end_by_hand(project: Project, monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    """Let a task defer, and end it while its job runs: as Airflow 3.3 does, else as 2 does."""
    trigger = shell(arguments(project, LONG), deferrable=True).begin()

    async def end() -> None:
        running = await deferred(trigger, lambda: project.calls("GetJob"))
        if hasattr(BaseTrigger, "on_kill"):
            await cancelled(running)
            await asyncio.wait_for(trigger.on_kill(), 30)
        else:
            monkeypatch.setattr(_task_state, "task_state", lambda _: state)
            trigger.task_instance = Ti("delays")
            await asyncio.wait_for(cancelled(running), 30)
        await trigger.cleanup()

    asyncio.run(end())
    assert [call["committed"] for call in project.calls("DeleteCluster")] == [True]
    check_one(project)


def test_19_a_task_that_is_marked_while_deferred_has_sent_the_delete_within_30_seconds(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_by_hand(project, monkeypatch, "failed")


def test_22_a_dag_run_that_timed_out_skips_its_task_whose_trigger_deletes(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_by_hand(project, monkeypatch, "skipped")


def test_20_a_triggerer_that_is_killed_is_followed_by_another_one_with_the_same_job(
    project: Project, kill: Kill
) -> None:
    task = shell(arguments(project, HELD), deferrable=True)
    trigger = task.begin()
    kill("GetJob", 2, trigger=trigger.serialize()[1])
    assert project.calls("DeleteCluster") == project.calls("CancelJob") == []
    assert len(project.billing()) == 1
    let_end(project)
    found = task.complete(fire(again(trigger)))
    assert found["result"] == {"answer": 42}
    assert found["clusters"] == {"created": 1, "adopted": 0, "deleted": 1}
    check_one(project)


def test_20_a_triggerer_that_stops_deletes_nothing(project: Project) -> None:
    task = shell(arguments(project, HELD), deferrable=True)
    trigger = task.begin()

    async def stop() -> None:
        await cancelled(await deferred(trigger, lambda: project.calls("GetJob")))
        await trigger.cleanup()

    asyncio.run(stop())
    assert project.calls("DeleteCluster") == project.calls("CancelJob") == []
    let_end(project)
    assert task.complete(fire(again(trigger)))["result"] == {"answer": 42}
    check_one(project)


@pytest.mark.parametrize("why", ["Trigger timeout", "Trigger failure"])
def test_21_a_deferral_that_timed_out_or_a_trigger_that_broke_leaves_nothing(project: Project, why: str) -> None:
    task = shell(arguments(project, LONG), deferrable=True)
    trigger = task.begin()

    async def stop() -> None:
        await cancelled(await deferred(trigger, lambda: project.calls("GetJob")))
        await trigger.cleanup()

    asyncio.run(stop())
    with pytest.raises(Exception, match=why):
        task.break_off(why)
    assert project.billing() == []
    check_one(project)


def test_22_with_nobody_left_the_idle_time_to_live_ends_the_bill(project: Project, kill: Kill) -> None:
    given = arguments(project)
    kill("SubmitJob", arguments=given, deferrable=False)
    [job] = project.wait(lambda: [one for one in project.fake.ask("jobs", project=project.id) if one["ended"]])
    before = len(project.calls())
    project.configure(advance=IDLE)
    check_one(project)
    [billed] = project.bill()["clusters"]
    assert IDLE <= billed["gone"] - job["ended"] < 2 * IDLE
    assert len(project.calls()) == before


def test_22_with_nobody_left_the_janitor_ends_the_bill(project: Project) -> None:
    given = arguments(project)
    shell(given, deferrable=True).begin()
    project.wait(lambda: [one for one in project.billing() if one["state"] == "RUNNING"])
    project.configure(advance=IDLE / 2)
    janitor = DataprocDaskJanitorOperator(
        task_id="sweep",
        project=project.id,
        region=project.region,
        api_endpoint=project.fake.endpoint,
        instance="tests",
        orphan_after="2m",
    )
    swept = janitor.execute({"ti": Ti("sweep"), "task": janitor})
    assert [(one["verdict"], one["done"]) for one in swept["clusters"]] == [("ORPHANED", "deleted")]
    project.wait(lambda: not project.billing())


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"policy": {"budget": "0.01"}}, "OVER_BUDGET"),
        ({"cluster": {"idle_delete_ttl": "4m"}}, "DASK_RUN_INVALID"),
        ({"cluster": {"auto_delete_ttl": "9m"}}, "DASK_RUN_INVALID"),
    ],
    ids=["budget", "idle_delete_ttl", "auto_delete_ttl"],
)
def test_27_what_may_not_be_is_refused_before_any_call(
    project: Project, run_dag: RunDag, given: dict[str, Any], code: str
) -> None:
    project.arm("no_calls")
    written = arguments(project)
    for name, value in given.items():
        written[name] = written[name] | value
    [error] = task_run(
        run_dag, f"row_27_{next(iter(given['cluster' if 'cluster' in given else 'policy']))}", written
    ).errors
    assert type(error).__name__ == "AirflowFailException"
    assert str(error).startswith(f"{code}: ")
    assert "\n" not in str(error)
    assert project.forbidden() == 0
    assert project.calls() == []


def test_every_row_has_a_test(request: pytest.FixtureRequest) -> None:
    module = request.node.getparent(pytest.Module)
    assert module is not None
    claims: dict[int, list[str]] = {}
    for item in module.collect():
        if found := re.match(r"test_(\d\d)_|test_\w+\[(\d\d)-", item.name):
            claims.setdefault(int(found[1] or found[2]), []).append(item.name)
    assert len(rows()) == 27
    assert set(claims) == rows(), (
        f"rows without a test: {rows() - set(claims)}; tests of no row: {set(claims) - rows()}"
    )
