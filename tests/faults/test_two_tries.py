# SPDX-License-Identifier: Apache-2.0
"""Two tries of one run that get into one another's way, and steps that are done again without those before them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.clients.storage import LocalStorage
from airflow_dataops.core import faults
from airflow_dataops.core.errors import InputError, PublishError, RunConflict
from airflow_dataops.core.faults import FaultPoint
from airflow_dataops.jobs import dq_gate, maintain, publish, refine
from airflow_dataops.jobs.records import write_result
from airflow_dataops.jobs.staging import delete_staging, staging_lease
from tests.faults.model import FIRST, Kind, Row
from tests.faults.model_lake import Lake

OLD, NEW = 3, 5
JOBS: dict[str, Callable[..., Any]] = {
    "gate": dq_gate.run,
    "refine": refine.run,
    "silver": dq_gate.run,
    "publish": publish.run,
}


@pytest.fixture(params=["parquet", "delta"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    made = Lake(tmp_path, Kind(str(request.param), "window"))
    deliver(made, OLD)
    return made


def deliver(lake: Lake, value: int) -> None:
    rows = [Row(1, FIRST + timedelta(hours=1), value, 1), Row(2, FIRST + timedelta(hours=2), None, 0)]
    lake.deliver(0, tuple(rows), grown=False)


def do(lake: Lake, *names: str) -> Any:
    result = None
    for name in names:
        [spec] = [step for step in lake.steps(0) if step.task == name]
        result = JOBS[name](spec)
        write_result(lake.layout(0), result)
    return result


def values(lake: Lake) -> list[int | None]:
    return [row.v for row in lake.rows()]


@contextmanager
def at(point: FaultPoint, work: Callable[[], object]) -> Iterator[None]:
    """Let another try do something while this one is at a place."""
    met: list[FaultPoint] = []

    def hook(now: FaultPoint) -> None:
        if now == point and not met:
            met.append(now)
            work()

    with faults.armed(hook):
        yield
    assert met


def test_bad_rows_do_not_slip_in_when_only_later_steps_are_done_again(lake: Lake) -> None:
    do(lake, "gate", "refine", "silver", "publish")
    with pytest.raises(InputError, match="put 1 rows aside, and 0 are staged") as raised:
        do(lake, "refine")
    assert raised.value.code == "QUARANTINE_GONE"
    assert values(lake) == [OLD]


def test_a_gate_answers_only_for_what_it_has_seen(lake: Lake) -> None:
    do(lake, "gate", "refine", "silver", "refine")
    with pytest.raises(PublishError) as raised:
        do(lake, "publish")
    assert raised.value.code == "GATE_STALE"
    assert not lake.exists()


def test_bad_rows_of_another_source_are_not_committed_with_it(lake: Lake) -> None:
    do(lake, "gate", "refine", "silver")
    deliver(lake, NEW)
    do(lake, "gate")
    with pytest.raises(PublishError) as raised:
        do(lake, "publish")
    assert raised.value.code == "GATE_STALE"


def test_bad_rows_of_a_gate_that_was_killed_are_not_committed_with_what_was_staged_before(lake: Lake) -> None:
    """The gate of a new delivery has put its bad rows aside and dies before it is on record; somebody clears the steps after it."""
    do(lake, "gate", "refine", "silver")
    deliver(lake, NEW)

    class Killed(BaseException):
        pass

    def die() -> None:
        raise Killed

    with at(FaultPoint.GATE_COMMITTED, die), pytest.raises(Killed):
        do(lake, "gate")
    with pytest.raises(PublishError) as raised:
        do(lake, "silver", "publish")
    assert raised.value.code == "GATE_MISSING"
    assert not lake.exists()
    assert not lake.bad_rows()
    do(lake, "gate", "refine", "silver", "publish")
    assert values(lake) == [NEW]


def test_what_another_try_staged_meanwhile_is_published_by_it(lake: Lake) -> None:
    do(lake, "gate", "refine", "silver")

    def other() -> None:
        deliver(lake, NEW)
        do(lake, "gate", "refine", "silver")

    with at(FaultPoint.PUBLISH_COMMITTED, other):
        do(lake, "publish")
    assert values(lake) == [OLD]
    assert do(lake, "publish").already_done is False
    assert values(lake) == [NEW]


def test_files_of_another_try_are_never_taken_for_ones_own(lake: Lake) -> None:
    do(lake, "gate", "refine", "silver")
    ours = Path(lake.layout(0).manifest).read_bytes()
    do(lake, "refine")
    Path(lake.layout(0).manifest).write_bytes(ours)
    with pytest.raises(PublishError) as raised:
        do(lake, "publish")
    assert raised.value.code == "STAGED_FILES_CHANGED"


def test_one_try_stages_at_a_time(lake: Lake) -> None:
    layout = lake.layout(0)
    Path(layout.staged_table).mkdir(parents=True)
    with staging_lease(layout):
        with pytest.raises(RunConflict, match="orders run 2024-01-01T000000"):
            staging_lease(layout, wait_seconds=0).__enter__()
        delete_staging(LocalStorage(), layout)
        assert Path(layout.staged_table).exists()
    delete_staging(LocalStorage(), layout)
    assert not Path(layout.staging).exists()


def test_upkeep_leaves_a_table_alone_that_nobody_has_published_yet(lake: Lake) -> None:
    [spec] = lake.upkeep(late=False)
    assert maintain.run(spec).actions == []
