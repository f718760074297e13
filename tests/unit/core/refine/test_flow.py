# SPDX-License-Identifier: Apache-2.0
"""Where rows go, step by step."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.dq_gate.spec import GateResult
from airflow_dataops.core.refine.flow import Exit, row_flow
from airflow_dataops.core.run import RunContext
from airflow_dataops.core.tables import JobResult, RowCounts

RUN = RunContext(pipeline="p", key="k")


def step(job: str, *, status: Any = "ok", **rows: Any) -> JobResult:
    return JobResult(job=job, task="t", run=RUN, status=status, rows=RowCounts(**rows))


def test_each_stage_says_what_came_left_and_went_on() -> None:
    flow = row_flow(
        {
            "gate": step("dq_gate", read=100, quarantined=10),
            "refine": step("refine", read=90, quarantined=1, dropped={"null in a": 4}, deduplicated=5, written=80),
            "publish": step("publish", written=80),
        }
    )
    assert [(s.task, s.rows_in, s.rows_out) for s in flow.stages] == [
        ("gate", 100, 90),
        ("refine", 90, 80),
        ("publish", 80, 80),
    ]
    assert flow.stages[0].exits == (Exit("quarantined", "", 10),)
    assert flow.stages[1].exits == (
        Exit("quarantined", "", 1),
        Exit("dropped", "null in a", 4),
        Exit("deduplicated", "", 5),
    )
    assert (flow.read, flow.written, flow.dropped) == (100, 80, {"null in a": 4})


def test_rows_that_two_gates_put_aside_count_once() -> None:
    flow = row_flow(
        {
            "a": step("dq_gate", read=100, quarantined=10),
            "b": step("dq_gate", read=100, quarantined=10),
            "refine": step("refine", read=88, written=88),
        }
    )
    assert [s.rows_out for s in flow.stages] == [90, 88, 88]
    assert flow.total("quarantined") == 12


def test_rows_that_no_step_explains_are_shown() -> None:
    flow = row_flow({"gate": step("dq_gate", read=100), "refine": step("refine", read=70, written=60)})
    assert flow.stages[1].exits == (Exit("unaccounted", "", 40),)


def test_a_failed_step_lets_nothing_out_and_nothing_is_written() -> None:
    flow = row_flow({"gate": step("dq_gate", read=100, quarantined=3), "refine": step("refine", status="failed")})
    assert flow.stages[1].exits == ()
    assert flow.written == 0


def test_a_gate_that_stopped_the_run_is_not_ok_and_shows_why() -> None:
    gate = GateResult(task="gate", run=RUN, status="failed", verdict="failed", rows=RowCounts(read=100, quarantined=40))
    (stage,) = row_flow({"gate": gate}).stages
    assert not stage.ok
    assert stage.exits == (Exit("quarantined", "", 40),), "what made it stop is shown"


def test_no_steps_are_no_rows() -> None:
    assert (row_flow({}).read, row_flow({}).stages) == (0, ())


counts = st.integers(0, 10**9)


@given(counts, counts, counts, counts, counts, counts, counts)
def test_no_row_is_lost_or_invented(read: int, aside: int, came: int, cast: int, drop: int, dup: int, out: int) -> None:
    flow = row_flow(
        {
            "gate": step("dq_gate", read=read, quarantined=aside),
            "refine": step("refine", read=came, quarantined=cast, dropped={"x": drop}, deduplicated=dup, written=out),
        }
    )
    for stage in flow.stages:
        assert all(way_out.rows > 0 for way_out in stage.exits)
        assert stage.rows_in <= stage.rows_out + sum(way_out.rows for way_out in stage.exits)


def test_rows_that_belong_to_no_run_are_seen_by_refine_only_and_still_add_up() -> None:
    flow = row_flow(
        {
            "gate": step("dq_gate", read=100, quarantined=10),
            "refine": step("refine", read=93, dropped={"no_window(at)": 3}, written=90),
            "publish": step("publish", written=90),
        }
    )
    assert (flow.read, flow.written, flow.total("quarantined"), flow.total("unaccounted")) == (103, 90, 10, 0)
