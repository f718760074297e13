# SPDX-License-Identifier: Apache-2.0
"""Which row of a key stays; the property test of the job covers the mixtures."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.refine.dedup import check_dedup, losers_query, ranked_query, repeated_query, within_seconds
from airflow_dataops.core.refine.spec import DedupSpec
from airflow_dataops.core.sql.dialects import render

COLUMNS = {"k": "bigint", "v": "bigint", "t": "timestamp", "m": "map<string, integer>"}


def losers(rows: list[tuple[Any, Any, Any]], dedup: DedupSpec) -> list[int]:
    """Return the places of the rows that go, after a look that the ranks of all rows say the same."""
    with duckdb.connect() as connection:
        connection.execute(
            "create table dataops_good (k bigint, v bigint, t timestamp, m map(varchar, integer), "
            "_dataops_source_file varchar, _dataops_source_row bigint)"
        )
        for place, (k, v, minute) in enumerate(rows):
            moment = None if minute is None else f"2013-01-01 00:{minute:02}:00"
            connection.execute("insert into dataops_good values (?, ?, ?, map {'a': 1}, 'f', ?)", [k, v, moment, place])
        connection.execute(f"create table dataops_repeated as {render(repeated_query(dedup), 'duckdb')}")
        found = connection.execute(render(losers_query(dedup, COLUMNS), "duckdb")).fetchall()
        ranked = render(ranked_query(dedup, COLUMNS), "duckdb")
        behind = connection.execute(f"select k, v, t from ({ranked}) where _dataops_rank > 1").fetchall()
        gone = connection.execute(
            "select k, v, t from dataops_good where list_contains(?::bigint[], _dataops_source_row)",
            [[row[1] for row in found]],
        ).fetchall()
    assert sorted(behind, key=repr) == sorted(gone, key=repr)
    return sorted(row[1] for row in found)


@pytest.mark.parametrize(
    ("keep", "order_by", "gone"),
    [("last", ["v"], [0, 2]), ("first", ["v"], [1, 2]), ("last", ["-v"], [1, 2]), ("first", ["-v"], [0, 2])],
)
def test_the_order_decides_and_a_null_never_wins(keep: Any, order_by: list[str], gone: list[int]) -> None:
    assert (
        losers([(1, 1, 0), (1, 2, 0), (1, None, 0), (2, None, 0)], DedupSpec(keys=["k"], keep=keep, order_by=order_by))
        == gone
    )


def test_null_keys_are_equal() -> None:
    assert losers([(None, 1, 0), (None, 2, 0)], DedupSpec(keys=["k"], keep="last", order_by=["v"])) == [0]


def test_equal_rows_leave_exactly_one() -> None:
    assert len(losers([(1, 1, 0)] * 4, DedupSpec(keys=["k"]))) == 3


def test_within_a_watermark_only_near_events_are_duplicates() -> None:
    dedup = DedupSpec(keys=["k"], keep="first", within="10 minutes", event_time="t")
    # 0 and 9 are near, 19 is ten after 9: a group of its own, as is 40.
    assert losers([(1, 0, 0), (1, 0, 9), (1, 0, 19), (1, 0, 40)], dedup) == [1]


def test_near_events_make_a_chain() -> None:
    dedup = DedupSpec(keys=["k"], keep="last", within="10m", event_time="t")
    assert losers([(1, 0, 0), (1, 0, 9), (1, 0, 18), (1, 0, 27)], dedup) == [0, 1, 2]


def test_an_event_without_time_is_nobodys_duplicate() -> None:
    dedup = DedupSpec(keys=["k"], within="10m", event_time="t")
    assert losers([(1, 0, None), (1, 0, None), (1, 0, 0)], dedup) == []


@pytest.mark.parametrize(
    ("text", "seconds"), [("10 minutes", 600), ("1h", 3600), (" 2 Days ", 172800), ("90s", 90), ("1 week", 604800)]
)
def test_durations(text: str, seconds: int) -> None:
    assert within_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "minutes", "-1 m", "0 minutes", "1 month", "1.5 h", "ten minutes"])
def test_a_bad_duration_is_refused(text: str) -> None:
    with pytest.raises(SpecError) as error:
        within_seconds(text)
    assert error.value.code == "BAD_DURATION"


@pytest.mark.parametrize(
    ("dedup", "code"),
    [
        (DedupSpec(keys=["x"]), "UNKNOWN_COLUMN"),
        (DedupSpec(keys=["k"], order_by=["-x"]), "UNKNOWN_COLUMN"),
        (DedupSpec(keys=["k"], event_time="t"), "BAD_DEDUP"),
        (DedupSpec(keys=["k"], within="1h"), "BAD_DEDUP"),
        (DedupSpec(keys=["k"], within="1h", event_time="v"), "BAD_DEDUP"),
        (DedupSpec(keys=["k"], within="1h", event_time="x"), "UNKNOWN_COLUMN"),
    ],
)
def test_a_step_that_cannot_be_meant_is_refused(dedup: DedupSpec, code: str) -> None:
    with pytest.raises(SpecError) as error:
        check_dedup(dedup, COLUMNS)
    assert error.value.code == code
