# SPDX-License-Identifier: Apache-2.0
"""The real driver on a real Dask scheduler and workers: a clean run, and machines that are lost in the middle of the work."""

from __future__ import annotations

import asyncio
import json

import pytest

from airflow_dataops.clients.dataproc_dask.driver_log import DriverLog
from airflow_dataops.clients.gcs import Gcs
from airflow_dataops.core.dataproc_dask import names
from tests.integration.dataproc_dask.driving import Driven, code_of, document
from tests.integration.dataproc_dask.lent import LOSSES, lend_functions
from tests.services.dataproc_fake.running import Project
from tests.unit.clients.logs import lines_of

pytest.importorskip("distributed", reason="needs Dask: pip install 'airflow-dataops[dask]'")
pytestmark = [pytest.mark.integration]


def run_of(project: Project, function: str, **args: object) -> Driven:
    """Return a run of one of the functions that are lent in an archive."""
    from airflow_dataops.core.dataproc_dask.run import DaskRun

    uri = lend_functions(project)
    with_clock = document(project, {"function": f"lent_functions:{function}", "python_file_uris": [uri]})
    with_clock["job"]["args"] = args
    with_clock["policy"] |= {"poll": "1s", "deadlines": {"create": "10s"}, "heartbeat_stale": "2m"}
    return Driven(project, DaskRun.model_validate(with_clock), real_driver=True)


@pytest.fixture
def project(dataproc: Project) -> Project:
    """A project whose clusters have Dask machines, by the machine's own clock."""
    dataproc.configure(dask_workers=2)
    return dataproc


def told(one: Driven) -> list[str]:
    """Return the driver's output as a trigger would tell it."""
    gcs, state = Gcs(one.settings), one.states[-1]

    async def lines() -> list[str]:
        log = DriverLog(gcs)
        return [line for _ in range(10) for line in await lines_of(log, str(state.job_log), ended=True)]

    return asyncio.run(lines())


def test_a_function_runs_on_dask_and_its_result_and_report_are_in_the_bucket(project: Project) -> None:
    one = run_of(project, "squares", count=10)
    outcome = one.finish()
    assert outcome.ok, outcome.failure
    assert one.run.job is not None
    folder = names.job_folder(str(one.run.job.spec_uri), one.states[-1].job_id)
    gcs = Gcs(one.settings)
    result = json.loads(gcs.read(f"{folder}/result.json"))
    assert result["result"] == {"total": 285}
    assert result["workers"]["start"] == 2
    assert b"<html" in gcs.read(f"{folder}/report.html").lower()
    assert told(one).count("squaring 10 numbers") == 1
    assert project.billing() == []


@pytest.mark.parametrize(("row", "fault", "code", "word"), LOSSES)
def test_machines_that_are_lost_end_the_run_by_name(
    project: Project, row: int, fault: str, code: str, word: str
) -> None:
    project.arm(fault, when="the work has begun")
    failure = run_of(project, "naps").finish().failure
    assert failure is not None
    assert failure.code == code, f"row {row}: {failure}"
    assert word in failure.message
    assert project.billing() == []


def test_26_each_line_is_told_once_in_order_and_lost_parts_do_not_matter(dataproc: Project) -> None:
    from airflow_dataops.core.dataproc_dask.run import DaskRun

    dataproc.configure(log_part_bytes=512)
    one = Driven(dataproc, DaskRun.model_validate(document(dataproc, {"args": {"lines": 200}}, poll="1s")))
    assert one.finish().ok
    found = told(one)
    assert [int(line.split()[1]) for line in found if line.startswith("line")] == list(range(200))
    dataproc.arm("log_rotated", bytes=512)
    other = Driven(
        dataproc, DaskRun.model_validate(document(dataproc, {"name": "second", "args": {"lines": 200}}, poll="1s"))
    )
    assert code_of(other.finish()) is None
    kept = [int(line.split()[1]) for line in told(other) if line.startswith("line")]
    assert kept[-1] == 199
    assert kept == list(range(kept[0], 200))
