# SPDX-License-Identifier: Apache-2.0
"""One table has one lease and ever new names for its files, whatever its folder is called and wherever the lake has moved."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.clients.storage import LocalStorage
from airflow_dataops.core import faults
from airflow_dataops.core.faults import FaultPoint
from airflow_dataops.core.tables import FullSlice, RunSlice, WindowSlice
from airflow_dataops.jobs.table_lease import table_name

Make = Callable[..., Any]
COLUMNS = {"id": "bigint"}


class Killed(BaseException):
    """What a process would not survive."""


@pytest.fixture
def lake(make_lake: Make) -> Any:
    made = make_lake(COLUMNS, RunSlice())
    made.publish([(1,)])
    return made


def named(lake: Any, path: str) -> Any:
    return replace(lake, target=lake.target.model_copy(update={"path": path}))


@pytest.mark.parametrize("other", ["{table}/", "{above}/../silver/flights", "{above}//flights", "{root}/link"])
def test_every_name_of_a_folder_is_the_same_table(lake: Any, other: str) -> None:
    table = Path(lake.target.path)
    (lake.root / "link").symlink_to(table)
    path = other.format(table=table, above=table.parent, root=lake.root)
    again = named(lake, path)
    again.publish([(2,)])
    assert lake.rows() == [(2,)]
    assert len(list((lake.root / ".dataops/leases").glob("*.json"))) == 1
    assert len(list((lake.root / ".dataops/tables").glob("*.json"))) == 1


def test_a_table_that_is_not_there_yet_has_its_name_already(lake: Any) -> None:
    storage = LocalStorage()
    assert table_name(storage, f"{lake.root}/new/") == table_name(storage, f"{lake.root}/x/../new")


def test_a_lake_that_was_moved_loses_nothing(lake: Any, tmp_path: Path) -> None:
    """The lease is new then; had its token begun anew, the run's new file would have the name of its old one, and leave with it."""
    shutil.move(lake.root, tmp_path / "moved")
    moved = replace(named(lake, f"{tmp_path}/moved/silver/flights"), root=tmp_path / "moved")
    result = moved.publish([(2,), (3,)])
    assert (moved.rows(), result.files_removed) == ([(2,), (3,)], 1)
    moved.publish([(4,)])
    assert moved.rows() == [(4,)]


def test_leases_that_were_deleted_lose_nothing(lake: Any) -> None:
    lake.publish([(5,)])
    shutil.rmtree(lake.root / ".dataops")
    lake.publish([(6,)])
    assert lake.rows() == [(6,)]


@pytest.mark.parametrize(
    "point", [FaultPoint.PUBLISH_MARKED, FaultPoint.TABLE_JOINED, FaultPoint.PUBLISH_LEASE_CHECKED]
)
def test_another_date_can_publish_after_the_first_publish_of_all_was_cut_short(
    make_lake: Make, point: FaultPoint
) -> None:
    lake = make_lake(COLUMNS, RunSlice())

    def die(now: FaultPoint) -> None:
        if now == point:
            raise Killed

    if lake.target.format == "parquet" and point == FaultPoint.PUBLISH_LEASE_CHECKED:
        pytest.skip("a parquet publish has no such point")
    with faults.armed(die), pytest.raises(Killed):
        lake.publish([(1,)])
    lake.publish([(2,)], lake.run(2))
    assert (2,) in lake.rows()
    lake.publish([(1,)])
    assert lake.rows() == [(1,), (2,)]


def test_rows_of_others_in_a_file_that_a_run_wrote_anew_are_not_its_own(make_lake: Make) -> None:
    """After a change from a window to runs that own what they wrote, a rerun takes its own rows away and no others."""
    lake = make_lake({"id": "bigint", "at": "timestamp"}, FullSlice())
    lake.publish([(1, lake.day(1)), (2, lake.day(2))])
    lake.slice = WindowSlice(column="at")
    lake.publish([(20, lake.day(2))], lake.run(2))
    lake.slice = RunSlice()
    lake.publish([(21, lake.day(2))], lake.run(2))
    assert [row[0] for row in lake.rows()] == [1, 21]
