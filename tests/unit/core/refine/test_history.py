# SPDX-License-Identifier: Apache-2.0
"""Earlier runs: which ones are read, and what becomes of bad files."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.refine.history import newest, points


def result(key: str, start: str | None, **more: Any) -> dict[str, Any]:
    run = {"pipeline": "p", "key": key, "interval_start": start, "interval_end": start}
    rows = {"read": 200, "quarantined": 10, "written": 190}
    return {
        "job": "report",
        "task": "report",
        "run": run,
        "title": "p",
        "verdict": "passed",
        "rows": rows,
        "seconds": {"total": 4.5},
        **more,
    }


def test_newest_orders_by_the_date_in_the_key() -> None:
    keys = ["2013-01-03T000000", "manual__2013-01-02T080000", "eu-west", "2013-01-01T000000", "2013-01-05T000000"]
    assert newest(keys, 3, before="2013-01-04T000000") == [
        "2013-01-03T000000",
        "manual__2013-01-02T080000",
        "2013-01-01T000000",
    ]


def test_the_run_itself_and_later_ones_are_not_earlier() -> None:
    assert newest(["2013-01-03", "2013-01-04", "2013-01-05"], 9, before="2013-01-04") == ["2013-01-03"]


@given(st.lists(st.text(max_size=30)), st.text(max_size=30), st.integers(-2, 20))
def test_newest_never_gives_more_than_asked_nor_the_run_itself(keys: list[str], before: str, count: int) -> None:
    found = newest(keys, count, before=before)
    assert len(found) <= max(count, 0)
    assert before not in found


def test_points_are_oldest_first_and_limited() -> None:
    documents = [result(f"k{day}", f"2013-01-{day:02}T00:00:00Z") for day in (3, 1, 2)]
    assert [point.key for point in points(documents, limit=2)] == ["k2", "k3"]


def test_a_point_has_the_figures_of_its_run() -> None:
    (point,) = points([result("k", "2013-01-01T00:00:00Z")], limit=5)
    assert (point.read, point.written, point.quarantined_share, point.seconds, point.verdict) == (
        200,
        190,
        0.05,
        4.5,
        "passed",
    )


def test_no_rows_have_no_share() -> None:
    (point,) = points([result("k", "2013-01-01T00:00:00Z", rows={})], limit=5)
    assert point.quarantined_share is None


def test_a_run_that_failed_before_it_put_rows_aside_has_no_share() -> None:
    (point,) = points([result("k", "2013-01-01T00:00:00Z", verdict="failed", rows={"read": 200})], limit=5)
    assert point.quarantined_share is None


def test_a_run_without_an_interval_counts_from_when_it_began() -> None:
    (point,) = points([result("k", None, started_at="2013-01-09T00:00:00Z")], limit=5)
    assert point.moment.isoformat() == "2013-01-09T00:00:00+00:00"


def test_what_is_no_result_is_left_out() -> None:
    bad: list[dict[str, Any]] = [
        {},
        {"schema_version": 7},
        result("k", None),
        {**result("k", "2013-01-01T00:00:00Z"), "verdict": "?"},
    ]
    assert points(bad, limit=5) == []
    assert points([result("k", "2013-01-01T00:00:00Z")], limit=0) == []
