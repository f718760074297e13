# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.errors import PublishError
from airflow_dataops.core.refine import publish
from airflow_dataops.core.refine.publish import Moments, Place, TableFile
from airflow_dataops.core.run import RunContext
from airflow_dataops.core.tables import FullSlice, PartitionSlice, RunSlice, Slice, TargetSpec, WindowSlice

START = datetime(2024, 1, 1, tzinfo=UTC)
RUN = RunContext(
    pipeline="flights", key="2024-01-01T000000", interval_start=START, interval_end=START + timedelta(days=1)
)
TARGET = TargetSpec(path="/t", partition_by=["month"])
WINDOW = WindowSlice(column="at")


def file(
    path: str = "a.parquet", low: float | None = None, high: float | None = None, unknown: int = 0, **more: Any
) -> TableFile:
    """A file whose window column goes from hour ``low`` to hour ``high``."""
    ends = [None if hour is None else START + timedelta(hours=hour) for hour in (low, high)]
    return TableFile(
        path=path, **{"rows": 5, "bytes": 9, "moments": Moments(low=ends[0], high=ends[1], unknown=unknown), **more}
    )


def decide(owned: Slice, *files: TableFile, **columns: str) -> tuple[list[str], list[str]]:
    plan = publish.plan_replace(owned, RUN, files, columns, TARGET)
    return plan.remove, plan.cut


@pytest.mark.parametrize(
    ("low", "high", "unknown", "fate"),
    [
        (0, 23.999, 0, "remove"),
        (5, 5, 0, "remove"),
        (-1, 5, 0, "cut"),
        (5, 24, 0, "cut"),
        (-5, 30, 0, "cut"),
        (0, 10, 1, "cut"),
        (-5, -0.001, 0, "stay"),
        (24, 30, 0, "stay"),
        (None, None, 5, "stay"),
    ],
)
def test_a_window_takes_cuts_or_leaves_a_file(low: float | None, high: float | None, unknown: int, fate: str) -> None:
    remove, cut = decide(WINDOW, file(low=low, high=high, unknown=unknown))
    assert (remove, cut) == ((["a.parquet"], []) if fate == "remove" else ([], ["a.parquet"] if fate == "cut" else []))


@given(st.lists(st.tuples(st.integers(-48, 48), st.integers(0, 48)), max_size=20))
def test_every_file_of_a_window_has_one_fate(spans: list[tuple[int, int]]) -> None:
    files = [file(f"{n}.parquet", low, low + length) for n, (low, length) in enumerate(spans)]
    remove, cut = decide(WINDOW, *files)
    assert not set(remove) & set(cut)
    for one, (low, length) in zip(files, spans, strict=True):
        touches = low < 24 and low + length >= 0
        assert (one.path in remove or one.path in cut) == touches
        assert (one.path in remove) == (low >= 0 and low + length < 24)


def test_a_file_without_rows_leaves_with_any_publish() -> None:
    empty = file(rows=0)
    for owned in (FullSlice(), WINDOW, RunSlice(), PartitionSlice(values={"month": "1"})):
        assert decide(owned, empty)[0] == ["a.parquet"]


@pytest.mark.parametrize(
    ("stands", "wanted", "kind", "same"),
    [
        ("1", "01", "integer", True),
        ("1", "01", "string", False),
        ("-1", "-01", "bigint", True),
        ("1", "2", "integer", False),
        (None, publish.NULL_PARTITION, "integer", True),
        (None, "1", "integer", False),
        ("x", "x", "integer", True),
    ],
)
def test_partition_values_are_compared_as_what_they_are(stands: str | None, wanted: str, kind: str, same: bool) -> None:
    found = decide(PartitionSlice(values={"month": wanted}), file(partition={"month": stands}), month=kind)[0]
    assert bool(found) is same


def test_a_run_owns_its_own_files_only() -> None:
    other = RUN.model_copy(update={"key": RUN.key + "0"})
    mine = publish.target_path("month=1/x.parquet", RUN, 3, 7)
    theirs = publish.target_path("x.parquet", other, 3, 7)
    assert decide(RunSlice(), file(mine), file(theirs))[0] == [mine]
    assert mine.startswith("month=1/2024-01-01T000000-")
    assert mine.endswith("-000007-00003.parquet")


def test_files_made_of_one_source_belong_to_whatever_run_reads_it() -> None:
    month, next_month = RunSlice(source="orders-2024-01.csv"), RunSlice(source="orders-2024-02.csv")
    other = RUN.model_copy(update={"key": RUN.key + "0"})
    by_other = publish.target_path("x.parquet", other, 0, 1, month)
    later = publish.target_path("x.parquet", RUN, 0, 2, next_month)
    by_key = publish.target_path("x.parquet", RUN, 0, 3, RunSlice())
    elsewhere = publish.target_path("x.parquet", RUN.model_copy(update={"pipeline": "other"}), 0, 4, month)
    kept = publish.kept_path(by_other, 0, 5)
    assert decide(month, *map(file, (by_other, later, by_key, elsewhere, kept)))[0] == [by_other]


@given(st.text(min_size=1, max_size=200), st.text(min_size=1, max_size=20))
def test_stems_of_two_runs_never_begin_alike(key: str, pipeline: str) -> None:
    one = publish.file_stem(RunContext(pipeline=pipeline, key=key)) + "-"
    two = publish.file_stem(RunContext(pipeline=pipeline, key=key + "1")) + "-"
    assert not one.startswith(two)
    assert not two.startswith(one)


@pytest.mark.parametrize(("low", "high", "unknown"), [(-1, 5, 0), (5, 24, 0), (1, 2, 1), (None, None, 5)])
def test_staged_rows_outside_of_the_window_are_refused(low: float | None, high: float | None, unknown: int) -> None:
    with pytest.raises(PublishError) as caught:
        publish.check_staged(WINDOW, RUN, [file(low=low, high=high, unknown=unknown)], {"at": "timestamp"}, TARGET)
    assert caught.value.code == "ROWS_OUTSIDE_SLICE"


def test_a_merge_may_write_anywhere() -> None:
    target = TARGET.model_copy(update={"mode": "merge", "keys": ["id"]})
    publish.check_staged(WINDOW, RUN, [file(low=-9, high=99)], {"id": "bigint"}, target)


@pytest.mark.parametrize(
    ("places", "way"),
    [
        ({}, "forward"),
        ({"a": "table", "b": "staged"}, "forward"),
        ({"a": "table", "b": "table"}, "forward"),
        ({"a": "table", "b": "missing"}, "back"),
    ],
)
def test_a_commit_that_was_cut_short_goes_on_or_back(places: dict[str, Place], way: str) -> None:
    assert publish.direction(places) == way


def test_a_column_that_changed_its_type() -> None:
    publish.check_schema({"a": "bigint"}, {"a": "bigint", "new": "date"}, "/t")
    with pytest.raises(PublishError, match="'a' is bigint in table /t, but string") as caught:
        publish.check_schema({"a": "bigint"}, {"a": "string"}, "/t")
    assert "clean" in (caught.value.hint or "")


def test_the_digest_of_a_table_does_not_depend_on_a_slash() -> None:
    assert publish.table_digest("/a/b/") == publish.table_digest("/a/b")
    assert publish.table_digest("/a/b") != publish.table_digest("/a/c")
