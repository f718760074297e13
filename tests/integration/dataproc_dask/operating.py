# SPDX-License-Identifier: Apache-2.0
"""The unmodified operator in an Airflow, against one project of the fake Dataproc and by that project's clock."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.triggers.dataproc_dask import DataprocDaskTrigger
from tests.integration.dataproc_dask.driving import document, lend_driver
from tests.integration.dataproc_dask.setting import CONNECTION, RATES
from tests.integration.dataproc_dask.walking import Walker
from tests.services.dataproc_fake.running import ROOTS, Project
from tests.unit.operators.shell import Shell

RunDag = Callable[..., Any]
TASK = "delays"


def keep_time(now: Callable[[], datetime], speed: float, patch: pytest.MonkeyPatch) -> None:
    """Let every run of this process go by another clock; nothing else of the product is touched."""
    from airflow_dataops.clients.dataproc_dask import drive

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds / speed)

    patch.setattr(drive, "utcnow", now)
    patch.setattr(drive, "perform", partial(drive.perform, clock=now, sleep=sleep, jitter=lambda: 0.5))


def arguments(
    project: Project, job: dict[str, Any] | None = None, *, real_driver: bool = False, **policy: Any
) -> dict[str, Any]:
    """Return the operator's arguments for what :func:`~tests.integration.dataproc_dask.driving.document` describes."""
    written = document(project, job, **policy)
    if not real_driver:
        written["job"]["bootstrap_uri"] = lend_driver(project)
    return written | {"rate_card": RATES, "api_endpoint": project.fake.endpoint, "instance": "tests"}


@dataclass(frozen=True)
class Told:
    """How a task ended.

    Attributes:
        state: The run's.
        errors: What each try raised.
        value: What it returned.
    """

    state: str
    errors: list[BaseException]
    value: Any


def task_run(run_dag: RunDag, name: str, given: dict[str, Any], **more: Any) -> Told:
    """Run the operator as the one task of a DAG, through all its tries."""
    from airflow.providers.common.compat.sdk import DAG

    from airflow_dataops.operators.dataproc_dask import DataprocDaskJobOperator

    found: list[BaseException] = []

    def keep(context: Any) -> None:
        found.append(context["exception"])

    with DAG(name, schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC), catchup=False) as dag:
        DataprocDaskJobOperator(task_id=TASK, on_failure_callback=keep, on_retry_callback=keep, **given, **more)
    run = run_dag(dag, datetime(2024, 1, 2, tzinfo=UTC))
    return Told(str(run.state), found, run.get_task_instance(TASK).xcom_pull(task_ids=TASK))


def shell(given: dict[str, Any], *, deferrable: bool, tries: int = 1) -> Shell:
    """Return the operator as one try of a task that has one retry, without a database; both tries are of the same run."""
    from airflow_dataops.operators.dataproc_dask import DataprocDaskJobOperator

    made = Shell(DataprocDaskJobOperator(task_id=TASK, retries=1, deferrable=deferrable, **given))
    made.ti.try_number, made.ti.max_tries = tries, 1
    return made


def killed(elsewhere: Walker, log: Path, project: Project, method: str, nth: int = 1, **told: Any) -> None:
    """Let a process work elsewhere, and kill it at a call whose effect is there and whose answer is not.

    Args:
        elsewhere: Forks it.
        log: Its output.
        project: Where the call is waited for.
        method: Which call.
        nth: Which of them.
        told: What the process does.
    """
    project.arm("reply_held", nth=nth, method=method)
    told["clock"] = [project.clock.real, project.clock.virtual, project.clock.speed]
    told["environment"] = {name: os.environ[name] for name in (CONNECTION, ROOTS, "STORAGE_EMULATOR_HOST")}
    pid = int(elsewhere.ask({"start": told | {"log": str(log)}})["pid"])

    def ended() -> bool:
        return elsewhere.ask({"look": pid})["code"] is not None

    over: list[bool] = []

    def held() -> bool:
        over.append(ended())
        return over[-1] or any("reply_held" in call["faults"] for call in project.calls())

    project.wait(held, 300)
    assert not over[-1], log.read_text()
    os.kill(pid, signal.SIGKILL)
    project.wait(ended)


async def deferred(trigger: DataprocDaskTrigger, until: Callable[[], Any]) -> asyncio.Task[None]:
    """Run a trigger as a triggerer does, and return while it runs, as soon as something is true."""

    async def run() -> None:
        async for event in trigger.run():
            raise AssertionError(f"it has ended already: {event}")

    running = asyncio.create_task(run())
    while not until():
        assert not running.done(), running.result()
        await asyncio.sleep(0.05)
    return running


async def cancelled(running: asyncio.Task[None]) -> None:
    """Cancel what runs, as a triggerer does."""
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
