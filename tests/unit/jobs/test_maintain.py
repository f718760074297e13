# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from pydantic import ValidationError

from airflow_dataops.clients.lease import Lease
from airflow_dataops.clients.storage import LocalStorage
from airflow_dataops.core.refine.maintain import MaintainedTable, MaintainSpec
from airflow_dataops.core.refine.publish import table_digest
from airflow_dataops.core.run import RunContext
from airflow_dataops.core.tables import FullSlice, RunSlice, WindowSlice
from airflow_dataops.jobs import compact, maintain, table_lease

COLUMNS = {"id": "bigint", "at": "timestamp"}
NOW = datetime.now(UTC)
Make = Callable[..., Any]


def upkeep(lake: Any, **more: Any) -> Any:
    fields = {
        "task": "maintain",
        "lake": str(lake.root),
        "run": RunContext(pipeline="maintain", key="today"),
        "now": NOW,
        "tables": [MaintainedTable(target=lake.target, slice=lake.slice)],
        "pipelines": ["flights"],
        **more,
    }
    return maintain.run(MaintainSpec.model_validate(fields))


def files(lake: Any) -> list[Path]:
    if lake.target.format == "delta":
        return [Path(uri.removeprefix("file://")) for uri in DeltaTable(lake.target.path).file_uris()]
    return sorted(Path(lake.target.path).rglob("*.parquet"))


@pytest.fixture
def lake(make_lake: Make) -> Any:
    made = make_lake(COLUMNS, WindowSlice(column="at"))
    for number in (1, 2, 3):
        made.publish([(number, made.day(number))], run=made.run(number))
    return made


def test_small_files_become_one_and_the_rows_stay(lake: Any) -> None:
    before = lake.rows()
    result = upkeep(lake)
    assert (result.compacted, result.compacted_into) == (3, 1)
    assert len(files(lake)) == 1
    assert lake.rows() == before
    assert upkeep(lake).compacted == 0


def test_a_date_can_be_run_again_after_compaction(lake: Any) -> None:
    upkeep(lake)
    lake.publish([(20, lake.day(2))], run=lake.run(2))
    assert [row[0] for row in lake.rows()] == [1, 20, 3]


def test_files_that_runs_own_stay_apart(make_lake: Make) -> None:
    lake = make_lake(COLUMNS, RunSlice())
    for number in (1, 2):
        lake.publish([(number, lake.day(number))], run=lake.run(number))
    assert upkeep(lake).compacted == 0
    lake.publish([(10, lake.day(1))], run=lake.run(1))
    assert [row[0] for row in lake.rows()] == [10, 2]


def test_partitions_stay_apart_and_columns_may_be_missing(make_lake: Make) -> None:
    lake = make_lake({"id": "bigint", "month": "string"}, RunSlice(), partition_by=["month"])
    lake.publish([(1, "01"), (2, "x y")])
    lake.columns = {"id": "bigint", "month": "string", "new": "double"}
    lake.publish([(3, "01", 1.5), (4, "x y", None)], run=lake.run(2))
    lake.slice = FullSlice()
    result = upkeep(lake)
    assert (result.compacted, result.compacted_into) == (4, 2)
    assert lake.rows() == [(1, "01", None), (2, "x y", None), (3, "01", 1.5), (4, "x y", None)]


def test_a_dry_run_changes_nothing(lake: Any) -> None:
    before = files(lake)
    result = upkeep(lake, dry_run=True)
    assert result.compacted == 3
    assert result.actions[0].startswith("would put 3 files")
    assert files(lake) == before


def test_files_of_the_size_that_is_wanted_are_left_alone(lake: Any) -> None:
    assert upkeep(lake, small_file_bytes=1).compacted == 0


def test_a_crash_while_compacting_is_finished_by_the_next(lake: Any) -> None:
    before = lake.rows()

    class Killed(BaseException):
        pass

    def die(*_: Any) -> None:
        raise Killed

    with patch.object(compact, "_commit", die), pytest.raises(Killed):
        upkeep(lake)
    assert lake.rows() == before
    lake.publish([(20, lake.day(2))], run=lake.run(2))
    assert [row[0] for row in lake.rows()] == [1, 20, 3]


def test_a_table_that_is_being_changed_is_left_for_the_next_time(lake: Any) -> None:
    path = lake.layout().lease(table_digest(lake.target.path))
    quick = lambda *args, **kwargs: Lease(*args, **{**kwargs, "wait_seconds": 0.1})  # noqa: E731
    with Lease(LocalStorage(), path, table="t", what="somebody"), patch.object(table_lease, "Lease", quick):
        result = upkeep(lake)
    assert "leave" in result.actions[0]
    assert len(files(lake)) == 3


def test_vacuum_keeps_a_week(lake: Any) -> None:
    if lake.target.format != "delta":
        pytest.skip("a parquet table keeps no old files")
    upkeep(lake)
    old = [path for path in Path(lake.target.path).rglob("*.parquet") if path not in files(lake)]
    assert len(old) == 3
    assert upkeep(lake).vacuumed == 0
    assert all(path.exists() for path in old)


def test_vacuum_under_a_week_is_refused(lake: Any) -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 7"):
        upkeep(lake, vacuum_days=6)


def test_half_files_of_a_killed_process_go_after_a_week(lake: Any) -> None:
    if lake.target.format != "parquet":
        pytest.skip("vacuum is delta-rs' own")
    young, old = (Path(lake.target.path, f".tmp-{name}") for name in ("young", "old"))
    for path in (young, old):
        path.write_bytes(b"half")
    _age(old, 8)
    assert upkeep(lake).vacuumed == 1
    assert (young.exists(), old.exists()) == (True, False)


def test_staging_is_dead_after_some_days(lake: Any) -> None:
    for number in (4, 5):
        lake.stage([(number, lake.day(number))], lake.run(number))
    dead = Path(lake.layout(lake.run(4)).staging)
    for path in dead.rglob("*"):
        _age(path, 8)
    result = upkeep(lake)
    assert result.staging == [str(dead)]
    assert not dead.exists()
    assert Path(lake.layout(lake.run(5)).staging).exists()


def test_staging_of_a_live_publish_is_not_dead(lake: Any) -> None:
    lake.stage([(4, lake.day(4))], lake.run(4))
    layout = lake.layout(lake.run(4))
    for path in Path(layout.staging).rglob("*"):
        _age(path, 8)
    with Lease(LocalStorage(), layout.lease("any"), table="t", what=f"flights run {lake.run(4).key}"):
        assert upkeep(lake).staging == []
    with Lease(LocalStorage(), layout.lease("any"), table="t", what="x") as lease:
        lease.mark(layout.pending_commit(7))
    assert upkeep(lake).staging == []


def test_bad_rows_go_after_their_retention(lake: Any) -> None:
    for number, age in ((1, 40), (2, 20)):
        folder = Path(lake.layout(lake.run(number)).quarantine)
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"id": [1], "_dataops_time": [NOW - timedelta(days=age)]}), folder / "gate.parquet")
    assert upkeep(lake).quarantine == []
    result = upkeep(lake, retention_days={"flights": 30})
    assert result.quarantine == [lake.layout(lake.run(1)).quarantine]
    assert Path(lake.layout(lake.run(2)).quarantine).exists()
    assert not Path(lake.layout(lake.run(1)).quarantine).exists()


def _age(path: Path, days: int) -> None:
    moment = (NOW - timedelta(days=days)).timestamp()
    os.utime(path, (moment, moment))
