# SPDX-License-Identifier: Apache-2.0
"""Walk and machine can fail: each reports bugs that are planted in the jobs' processes, and nothing where there is none."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_dataops.core.faults import FaultPoint
from tests.faults.fixtures import WalkOf
from tests.faults.forks import Forks
from tests.faults.machine import KINDS, TableMachine
from tests.faults.model import TOO_MUCH
from tests.faults.pipeline import Variant
from tests.faults.planted import BUGS
from tests.faults.points import Case

pytestmark = pytest.mark.integration

Steps = Callable[[TableMachine], object]
# Rows: id, value (None is bad), 3: of the day before, hour.
DELIVERIES: list[list[Any]] = [[(1, 1, 0, 2), (2, None, 1, 3)], [(1, 5, 0, 2), (4, 1, 1, 9)], [(6, 1, 0, 2)]]
ANEW: list[Any] = [(1, 2, 0, 1), (9, 3, 0, 1)]
ONE_BAD: list[Any] = [(1, None, 0, 1), (9, 3, 0, 1)]
REFUSED: list[Any] = [(1, TOO_MUCH, 0, 1), (9, 3, 0, 1)]
WINDOW = Variant("parquet", "window")


def _another_date(where: str) -> Steps:
    def steps(machine: TableMachine) -> None:
        machine.run(day=0, by_hand=False)
        machine.a_delivery_comes(day=0, rows=ANEW)
        machine.publish_killed_before_another_run(day=0, other=1, where=where, rows=[])

    return steps


def _once(machine: TableMachine) -> None:
    machine.run(day=0, by_hand=False)


def _anew(machine: TableMachine) -> None:
    machine.run(day=0, by_hand=False)
    machine.publish_killed_before_another_run(day=0, other=0, where="publish.committed", rows=ANEW)


def _done_again(machine: TableMachine) -> None:
    machine.run(day=0, by_hand=False)
    machine.a_delivery_comes(day=0, rows=ANEW)
    machine.publish_killed_and_the_next_one_too(day=0, other=0, where="publish.marked", again="recovery.done")
    machine.publish_done_again(day=0)


def _after_its_end(machine: TableMachine) -> None:
    machine.publish_killed(day=0, where="finish.done")
    machine.publish_done_again(day=0)


def _again(machine: TableMachine) -> None:
    machine.run(day=0, by_hand=False)
    machine.a_delivery_comes(day=0, rows=ANEW)
    machine.run(day=0, by_hand=False)


def _taken_over_before_its_bad_rows(machine: TableMachine) -> None:
    machine.stage(day=0)
    machine.a_delivery_comes(day=0, rows=ONE_BAD)
    machine.publish_asleep(day=0, other=0, where="publish.checked")


def _gate_left_out(machine: TableMachine) -> None:
    machine.killed_while_staging_and_cleared(
        day=0, before=DELIVERIES[0], rows=REFUSED, where="refine.staged", first="publish"
    )


@contextlib.contextmanager
def _table(table_format: str, bug: str | None) -> Iterator[TableMachine]:
    machine = TableMachine()
    machine.bug = bug
    machine.open(next(kind for kind in KINDS if kind.format == table_format), DELIVERIES)
    try:
        yield machine
    finally:
        machine.teardown()


HUNTS = [
    pytest.param("parquet", "recovery_is_off", _another_date("table.joined"), "the table holds", id="recovery-off"),
    pytest.param("parquet", "finish_deletes_what_was_staged_since", _anew, "", id="newer-staging-deleted"),
    pytest.param("parquet", "bad_rows_after_good_ones", _after_its_end, "bad rows of", id="bad-rows-last"),
    pytest.param(
        "delta", "recovery_of_delta_never_looks", _done_again, "is said to be published", id="log-not-looked-at"
    ),
    pytest.param("parquet", "recovery_goes_back", _another_date("table.left"), "the table holds", id="goes-back"),
    pytest.param("parquet", "recovery_only_deletes", _another_date("publish.marked"), "the table holds", id="deletes"),
    pytest.param("delta", "finished_record_stays", _once, "left behind", id="record-stays"),
    pytest.param("parquet", "rerun_appends", _again, "the table holds", id="rerun-appends"),
    pytest.param("delta", "old_bad_rows_stay", _again, "bad rows of", id="old-bad-rows-stay"),
    pytest.param(
        "parquet", "lease_taken_for_granted", _taken_over_before_its_bad_rows, "bad rows of", id="lease-for-granted"
    ),
    pytest.param("delta", "stale_gate_passes", _gate_left_out, "the table holds", id="stale-gate"),
]


@pytest.mark.parametrize(("table_format", "bug", "steps", "says"), HUNTS)
def test_the_machine_finds_a_planted_bug(table_format: str, bug: str, steps: Steps, says: str) -> None:
    with _table(table_format, bug) as machine, pytest.raises(AssertionError, match=says):
        steps(machine)
    with _table(table_format, None) as machine:
        steps(machine)


def test_every_planted_bug_is_hunted() -> None:
    assert {hunt.values[1] for hunt in HUNTS} == set(BUGS)


@pytest.mark.parametrize(
    ("bug", "case"),
    [
        ("recovery_is_off", Case(WINDOW, "other", "publish", FaultPoint.TABLE_JOINED)),
        ("bad_rows_after_good_ones", Case(WINDOW, "rerun", "publish", FaultPoint.FINISH_DONE)),
    ],
)
def test_the_walk_finds_a_planted_bug(walk_of: WalkOf, forked: Forks, bug: str, case: Case) -> None:
    walk = walk_of(case.variant)
    walk.case(case)
    forked.bug = bug
    try:
        with pytest.raises(AssertionError):
            walk.case(case)
    finally:
        forked.bug = None
