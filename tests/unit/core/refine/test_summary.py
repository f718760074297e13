# SPDX-License-Identifier: Apache-2.0
"""The verdict, the reasons and the rows of a whole run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_dataops.core.errors import GateFailed
from airflow_dataops.core.refine.spec import ReportSpec, RunResult
from airflow_dataops.core.refine.summary import summarise

START = datetime(2013, 2, 1, 3, 0, tzinfo=UTC)
RUN = {
    "pipeline": "flights",
    "key": "2013-01-01T000000",
    "interval_start": "2013-01-01T00:00:00Z",
    "interval_end": "2013-02-01T00:00:00Z",
}
ORDER = ["gate_bronze", "refine", "gate_silver", "publish"]


def step(task: str, job: str, minute: int, **more: Any) -> dict[str, Any]:
    started = (START + timedelta(minutes=minute)).isoformat()
    return {"task": task, "job": job, "run": RUN, "started_at": started, "seconds": {"total": 2.0}, **more}


def good() -> dict[str, dict[str, Any]]:
    return {
        "gate_bronze": step(
            "gate_bronze",
            "dq_gate",
            0,
            verdict="quarantined",
            reasons=["not_null(dep_time): 80 rows"],
            rows={"read": 1000, "quarantined": 80},
            versions={"duckdb": "1.4"},
            peak_memory_bytes=100,
        ),
        "refine": step(
            "refine",
            "refine",
            1,
            rows={
                "read": 920,
                "quarantined": 5,
                "dropped": {"null in arr_time": 10, "keep_if: distance > 0": 3},
                "deduplicated": 2,
                "written": 900,
            },
            bytes_read=10,
            bytes_written=7,
            peak_memory_bytes=300,
        ),
        "gate_silver": step("gate_silver", "dq_gate", 2, verdict="passed", rows={"read": 900}),
        "publish": step("publish", "publish", 3, table="/lake/silver/flights", rows={"read": 900, "written": 900}),
    }


def run(steps: dict[str, dict[str, Any]], order: list[str] | None = None) -> RunResult:
    spec = ReportSpec.model_validate(
        {"task": "report", "lake": "/lake", "run": RUN, "title": "flights", "steps": order or ORDER}
    )
    return summarise(spec, steps)


def test_rows_of_a_good_run_balance() -> None:
    rows = run(good()).rows
    assert rows.model_dump() == {
        "read": 1000,
        "quarantined": 85,
        "dropped": {"null in arr_time": 10, "keep_if: distance > 0": 3},
        "deduplicated": 2,
        "written": 900,
    }
    assert rows.read == rows.quarantined + sum(rows.dropped.values()) + rows.deduplicated + rows.written


def test_facts_of_a_good_run_are_gathered() -> None:
    result = run(good())
    assert result.verdict == "quarantined"
    assert result.reasons[0] == "gate_bronze: not_null(dep_time): 80 rows"
    assert (result.published, result.table) == (True, "/lake/silver/flights")
    assert result.seconds == {"gate_bronze": 2.0, "refine": 2.0, "gate_silver": 2.0, "publish": 2.0, "total": 8.0}
    assert result.started_at == START
    assert (result.bytes_read, result.bytes_written, result.peak_memory_bytes) == (10, 7, 300)
    assert result.versions == {"duckdb": "1.4"}
    assert result.page == "/lake/.dataops/runs/flights/2013-01-01T000000/report.html"
    assert [s["task"] for s in result.steps] == ORDER


def test_a_result_survives_its_json() -> None:
    result = run(good())
    assert RunResult.model_validate_json(result.model_dump_json()) == result


def test_nothing_wrong_is_passed_without_reasons() -> None:
    steps = good()
    steps["gate_bronze"] |= {"verdict": "passed", "reasons": [], "rows": {"read": 920}}
    steps["refine"]["rows"] = {"read": 920, "written": 920}
    steps["publish"]["rows"] = {"written": 920}
    assert (run(steps).verdict, run(steps).reasons) == ("passed", [])


def test_a_warning_alone_is_warned() -> None:
    steps = good()
    steps["gate_bronze"] |= {"verdict": "warned", "reasons": ["between(distance): 1 row"], "rows": {"read": 905}}
    steps["refine"]["rows"] = {"read": 905, "dropped": {"x": 5}, "written": 900}
    assert (run(steps).verdict, run(steps).reasons) == ("warned", ["gate_bronze: between(distance): 1 row"])


def test_rows_that_do_not_cast_make_the_run_quarantined() -> None:
    steps = good()
    steps["gate_bronze"] |= {"verdict": "passed", "reasons": [], "rows": {"read": 920}}
    result = run(steps)
    assert result.verdict == "quarantined"
    assert result.reasons == ["refine: 5 rows put aside that could not be decoded or cast"]


def test_no_step_at_all_is_failed_and_names_every_step() -> None:
    result = run({})
    assert result.verdict == "failed"
    assert result.reasons == [
        "gate_bronze, refine, gate_silver, publish: left no result: it did not run, or was stopped"
    ]
    assert result.rows.read == 0
    assert not result.published


def test_a_failed_step_comes_first_then_what_did_not_run() -> None:
    steps = {"gate_bronze": good()["gate_bronze"]}
    error = GateFailed("the share of bad rows is 0.4, more than 0.05").to_dict()
    steps["refine"] = step("refine", "refine", 1, status="failed", error=error)
    result = run(steps)
    assert result.verdict == "failed"
    assert result.reasons == [
        "refine: GATE_FAILED: the share of bad rows is 0.4, more than 0.05",
        "gate_silver, publish: did not run",
        "gate_bronze: not_null(dep_time): 80 rows",
    ]
    assert (result.rows.read, result.rows.quarantined, result.rows.written) == (1000, 80, 0)


@pytest.mark.parametrize("task", ORDER)
def test_any_missing_step_fails_the_run(task: str) -> None:
    steps = good()
    del steps[task]
    result = run(steps)
    assert result.verdict == "failed"
    assert f"{task}: left no result: it did not run, or was stopped" in result.reasons


@pytest.mark.parametrize("task", ORDER)
def test_any_failed_step_fails_the_run_even_with_nothing_but_its_error(task: str) -> None:
    steps = good()
    steps[task] = {
        "task": task,
        "job": steps[task]["job"],
        "run": RUN,
        "status": "failed",
        "error": {"code": "X", "message": "boom"},
    }
    result = run(steps)
    assert result.verdict == "failed"
    assert result.reasons[0] == f"{task}: X: boom"


def test_a_gate_that_failed_its_rules_gives_its_reasons() -> None:
    steps = good()
    steps["gate_silver"] |= {"verdict": "failed", "reasons": ["not_null(tailnum): 3 rows"]}
    del steps["publish"]
    result = run(steps)
    assert result.reasons[0] == "gate_silver: not_null(tailnum): 3 rows"
    assert result.rows.written == 0


def test_a_result_of_an_earlier_try_is_not_taken_for_this_one() -> None:
    steps = good()
    late = step("gate_bronze", "dq_gate", 60, verdict="failed", reasons=["row_count: 0 rows"])
    result = run({**steps, "gate_bronze": late})
    assert result.verdict == "failed"
    assert result.reasons[0] == "gate_bronze: row_count: 0 rows"
    assert "publish: did not run again; its result is of an earlier try" in result.reasons
    assert [s["task"] for s in result.steps] == ["gate_bronze"]
    assert result.published, "the earlier try had changed the table"
    assert result.rows.written == 0, "this try wrote nothing"


def test_an_unreadable_result_fails_the_run_and_says_what_is_wrong() -> None:
    steps = good()
    steps["refine"] = {"job": "refine", "task": "refine"}
    result = run(steps)
    assert result.verdict == "failed"
    assert result.reasons[0] == "refine: its result cannot be read (run: Field required)"


def test_a_step_of_an_unknown_kind_still_counts() -> None:
    steps = good() | {"profile": step("profile", "profile", 4, extra_fact=1)}
    assert run(steps, [*ORDER, "profile"]).seconds["profile"] == 2.0


def test_steps_that_are_not_of_the_run_are_not_looked_at() -> None:
    steps = good() | {"other": {"status": "failed"}}
    assert run(steps).verdict == "quarantined"
