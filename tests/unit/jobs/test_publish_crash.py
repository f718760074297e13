# SPDX-License-Identifier: Apache-2.0
"""A publish that ends in the middle, at each of its steps, and what the next one makes of it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from deltalake import DeltaTable, write_deltalake

from airflow_dataops.clients import delta
from airflow_dataops.clients.lease import Lease
from airflow_dataops.clients.storage import LocalStorage
from airflow_dataops.core.errors import PublishError, RunConflict
from airflow_dataops.core.faults import FaultPoint, armed
from airflow_dataops.core.refine.publish import table_digest
from airflow_dataops.core.tables import FullSlice, RunSlice, WindowSlice
from airflow_dataops.jobs import publish_delta, publish_parquet, table_lease
from tests.faults.pipeline import Variant
from tests.faults.points import points_of

COLUMNS = {"id": "bigint", "at": "timestamp"}
Make = Callable[..., Any]


class Killed(BaseException):
    """What a process would not survive: no handler of ours may swallow it."""


@contextmanager
def killed_at(place: FaultPoint | str) -> Iterator[None]:
    """Die at a named place, or right after the second call of a method of the storage: in the middle of many files that join."""
    calls: list[FaultPoint | str] = []

    def die(point: FaultPoint) -> None:
        if point == place:
            raise Killed

    def broken(*args: Any, **kwargs: Any) -> Any:
        done = original(*args, **kwargs)
        calls.append(place)
        if len(calls) == 2:
            raise Killed
        return done

    if isinstance(place, FaultPoint):
        with armed(die), pytest.raises(Killed):
            yield
        return
    original = getattr(LocalStorage, place)
    with patch.object(LocalStorage, place, broken), pytest.raises(Killed):
        yield


def _cases() -> list[Any]:
    """Every place of a publish that is called directly and finds a table with an index that can be read."""
    others = {FaultPoint.JOB_STARTED, FaultPoint.JOB_WORKED, FaultPoint.JOB_RECORDED, FaultPoint.TABLE_INDEX_DROPPED}
    found: list[Any] = []
    for fmt in ("parquet", "delta"):
        places = [point for point in points_of("publish", Variant(fmt, "window")) if point not in others]
        found += [pytest.param(fmt, place, id=f"{fmt}-{place}") for place in (*places, "_link", "_rename")]
    return found


@pytest.fixture
def lake(make_lake: Make) -> Any:
    """Days 1 and 3 in one file that day 2 cuts through, and day 2 in another; the run of day 2 is staged anew."""
    made = make_lake(COLUMNS, FullSlice())
    made.publish([(1, made.day(1)), (2, made.day(2)), (3, made.day(3))])
    made.slice = WindowSlice(column="at")
    made.stage([(20, made.day(2)), (21, made.day(2, 1))], made.run(2))
    made.stage_bad("gate", [{"id": 99}], made.run(2))
    return made


NEW = [1, 20, 21, 3]
OLD = [1, 2, 3]


@pytest.mark.parametrize(("table_format", "place"), _cases())
def test_the_next_try_of_the_run_finishes(lake: Any, place: FaultPoint | str) -> None:
    with killed_at(place):
        lake.publish(run=lake.run(2))
    result = lake.publish(run=lake.run(2))
    assert [row[0] for row in lake.rows()] == NEW
    assert (result.rows.written, result.rows_removed) == (2, 1)
    assert Path(lake.layout(lake.run(2)).quarantine, "gate.parquet").exists()
    assert not Path(lake.layout(lake.run(2)).staging).exists()
    assert lake.publish(run=lake.run(2)).already_done is True


@pytest.mark.integration
@pytest.mark.parametrize(("table_format", "place"), _cases())
def test_another_run_finds_the_table_before_or_after(lake: Any, place: FaultPoint | str) -> None:
    with killed_at(place):
        lake.publish(run=lake.run(2))
    lake.publish([(4, lake.day(4))], run=lake.run(4))
    assert [row[0] for row in lake.rows()] in ([*OLD, 4], [*NEW, 4])
    lake.publish(run=lake.run(2))
    assert [row[0] for row in lake.rows()] == [*NEW, 4]


@pytest.mark.integration
@pytest.mark.parametrize(("table_format", "place"), _cases())
def test_a_run_that_staged_anew_wins(lake: Any, place: FaultPoint | str) -> None:
    with killed_at(place):
        lake.publish(run=lake.run(2))
    result = lake.publish([(22, lake.day(2, 5))], run=lake.run(2))
    assert [row[0] for row in lake.rows()] == [1, 22, 3]
    assert result.already_done is False


@pytest.mark.parametrize("table_format", ["parquet", "delta"])
@pytest.mark.parametrize(
    "place", [FaultPoint.PUBLISH_MARKED, *(point for point in FaultPoint if point.name.startswith("FINISH"))]
)
def test_a_publish_of_no_rows_that_replaces_none_is_finished_too(lake: Any, place: FaultPoint) -> None:
    """There is nothing to commit: the log of a Delta table says nothing of it."""
    empty = lake.run(7)
    lake.stage([], empty)
    with killed_at(place):
        lake.publish(run=empty)
    assert lake.publish(run=empty).rows.written == 0
    assert [row[0] for row in lake.rows()] == OLD
    assert lake.publish(run=empty).already_done is True


@pytest.mark.parametrize("table_format", ["parquet", "delta"])
def test_the_record_of_a_try_that_came_to_nothing_goes_with_the_last_one(lake: Any) -> None:
    run = lake.run(2)
    for place in (FaultPoint.PUBLISH_NOTED, FaultPoint.FINISH_DONE):
        with killed_at(place):
            lake.publish(run=run)
    assert lake.publish(run=run).already_done is True
    assert not list(Path(lake.layout(run).record).glob("commit-*"))


@pytest.mark.parametrize("table_format", ["delta"])
def test_a_reader_of_delta_sees_the_old_table_until_the_commit(lake: Any) -> None:
    with killed_at(FaultPoint.PUBLISH_LEASE_CHECKED):
        lake.publish(run=lake.run(2))
    assert [row[0] for row in lake.rows()] == OLD


@pytest.mark.parametrize("table_format", ["delta"])
def test_readers_of_delta_never_see_a_part(make_lake: Make) -> None:
    lake = make_lake({"id": "bigint", "n": "bigint"}, FullSlice())
    lake.publish([(i, 0) for i in range(50)])
    stop, seen = threading.Event(), set()

    def read() -> None:
        while not stop.is_set():
            rows = DeltaTable(lake.target.path).to_pyarrow_table().to_pylist()
            seen.add((len(rows), len({row["n"] for row in rows})))

    reader = threading.Thread(target=read)
    reader.start()
    for n in range(1, 6):
        lake.publish([(i, n) for i in range(50)])
    stop.set()
    reader.join()
    assert seen == {(50, 1)}


def test_dates_in_parallel_do_not_touch_one_another(make_lake: Make) -> None:
    lake = make_lake(COLUMNS, WindowSlice(column="at"))
    for number in range(1, 7):
        lake.stage([(number, lake.day(number))], lake.run(number))
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda number: lake.publish(run=lake.run(number)), range(1, 7)))
    assert [row[0] for row in lake.rows()] == [1, 2, 3, 4, 5, 6]


def test_the_same_run_twice_at_once_is_published_once(make_lake: Make) -> None:
    lake = make_lake(COLUMNS, RunSlice())
    lake.stage([(1, lake.day(1))])
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda _: lake.publish(), range(3)))
    assert [row[0] for row in lake.rows()] == [1]
    assert sorted(result.already_done for result in results) == [False, True, True]


@pytest.mark.parametrize("table_format", ["delta"])
def test_a_writer_that_knows_no_lease_makes_us_decide_anew(lake: Any) -> None:
    import pyarrow as pa

    original = delta.commit

    def disturbed(*args: Any, **kwargs: Any) -> int:
        if DeltaTable(lake.target.path).version() == 0:
            row = pa.table({"id": [7], "at": pa.array([lake.day(2)], pa.timestamp("us"))})
            write_deltalake(lake.target.path, row, mode="append")
        return original(*args, **kwargs)

    with patch.object(delta, "commit", disturbed):
        result = lake.publish(run=lake.run(2))
    assert [row[0] for row in lake.rows()] == NEW
    assert (result.version, result.rows_removed) == (2, 2)


def test_whoever_lost_the_lease_commits_nothing(lake: Any) -> None:
    storage = LocalStorage()
    path = lake.layout().lease(table_digest(lake.target.path))
    module = publish_delta if lake.target.format == "delta" else publish_parquet
    original = module.plan

    def stalled(*args: Any, **kwargs: Any) -> Any:
        planned = original(*args, **kwargs)
        held = storage.read_bytes(path)
        assert held is not None
        # As if the process had slept until its lease ran out and another one took it.
        assert storage.replace_if(path, held, held.replace(b'"token":2', b'"token":3'))
        return planned

    with patch.object(module, "plan", stalled), pytest.raises(RunConflict):
        lake.publish(run=lake.run(2))
    assert [row[0] for row in lake.rows()] == OLD
    layout = lake.layout(lake.run(2))
    assert not [*Path(layout.record).glob("commit-*"), *Path(layout.staging).glob("rewritten/*")], "nobody looks for it"


def test_a_record_that_may_have_been_seen_in_force_stays(lake: Any) -> None:
    """The answer to the mark got lost, and whoever took the lease meanwhile finishes what the mark points to."""
    storage, run = LocalStorage(), lake.run(2)
    path = lake.layout().lease(table_digest(lake.target.path))

    def seen(lease: Lease, pending: str) -> None:
        lease._write(pending=pending)
        held = storage.read_bytes(path)
        assert held is not None
        assert storage.replace_if(path, held, held.replace(b'"token":2', b'"token":3'))
        raise lease._taken_over()

    with patch.object(Lease, "mark", seen), pytest.raises(RunConflict):
        lake.publish(run=run)
    assert [*Path(lake.layout(run).record).glob("commit-*2.json")]


@pytest.mark.parametrize("place", [FaultPoint.PUBLISH_CHECKED, FaultPoint.PUBLISH_BAD_ROWS_JOINED])
def test_whoever_lost_the_lease_leaves_bad_rows_alone(lake: Any, place: FaultPoint) -> None:
    run = lake.run(2)
    held, kept = (Path(lake.layout(run).lease(table_digest(lake.target.path))), Path(lake.layout(run).quarantine))

    def another_try_publishes(point: FaultPoint) -> None:
        if point == place:
            held.write_text(held.read_text().replace('"token":2', '"token":3'))
            kept.mkdir(parents=True, exist_ok=True)
            (kept / "refine.parquet").write_bytes(b"of the other try")

    with armed(another_try_publishes), pytest.raises(RunConflict):
        lake.publish(run=run)
    assert (kept / "refine.parquet").read_bytes() == b"of the other try"


def test_a_second_process_is_told_who_holds_the_table(lake: Any) -> None:
    storage = LocalStorage()
    path = lake.layout().lease(table_digest(lake.target.path))
    with (
        Lease(storage, path, table=lake.target.path, what="flights run of day 9"),
        patch.object(table_lease, "Lease", lambda *args, **kwargs: Lease(*args, **{**kwargs, "wait_seconds": 0.3})),
        pytest.raises(RunConflict, match="flights run of day 9") as caught,
    ):
        lake.publish(run=lake.run(2))
    assert caught.value.retryable is True
    lake.publish(run=lake.run(2))
    assert [row[0] for row in lake.rows()] == NEW


def test_a_killed_process_leaves_a_lease_that_is_taken_over(lake: Any) -> None:
    path = lake.layout().lease(table_digest(lake.target.path))
    code = f"""
import os, signal
from airflow_dataops.clients.lease import Lease
from airflow_dataops.clients.storage import LocalStorage
with Lease(LocalStorage(), {path!r}, table="t", what="dies"):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -9
    at_once = lambda *args, **kwargs: Lease(*args, **{**kwargs, "wait_seconds": 0})  # noqa: E731
    with patch.object(table_lease, "Lease", at_once):
        lake.publish(run=lake.run(2))
    assert [row[0] for row in lake.rows()] == NEW


def test_a_publish_to_another_table_is_not_done_already(lake: Any) -> None:
    lake.publish(run=lake.run(2))
    lake.target = lake.target.model_copy(update={"path": lake.target.path + "_other"})
    with pytest.raises(PublishError, match="nothing is staged for"):
        lake.publish(run=lake.run(2))
