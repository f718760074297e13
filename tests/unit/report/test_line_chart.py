# SPDX-License-Identifier: Apache-2.0
"""Small lines over time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.report.line_chart import HEIGHT, WIDTH, Dot, line_chart, nice_ceiling

DAY = datetime(2013, 1, 1, tzinfo=UTC)


def chart(amounts: Sequence[float | None], verdict: str = "passed") -> ET.Element:
    dots = [Dot(DAY + timedelta(days=n), amount, verdict, f"run {n}") for n, amount in enumerate(amounts)]
    return ET.fromstring(line_chart("c", "Rows", dots, label=lambda amount: f"{amount:g}"))


def kinds(root: ET.Element, start: str) -> list[ET.Element]:
    return [e for e in root.iter() if (e.get("class") or "").split()[:1] == [start]]


def test_each_run_has_a_mark_that_says_what_it_is() -> None:
    marks = kinds(chart([1, 2, 3]), "mark")
    assert [mark.findtext("title") for mark in marks] == ["run 0", "run 1", "run 2"]
    assert [mark.get("r") for mark in marks] == ["3.4", "3.4", "5"], "the run of the page is the large one"


def test_many_marks_are_smaller_so_that_the_line_stays_visible() -> None:
    assert kinds(chart([1.0] * 200), "mark")[0].get("r") == "2"


def test_verdicts_differ_in_shape_not_only_in_colour() -> None:
    shapes = set()
    for verdict in ("passed", "warned", "quarantined", "failed"):
        mark = kinds(chart([1], verdict), "mark")[0]
        shapes.add((mark.tag, "".join(c for c in mark.get("d", "") if c.isalpha())))
    assert len(shapes) == 4


def test_a_gap_breaks_the_line() -> None:
    assert len(kinds(chart([1, 2, None, 3, 4]), "series")) == 2


def test_the_axis_has_the_dates_of_both_ends() -> None:
    texts = "".join(chart([1, 2]).itertext())
    assert "2013-01-01" in texts
    assert "2013-01-02" in texts


def test_the_description_has_the_extremes() -> None:
    assert chart([1, 5, 2]).findtext("desc") == "3 runs from 2013-01-01 to 2013-01-03; last: 2; lowest: 1; highest: 5."


@given(st.lists(st.none() | st.floats(0, 1e15), min_size=1, max_size=40))
def test_everything_stays_inside(amounts: list[float | None]) -> None:
    for mark in chart(amounts).iter("circle"):
        assert 0 <= float(mark.get("cx", -1)) <= WIDTH
        assert 0 <= float(mark.get("cy", -1)) <= HEIGHT


@pytest.mark.parametrize(("highest", "top"), [(0, 1), (0.03, 0.03), (7, 7.5), (328_063, 400_000), (1, 1)])
def test_the_top_of_the_axis_is_a_round_number(highest: float, top: float) -> None:
    assert nice_ceiling(highest) == pytest.approx(top)


@given(st.floats(1e-9, 1e18))
def test_the_top_of_the_axis_is_not_below(highest: float) -> None:
    assert nice_ceiling(highest) >= highest * (1 - 1e-9)
