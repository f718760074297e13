# SPDX-License-Identifier: Apache-2.0
"""What a publish looks at where the table has earlier dates: its own files, not theirs. Calls are counted, not seconds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from airflow_dataops.clients import parquet_table
from airflow_dataops.clients.storage import LocalStorage
from airflow_dataops.core.refine.publish import table_digest
from airflow_dataops.core.tables import PartitionSlice, RunSlice, WindowSlice
from airflow_dataops.engines.duckdb import DuckDBEngine
from airflow_dataops.jobs import publish_plan
from airflow_dataops.jobs.table_files import read_index

TIMED = {"id": "bigint", "at": "timestamp"}
PARTED = {"id": "bigint", "month": "integer"}
Make = Callable[..., Any]


def looked_at(lake: Any, rows: Any, number: int) -> int:
    """Publish a date; returns how many files of the table it measured."""
    with patch.object(publish_plan, "measured", wraps=publish_plan.measured) as spy:
        lake.publish(rows, run=lake.run(number))
    return sum(len(call.args[2]) for call in spy.call_args_list if call.args[1] == lake.target.path)


@pytest.fixture
def days(make_lake: Make) -> Any:
    """A table by window with a file for each of nine days."""
    lake = make_lake(TIMED, WindowSlice(column="at", size="day"))
    for number in range(1, 10):
        lake.publish([(number, lake.day(number, 1))], run=lake.run(number))
    return lake


def test_a_new_date_looks_at_no_earlier_file(days: Any) -> None:
    assert looked_at(days, [(10, days.day(10))], 10) == 0
    assert len(days.rows()) == 10


def test_a_rerun_looks_at_its_own_file(days: Any) -> None:
    assert looked_at(days, [(50, days.day(5))], 5) == 1
    assert sorted(row[0] for row in days.rows()) == [1, 2, 3, 4, 6, 7, 8, 9, 50]


def test_no_engine_starts_where_nothing_has_to_be_read(days: Any) -> None:
    days.stage([(10, days.day(10))], days.run(10))
    with patch.object(DuckDBEngine, "__init__", side_effect=AssertionError("an engine was started")):
        days.publish(run=days.run(10))
    assert len(days.rows()) == 10


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"schema_version": 1, "format": "delta"}', b"\xff"])
def test_an_index_that_cannot_be_read_costs_only_a_look(days: Any, content: bytes) -> None:
    Path(days.layout().table_index(table_digest(days.target.path))).write_bytes(content)
    assert looked_at(days, [(50, days.day(5))], 5) == 9
    assert looked_at(days, [(60, days.day(6))], 6) == 1
    assert len(days.rows()) == 9


@pytest.mark.parametrize(
    "fact", [None, [], ["v"], ["v", "1", {}], [1, 1, {}], ["v", 1, {"at": [0, 0]}], ["v", 1, {"at": ["a", 0, 0]}]]
)
def test_an_index_with_another_shape_is_dropped(days: Any, fact: Any) -> None:
    path = Path(days.layout().table_index(table_digest(days.target.path)))
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "files": {**document["files"], "x.parquet": fact}}))
    assert read_index(LocalStorage(), str(path)) is None
    assert not path.exists()


@pytest.mark.parametrize("table_format", ["parquet"])
def test_a_file_that_was_written_anew_is_measured_again(days: Any) -> None:
    changed = min(Path(days.target.path).glob("*.parquet"))
    changed.write_bytes(sorted(Path(days.target.path).glob("*.parquet"))[4].read_bytes())
    assert looked_at(days, [(50, days.day(5))], 5) == 2
    assert sorted(row[0] for row in days.rows()) == [2, 3, 4, 6, 7, 8, 9, 50]


def test_a_run_looks_at_its_own_files(make_lake: Make) -> None:
    lake = make_lake(TIMED, RunSlice())
    for number in range(1, 6):
        lake.publish([(number, lake.day(1))], run=lake.run(number))
    assert looked_at(lake, [(30, lake.day(1))], 3) == 1
    assert sorted(row[0] for row in lake.rows()) == [1, 2, 4, 5, 30]


@pytest.fixture
def months(make_lake: Make) -> Any:
    """A table by month with three of them; month 1 as others spell it."""
    lake = make_lake(PARTED, partition_by=["month"])
    for number in (1, 2, 3):
        lake.slice = PartitionSlice(values={"month": str(number)})
        lake.publish([(number, number)], run=lake.run(number))
    return lake


@pytest.mark.parametrize("table_format", ["parquet"])
def test_only_the_partition_that_the_run_owns_is_listed(months: Any) -> None:
    months.slice = PartitionSlice(values={"month": "02"})
    with patch.object(LocalStorage, "names", autospec=True, side_effect=LocalStorage.names) as spy:
        assert looked_at(months, [(20, 2)], 2) == 1
    listed = {str(call.args[1]).removeprefix(months.target.path) for call in spy.call_args_list}
    assert "/month=2" in listed
    assert not {"/month=1", "/month=3"} & listed
    assert sorted(months.rows()) == [(1, 1), (3, 3), (20, 2)]


def test_what_was_known_of_other_partitions_stays_known(months: Any) -> None:
    months.slice = PartitionSlice(values={"month": "2"})
    months.publish([(20, 2)], run=months.run(2))
    index = read_index(LocalStorage(), months.layout().table_index(table_digest(months.target.path)))
    assert index is not None
    assert len(index.files) == 3


def test_the_last_rows_of_a_table_leave_a_file_with_its_columns(months: Any) -> None:
    for number in (1, 2, 3):
        months.slice = PartitionSlice(values={"month": str(number)})
        months.publish([], run=months.run(number))
        assert len(months.rows()) == 3 - number
    months.publish([(7, 3)], run=months.run(3))
    assert months.rows() == [(7, 3)]


def test_any_file_is_one_that_readers_see(tmp_path: Path) -> None:
    assert parquet_table.any_file(LocalStorage(), f"{tmp_path}/t") is None
    for name in ("_delta_log/x.parquet", "day=1/.hidden.parquet", "day=1/notes.txt", ".tmp/x.parquet"):
        (tmp_path / "t" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "t" / name).write_text("")
    assert parquet_table.any_file(LocalStorage(), f"{tmp_path}/t") is None
    (tmp_path / "t/_day=2").mkdir()
    (tmp_path / "t/_day=2/a.parquet").write_text("")
    assert parquet_table.any_file(LocalStorage(), f"{tmp_path}/t") == "_day=2/a.parquet"
