# SPDX-License-Identifier: Apache-2.0
"""The report job on a lake in a folder."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.clients.storage import LocalStorage
from airflow_dataops.core.layout import RunLayout
from airflow_dataops.core.refine.spec import ReportSpec, RunResult
from airflow_dataops.jobs import report

KEY = "2013-02-01T000000"
RUN = {
    "pipeline": "flights",
    "key": KEY,
    "interval_start": "2013-02-01T00:00:00Z",
    "interval_end": "2013-03-01T00:00:00Z",
}
STEPS = {
    "gate": {"job": "dq_gate", "verdict": "passed", "rows": {"read": 10}},
    "refine": {"job": "refine", "rows": {"read": 10, "dropped": {"keep_if: a > 0": 1}, "written": 9}},
    "publish": {"job": "publish", "table": "/silver", "rows": {"written": 9}},
}


@pytest.fixture
def spec(tmp_path: Path) -> ReportSpec:
    return ReportSpec.model_validate(
        {"task": "report", "lake": str(tmp_path), "run": RUN, "title": "Flights", "steps": list(STEPS), "history": 3}
    )


def leave(spec: ReportSpec, *tasks: str) -> RunLayout:
    layout = RunLayout(spec.lake, "flights", KEY)
    for task in tasks:
        path = Path(layout.step_result(task))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"task": task, "run": RUN, **STEPS[task]}))
    return layout


def earlier(spec: ReportSpec, *days: int) -> None:
    for day in days:
        key = f"2013-01-{day:02}T000000"
        layout = RunLayout(spec.lake, "flights", key)
        run = {**RUN, "key": key, "interval_start": f"2013-01-{day:02}T00:00:00Z"}
        document = {"job": "report", "task": "report", "run": run, "title": "Flights", "verdict": "passed"}
        Path(layout.record).mkdir(parents=True)
        Path(layout.result).write_text(json.dumps(document))


def test_a_good_run_leaves_result_and_page(spec: ReportSpec) -> None:
    layout = leave(spec, *STEPS)
    told: list[str] = []
    result = report.run(spec, progress=told.append)
    assert (result.verdict, result.rows.read, result.rows.written, result.published) == ("passed", 10, 9, True)
    assert RunResult.model_validate_json(Path(layout.result).read_bytes()) == result
    assert "9 rows were published" in Path(layout.page).read_text()
    assert told == ["passed: 3 of 3 steps left a result; 0 earlier runs", f"page: {layout.page}"]


def test_a_run_whose_steps_never_ran_gets_a_page_too(spec: ReportSpec) -> None:
    result = report.run(spec)
    assert result.verdict == "failed"
    assert "gate, refine, publish: left no result" in Path(RunLayout(spec.lake, "flights", KEY).page).read_text()


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"null", b'{"job": "refine"}', b"\xff\xfe"])
def test_a_damaged_step_result_is_named_not_raised(spec: ReportSpec, damage: bytes) -> None:
    layout = leave(spec, *STEPS)
    Path(layout.step_result("refine")).write_bytes(damage)
    result = report.run(spec)
    assert result.verdict == "failed"
    assert result.reasons[0].startswith("refine: its result cannot be read")


def test_history_is_the_newest_earlier_runs(spec: ReportSpec) -> None:
    earlier(spec, 1, 2, 3, 4, 5)
    found = report.read_history(LocalStorage(), RunLayout(spec.lake, "flights", KEY), 3)
    assert [point.key[:10] for point in found] == ["2013-01-03", "2013-01-04", "2013-01-05"]


def test_history_reads_no_more_files_than_it_needs(spec: ReportSpec) -> None:
    runs = Path(RunLayout(spec.lake, "flights", KEY).runs)
    for number in range(1000):
        (runs / f"20{number // 365:02}-{number % 12 + 1:02}-{number % 28 + 1:02}T{number % 24:02}0000").mkdir(
            parents=True, exist_ok=True
        )

    class Counting(LocalStorage):
        read = 0

        def read_bytes(self, path: str) -> bytes | None:
            self.read += 1
            return super().read_bytes(path)

    storage = Counting()
    report.read_history(storage, RunLayout(spec.lake, "flights", KEY), 30)
    assert storage.read <= 40


def test_a_damaged_earlier_result_is_left_out(spec: ReportSpec) -> None:
    earlier(spec, 1, 2)
    Path(RunLayout(spec.lake, "flights", "2013-01-02T000000").result).write_text("{")
    (Path(spec.lake) / ".dataops/runs/flights/2013-01-03T000000").mkdir()
    found = report.read_history(LocalStorage(), RunLayout(spec.lake, "flights", KEY), 3)
    assert [point.key[:10] for point in found] == ["2013-01-01"]


def test_no_history_is_asked_for(spec: ReportSpec) -> None:
    earlier(spec, 1)
    assert report.read_history(LocalStorage(), RunLayout(spec.lake, "flights", KEY), 0) == []


def test_a_second_report_of_the_same_run_gives_the_same_files(spec: ReportSpec) -> None:
    layout = leave(spec, *STEPS)
    report.run(spec)
    first = (Path(layout.result).read_bytes(), Path(layout.page).read_bytes())
    report.run(spec)
    assert (Path(layout.result).read_bytes(), Path(layout.page).read_bytes()) == first


def test_as_a_process_it_prints_its_result(spec: ReportSpec) -> None:
    leave(spec, *STEPS)
    envelope = json.dumps({"spec": spec.model_dump(mode="json"), "secrets": {}})
    done = subprocess.run(
        [sys.executable, "-m", "airflow_dataops.jobs.report", "--spec", "-"],
        input=envelope,
        capture_output=True,
        text=True,
        check=False,
    )
    document: dict[str, Any] = json.loads(done.stdout)
    assert (done.returncode, document["verdict"]) == (0, "passed"), done.stderr
