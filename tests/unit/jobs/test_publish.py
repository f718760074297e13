# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from airflow_dataops.core.errors import PublishError, SpecError
from airflow_dataops.core.tables import FullSlice, JobResult, PartitionSlice, RunSlice, WindowSlice
from airflow_dataops.jobs.records import write_result

COLUMNS = {"id": "bigint", "note": "string"}
TIMED = {"id": "bigint", "at": "timestamp"}
PARTED = {"id": "bigint", "month": "string"}
Make = Callable[..., Any]


def files(lake: Any) -> list[str]:
    return sorted(str(p.relative_to(lake.target.path)) for p in Path(lake.target.path).rglob("*.parquet"))


def test_a_full_table_is_replaced(make_lake: Make) -> None:
    lake = make_lake(COLUMNS)
    first = lake.publish([(1, "a"), (2, "b")])
    second = lake.publish([(3, None)], run=lake.run(2))
    assert lake.rows() == [(3, None)]
    assert (first.files_added, first.files_removed, first.rows.written) == (1, 0, 2)
    assert (second.files_added, second.files_removed, second.rows_removed) == (1, 1, 2)
    assert second.already_done is False
    assert not Path(lake.layout().staging).exists()


def test_the_same_run_again_without_staging_is_done_already(make_lake: Make) -> None:
    lake = make_lake(COLUMNS)
    first = lake.publish([(1, "a")])
    again = lake.publish()
    assert lake.rows() == [(1, "a")]
    assert again.already_done is True
    assert (again.files_added, again.rows.written, again.version) == (first.files_added, 1, first.version)


def test_nothing_staged(make_lake: Make) -> None:
    lake = make_lake(COLUMNS)
    with pytest.raises(PublishError, match="staged nothing") as caught:
        lake.publish()
    assert caught.value.code == "NOTHING_STAGED"


@pytest.mark.parametrize("owned", [FullSlice(), RunSlice()])
def test_an_empty_result_leaves_a_table_that_can_be_read(make_lake: Make, owned: Any) -> None:
    lake = make_lake(COLUMNS, owned)
    lake.publish([])
    assert lake.rows() == []
    lake.publish([(1, "a")])
    assert lake.rows() == [(1, "a")]
    lake.publish([])
    assert lake.rows() == []


def test_an_empty_partitioned_table_can_be_read(make_lake: Make) -> None:
    lake = make_lake(PARTED, partition_by=["month"])
    lake.publish([])
    assert lake.rows() == []
    lake.publish([(1, "01")])
    assert lake.rows() == [(1, "01")]
    assert len(files(lake)) == 1


def test_partitions_of_the_run_are_replaced_others_stay(make_lake: Make) -> None:
    lake = make_lake(PARTED, PartitionSlice(values={"month": "01"}), partition_by=["month"])
    lake.publish([(1, "01")])
    lake.slice = PartitionSlice(values={"month": "02"})
    lake.publish([(2, "02")], run=lake.run(2))
    lake.slice = PartitionSlice(values={"month": "01"})
    result = lake.publish([(10, "01"), (11, "01")])
    assert lake.rows() == [(10, "01"), (11, "01"), (2, "02")]
    assert (result.files_removed, result.rows_removed) == (1, 1)


def test_a_number_of_a_partition_is_written_in_any_way(make_lake: Make) -> None:
    lake = make_lake(
        {"id": "bigint", "month": "integer"}, PartitionSlice(values={"month": "01"}), partition_by=["month"]
    )
    lake.publish([(1, 1)])
    lake.publish([(2, 1)])
    assert lake.rows() == [(2, 1)]


@pytest.mark.parametrize("value", ["a b", "ü/%=é", "1=2", "", "x'y"])
def test_odd_partition_values(make_lake: Make, value: str) -> None:
    if not value and "delta" in str(make_lake({}).target.format):
        pytest.skip("in Delta's log an empty partition value is a null")
    lake = make_lake(PARTED, PartitionSlice(values={"month": value}), partition_by=["month"])
    lake.publish([(1, value)])
    lake.publish([(2, value)])
    assert lake.rows() == [(2, value)]


def test_rows_outside_of_the_runs_partition_are_refused(make_lake: Make) -> None:
    lake = make_lake(PARTED, PartitionSlice(values={"month": "01"}), partition_by=["month"])
    with pytest.raises(PublishError) as caught:
        lake.publish([(1, "02")])
    assert caught.value.code == "ROWS_OUTSIDE_SLICE"
    assert files(lake) == []


def test_a_slice_by_a_column_that_is_no_partition(make_lake: Make) -> None:
    lake = make_lake(PARTED, PartitionSlice(values={"id": "1"}), partition_by=["month"])
    with pytest.raises(SpecError, match="partitioned by month"):
        lake.publish([(1, "01")])


def test_a_run_slice_replaces_the_files_of_its_own_key(make_lake: Make) -> None:
    lake = make_lake(COLUMNS, RunSlice())
    lake.publish([(1, "a")])
    lake.publish([(2, "b")], run=lake.run(2))
    lake.publish([(1, "again")])
    assert lake.rows() == [(1, "again"), (2, "b")]


@pytest.mark.parametrize("kind", ["timestamp", "timestamptz", "date", "string"])
def test_a_window_cuts_through_files(make_lake: Make, kind: str) -> None:
    lake = make_lake({"id": "bigint", "at": kind})
    lake.publish([(1, lake.day(1)), (2, lake.day(2)), (3, lake.day(3)), (4, None)])
    before = files(lake)
    lake.slice = WindowSlice(column="at")
    result = lake.publish([(20, lake.day(2))], run=lake.run(2))
    assert [row[0] for row in lake.rows()] == [1, 20, 3, 4]
    assert (result.files_added, result.files_removed, result.rows_removed, result.rows.written) == (2, 1, 1, 1)
    again = lake.publish([(21, lake.day(2)), (22, lake.day(2))], run=lake.run(2))
    assert [row[0] for row in lake.rows()] == [1, 21, 22, 3, 4]
    assert again.rows_removed == 1
    assert before


def test_a_window_within_partitions(make_lake: Make) -> None:
    columns = {"id": "bigint", "at": "timestamp", "month": "string"}
    lake = make_lake(columns, partition_by=["month"])
    lake.publish([(1, lake.day(1), "01"), (2, lake.day(2), "01"), (3, lake.day(2), "x y")])
    lake.slice = WindowSlice(column="at", size="day")
    lake.publish([(20, lake.day(2), "01")], run=lake.run(2))
    assert [(row[0], row[2]) for row in lake.rows()] == [(1, "01"), (20, "01")]


def test_a_window_column_that_is_the_partition(make_lake: Make) -> None:
    lake = make_lake({"id": "bigint", "on": "date"}, WindowSlice(column="on"), partition_by=["on"])
    for number in (1, 2, 1):
        lake.publish([(number, lake.day(number).date())], run=lake.run(number))
    assert [row[0] for row in lake.rows()] == [1, 2]


def test_days_do_not_touch_one_another(make_lake: Make) -> None:
    lake = make_lake(TIMED, WindowSlice(column="at", size="day"))
    for number in (3, 1, 2):
        lake.publish([(number, lake.day(number, 23))], run=lake.run(number))
    kept = set(files(lake))
    lake.publish([(20, lake.day(2))], run=lake.run(2))
    assert [row[0] for row in lake.rows()] == [1, 20, 3]
    assert len(kept & set(files(lake))) >= 2


@pytest.mark.parametrize("at", [None, "2024-01-02 00:00:00", "2023-12-31 23:59:59"])
def test_rows_outside_of_the_window_are_refused(make_lake: Make, at: str | None) -> None:
    lake = make_lake(TIMED, WindowSlice(column="at"))
    with pytest.raises(PublishError) as caught:
        lake.publish([(1, lake.day(1)), (2, at)])
    assert caught.value.code == "ROWS_OUTSIDE_SLICE"


def test_an_empty_window_takes_its_rows_away(make_lake: Make) -> None:
    lake = make_lake(TIMED, WindowSlice(column="at"))
    for number in (1, 2):
        lake.publish([(number, lake.day(number))], run=lake.run(number))
    result = lake.publish([], run=lake.run(1))
    assert [row[0] for row in lake.rows()] == [2]
    assert (result.rows.written, result.rows_removed) == (0, 1)


def test_a_merge_updates_equal_keys_and_adds_the_others(make_lake: Make) -> None:
    lake = make_lake(COLUMNS, mode="merge", keys=["id"])
    lake.publish([(1, "a"), (2, "b"), (None, "null")])
    lake.publish([(5, "far")], run=lake.run(2))
    untouched = [name for name in files(lake) if lake.run(2).key in name]
    result = lake.publish([(2, "B"), (3, "c"), (None, "NULL")], run=lake.run(3))
    assert lake.rows() == [(1, "a"), (2, "B"), (3, "c"), (5, "far"), (None, "NULL")]
    assert (result.rows.written, result.rows_removed, result.files_removed) == (3, 2, 1)
    assert set(untouched) <= set(files(lake))


def test_a_merge_is_the_same_when_it_is_done_again(make_lake: Make) -> None:
    lake = make_lake(COLUMNS, mode="merge", keys=["id"])
    lake.publish([(1, "a"), (2, "b")])
    lake.publish([(2, "B")], run=lake.run(2))
    lake.publish([(2, "B")], run=lake.run(2))
    assert lake.rows() == [(1, "a"), (2, "B")]


def test_a_merge_by_keys_that_hold_the_partition(make_lake: Make) -> None:
    lake = make_lake(PARTED, mode="merge", keys=["id", "month"], partition_by=["month"])
    lake.publish([(1, "01"), (2, "01"), (1, "02")])
    result = lake.publish([(1, "02"), (1, "3")], run=lake.run(2))
    assert lake.rows() == [(1, "01"), (1, "02"), (1, "3"), (2, "01")]
    assert result.rows_removed == 1


def test_a_key_twice_is_refused(make_lake: Make) -> None:
    lake = make_lake(COLUMNS, mode="merge", keys=["id"])
    with pytest.raises(PublishError, match="more than once") as caught:
        lake.publish([(1, "a"), (1, "b")])
    assert caught.value.code == "MERGE_KEYS_TWICE"


def test_a_key_that_is_no_column(make_lake: Make) -> None:
    lake = make_lake(COLUMNS, mode="merge", keys=["ident"])
    with pytest.raises(SpecError, match="ident"):
        lake.publish([(1, "a")])


@pytest.mark.parametrize("mode", ["replace", "merge"])
def test_a_new_column_is_null_in_older_rows(make_lake: Make, mode: str) -> None:
    keys = ["id"] if mode == "merge" else []
    lake = make_lake(COLUMNS, RunSlice(), mode=mode, keys=keys)
    lake.publish([(1, "a"), (2, "b")])
    lake.columns = {**COLUMNS, "extra": "double"}
    lake.publish([(2 if mode == "merge" else 3, "c", 1.5)], run=lake.run(2))
    expected = [(1, "a", None), (2, "c", 1.5)] if mode == "merge" else [(1, "a", None), (2, "b", None), (3, "c", 1.5)]
    assert lake.rows() == expected


def test_another_type_is_refused_and_the_table_stays(make_lake: Make) -> None:
    lake = make_lake(COLUMNS, RunSlice())
    lake.publish([(1, "a")])
    lake.columns = {"id": "string", "note": "string"}
    with pytest.raises(PublishError, match="'id' is bigint") as caught:
        lake.publish([("x", "a")], run=lake.run(2))
    assert caught.value.code == "SCHEMA_CONFLICT"
    lake.columns = COLUMNS
    assert lake.rows() == [(1, "a")]


def test_another_partitioning_is_refused(make_lake: Make) -> None:
    lake = make_lake(PARTED, RunSlice())
    lake.publish([(1, "01")])
    lake.target = lake.target.model_copy(update={"partition_by": ["month"]})
    with pytest.raises(PublishError) as caught:
        lake.publish([(1, "01")], run=lake.run(2))
    assert caught.value.code == "TABLE_PARTITIONING"


def test_another_format_is_refused(make_lake: Make) -> None:
    lake = make_lake(COLUMNS, RunSlice())
    lake.publish([(1, "a")])
    other = "delta" if lake.target.format == "parquet" else "parquet"
    lake.target = lake.target.model_copy(update={"format": other})
    with pytest.raises(PublishError) as caught:
        lake.publish([(1, "a")], run=lake.run(2))
    assert caught.value.code == "TABLE_FORMAT"


def test_a_table_that_others_made_is_taken_over(make_lake: Make) -> None:
    lake = make_lake(TIMED, WindowSlice(column="at"))
    path = Path(lake.target.path)
    table = pa.table({"id": [1, 2], "at": pa.array([lake.day(1), lake.day(2)], pa.timestamp("us"))})
    if lake.target.format == "delta":
        write_deltalake(path, table)
    else:
        path.mkdir(parents=True)
        pq.write_table(table, path / "part-0.parquet")
    lake.publish([(10, lake.day(1))], run=lake.run(1))
    assert [row[0] for row in lake.rows()] == [10, 2]


def test_a_changed_staged_file_is_refused(make_lake: Make) -> None:
    lake = make_lake(COLUMNS)
    manifest = lake.stage([(1, "a")])
    Path(lake.layout().staged_table, manifest.files[0].path).write_bytes(b"other")
    with pytest.raises(PublishError) as caught:
        lake.publish()
    assert caught.value.code == "STAGED_FILES_CHANGED"


@pytest.mark.parametrize("verdict", ["passed", "warned", "quarantined"])
def test_gates_that_let_through(make_lake: Make, verdict: str) -> None:
    lake = make_lake(COLUMNS)
    lake.gate("gate_bronze", verdict)
    lake.publish([(1, "a")], gates=["gate_bronze"])
    assert lake.rows() == [(1, "a")]


def test_a_failed_gate_publishes_nothing(make_lake: Make) -> None:
    lake = make_lake(COLUMNS)
    lake.gate("gate_bronze", "failed")
    with pytest.raises(PublishError, match="3 rows are bad") as caught:
        lake.publish([(1, "a")], gates=["gate_bronze"])
    assert caught.value.code == "GATE_NOT_PASSED"
    assert files(lake) == []


def test_a_gate_that_broke_publishes_nothing(make_lake: Make) -> None:
    lake = make_lake(COLUMNS)
    broken = JobResult(job="dq_gate", task="gate", run=lake.run(), status="failed", error={"message": "no source"})
    write_result(lake.layout(), broken)
    with pytest.raises(PublishError, match="no source"):
        lake.publish([(1, "a")], gates=["gate"])


def test_the_gate_of_another_run_does_not_count(make_lake: Make) -> None:
    lake = make_lake(COLUMNS)
    lake.gate("gate_bronze", "passed", run=lake.run(2))
    with pytest.raises(PublishError) as caught:
        lake.publish([(1, "a")], gates=["gate_bronze"])
    assert caught.value.code == "GATE_MISSING"


def test_bad_rows_replace_those_of_an_earlier_try(make_lake: Make) -> None:
    lake = make_lake(COLUMNS)
    lake.stage_bad("gate", [{"id": 1}])
    lake.stage_bad("refine", [{"id": 2}])
    first = lake.publish([(1, "a")])
    assert first.quarantine_uri == lake.layout().quarantine
    assert sorted(p.name for p in Path(first.quarantine_uri).iterdir()) == ["gate.parquet", "refine.parquet"]
    lake.stage_bad("gate", [{"id": 3}])
    lake.publish([(1, "a")])
    assert [p.name for p in Path(first.quarantine_uri).iterdir()] == ["gate.parquet"]
    assert pq.read_table(f"{first.quarantine_uri}/gate.parquet", partitioning=None).to_pylist() == [{"id": 3}]
    again = lake.publish([(1, "a")])
    assert again.quarantine_uri is None
    assert not Path(first.quarantine_uri).exists()


def test_the_record_of_a_newer_try_is_not_cleaned_away(make_lake: Make) -> None:
    lake = make_lake(COLUMNS)
    older, newer = (Path(lake.layout().pending_commit(token)) for token in (0, 999))
    for path in (older, newer):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    lake.publish([(1, "a")])
    assert newer.exists()
    assert not older.exists()


def test_bad_rows_stay_when_a_finished_run_is_published_again(make_lake: Make) -> None:
    lake = make_lake(COLUMNS)
    lake.stage_bad("gate", [{"id": 1}])
    lake.publish([(1, "a")])
    assert lake.publish().quarantine_uri == lake.layout().quarantine
    assert Path(lake.layout().quarantine, "gate.parquet").exists()


def test_the_log_holds_the_bounds_of_the_window(tmp_path: Path, make_lake: Make) -> None:
    lake = make_lake(TIMED, WindowSlice(column="at"))
    if lake.target.format != "delta":
        pytest.skip("a parquet table has no log")
    lake.publish([(1, "2024-01-01 10:00:00.000001"), (2, "2024-01-01 12:00:00.999001")])
    action = pa.table(DeltaTable(lake.target.path).get_add_actions(flatten=True)).to_pylist()[0]
    assert (action["num_records"], action["null_count.at"]) == (2, 0)
    assert action["min.at"] == lake.day(1, 10)
    assert action["max.at"] == lake.day(1, 12) + timedelta(seconds=1)


def test_a_time_has_no_place_in_delta(make_lake: Make) -> None:
    lake = make_lake({"id": "bigint", "at": "time"}, RunSlice())
    if lake.target.format != "delta":
        pytest.skip("Parquet knows it")
    with pytest.raises(PublishError) as caught:
        lake.publish([(1, "10:00:00")])
    assert caught.value.code == "DELTA_TYPE"
