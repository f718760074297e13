# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.refine import maintain
from airflow_dataops.core.refine.maintain import MaintainedTable
from airflow_dataops.core.refine.publish import Moments, TableFile
from airflow_dataops.core.tables import RunSlice, TargetSpec

TABLE = MaintainedTable(target=TargetSpec(path="/t"))
SIZES = st.lists(st.tuples(st.integers(1, 200), st.sampled_from(["", "m=1/", "m=2/"])), max_size=30)


@given(SIZES)
def test_groups_hold_small_files_of_one_partition_up_to_the_size(sizes: list[tuple[int, str]]) -> None:
    files = [TableFile(path=f"{folder}{n}.parquet", rows=1, bytes=size) for n, (size, folder) in enumerate(sizes)]
    made = maintain.groups(files, TABLE, small=100, target=150)
    seen = [file.path for group in made for file in group]
    assert len(seen) == len(set(seen))
    for group in made:
        assert len(group) > 1
        assert sum(file.bytes for file in group) <= 150
        assert len({file.path.rpartition("/")[0] for file in group}) == 1
        assert all(file.bytes < 100 for file in group)


def test_runs_that_own_their_files_stay_apart() -> None:
    table = TABLE.model_copy(update={"slice": RunSlice()})
    names = ["a-0000000000-000001-00000", "a-0000000000-000001-00001", "b-0000000000-000002-00000", "foreign"]
    files = [TableFile(path=f"{name}.parquet", rows=1, bytes=1) for name in names]
    [group] = maintain.groups(files, table, small=100, target=100)
    assert [file.path[0] for file in group] == ["a", "a"]
    assert maintain.compacted_path(group, table, 4, 9) == "a-0000000000-000009-00004.parquet"


def test_moments_of_several_files() -> None:
    early, late = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC)
    joined = maintain.together(
        [Moments(low=early, high=early), Moments(low=late, high=late, unknown=2), Moments(unknown=1)]
    )
    assert joined == Moments(low=early, high=late, unknown=3)
    assert maintain.together([Moments(low=early, high=early), None]) is None
