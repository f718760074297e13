# SPDX-License-Identifier: Apache-2.0
"""Real processes: the parent of a job is killed, the job is killed from outside, two and more runs at the same time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.clients.job_process import JobProcess
from airflow_dataops.core.errors import TransientError
from airflow_dataops.core.faults import FaultPoint
from tests.faults.arming import Plan
from tests.faults.fixtures import WalkOf
from tests.faults.forks import NO_PLAN, ROOT, read_trace
from tests.faults.pipeline import SALT, STEPS, Variant
from tests.faults.walk import Walk

pytestmark = pytest.mark.integration
WINDOWS = [Variant("parquet", "window"), Variant("delta", "window")]
PARENT_DIES = {
    "parquet": ("publish", FaultPoint.TABLE_JOINED),
    "delta": ("publish", FaultPoint.PUBLISH_LEASE_CHECKED),
}


@pytest.fixture(params=WINDOWS, ids=str)
def walk(request: pytest.FixtureRequest, walk_of: WalkOf) -> Walk:
    return walk_of(request.param)


@pytest.fixture
def armed(walk: Walk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """``armed(step, plan)``: where the next job of this step finds its plan; returns its spec and its trace."""

    def arm(step: str, plan: Plan) -> tuple[Any, Path]:
        spec = walk.pipeline.step(step)
        (tmp_path / "arm.json").write_text(json.dumps({"job": spec.job, "plan": plan.document()}))
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        return spec, tmp_path / "trace"

    return arm


def test_a_job_dies_with_its_parent_and_is_done_again(walk: Walk, armed: Any, tmp_path: Path) -> None:
    step, point = PARENT_DIES[walk.pipeline.variant.format]
    walk.restore(step)
    spec, trace = armed(step, Plan(point=point.value, victim="parent"))
    (tmp_path / "spec.json").write_text(spec.model_dump_json())
    command = [sys.executable, "-m", "tests.faults.parent", spec.job, str(tmp_path / "spec.json")]
    parent = subprocess.run(command, cwd=ROOT, check=False, capture_output=True)
    assert parent.returncode == -signal.SIGKILL, parent.stderr
    wait_for_lock(walk)
    walk.run_all(("publish", "report"))
    walk.check("rerun")
    assert [name for name, _ in read_trace(trace)][-1] == point.value


def test_a_job_that_is_killed_from_outside_is_worth_another_try(walk: Walk, armed: Any) -> None:
    walk.restore("refine")
    spec, trace = armed("refine", NO_PLAN)
    job = JobProcess("refine", module="tests.faults.armed_job")

    def kill(_level: str, text: str) -> None:
        if text.startswith("writing"):
            os.kill(job.pid or 0, signal.SIGKILL)

    with pytest.raises(TransientError) as raised:
        job.run(spec, SALT, on_line=kill)
    assert raised.value.code == "JOB_KILLED"
    assert FaultPoint.REFINE_STAGED.value not in dict(read_trace(trace))
    walk.run_all(STEPS[STEPS.index("refine") :])
    walk.check("rerun")


@pytest.mark.parametrize("step", ["refine", "publish"])
def test_the_same_run_twice_at_once(walk: Walk, step: str) -> None:
    for point in {"refine": ("refine.cleared", "refine.written"), "publish": ("publish.planned", "publish.marked")}[
        step
    ]:
        codes = walk.twice_at_once(step, point)
        assert set(codes) <= {
            "STORAGE",
            "STAGE_MISSING",
            "GATE_STALE",
            "STAGED_FILES_CHANGED",
            "QUARANTINE_GONE",
            "NOTHING_STAGED",
        }


@pytest.mark.parametrize("count", [2, 6])
def test_dates_at_the_same_time(walk: Walk, count: int) -> None:
    """Six runs, each a chain of processes, all at once: every day is there once, as if they had come one after the other."""
    days = range(11, 11 + count)
    walk.restore("publish")
    walk.run_all(("publish", "report"))
    for day in days:
        walk.pipeline.deliver(day)
    before = walk.pipeline.seen().table
    for step in STEPS:
        started = [walk.forks.begin(walk.pipeline.step(step, day), SALT) for day in days]
        ended = [walk.forks.wait(one) for one in started]
        assert [one.code for one in ended] == [0] * count, [one.said() for one in ended if one.code]
    together = walk.pipeline.seen(*days)
    assert len(together.table) == len(before) + 7 * count
    for day in reversed(days):
        walk.run_all(STEPS, day)
    alone = walk.pipeline.seen(*days)
    assert (alone.table, alone.bad) == (together.table, together.bad)


def wait_for_lock(walk: Walk) -> None:
    """Wait until the process that holds the lease is gone: it dies with its parent, which takes the kernel a moment."""
    holder = json.loads(walk.pipeline.lease)["holder"]
    deadline = time.monotonic() + 120
    while holder and Path(f"/proc/{holder['process']}").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not holder or not Path(f"/proc/{holder['process']}").exists()
