# SPDX-License-Identifier: Apache-2.0
"""Bands to scale."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from airflow_dataops.core.refine.flow import Exit, RowFlow, Stage
from airflow_dataops.report.flow_chart import LEAST, Scale, bounded, summary, tall, wide


def flow(*exits: Exit, read: int = 1000, ok: bool = True) -> RowFlow:
    left = read - sum(e.rows for e in exits)
    return RowFlow(read, (Stage("refine", "refine", read, exits, left, ok),))


def drawn(chart: str, kind: str) -> list[ET.Element]:
    return [e for e in ET.fromstring(chart).iter() if e.get("class") == kind]


def test_bands_are_as_wide_as_their_rows() -> None:
    chart = wide(flow(Exit("quarantined", "", 250)), published=True)
    (start,) = [e for e in drawn(chart, "node accent") if e.get("x") == "0"]
    (aside,) = drawn(chart, "node warn")
    assert float(aside.get("height", 0)) / float(start.get("height", 0)) == pytest.approx(0.25)


def test_one_row_in_a_billion_is_still_seen() -> None:
    assert Scale(10**9, 100.0).drawn(1) == LEAST
    assert Scale(10**9, 100.0).drawn(0) == 0


@pytest.mark.parametrize("draw", [wide, tall])
def test_every_exit_is_labelled_with_its_rows_and_share(draw: object) -> None:
    chart = draw(
        flow(Exit("dropped", "null in arr_time", 458), Exit("deduplicated", "", 1), read=336_776), published=True
    )  # type: ignore[operator]
    texts = "".join(ET.fromstring(chart).itertext())
    for part in ("null in arr_time", "458 dropped · 0.14", "duplicates removed", "1 · < 0.01", "336,776"):
        assert part in texts.replace("\u00a0", " ")


def test_many_causes_are_summed_up_and_lose_no_row() -> None:
    exits = tuple(Exit("dropped", f"cause {n}", n + 1) for n in range(40))
    stage = Stage("refine", "refine", 2000, (*exits, Exit("quarantined", "", 3)), 1, True)
    kept = bounded(stage)
    assert len(kept) == 8
    assert sum(e.rows for e in kept) == sum(e.rows for e in stage.exits)
    assert kept[-1].label == "34 other causes"


def test_a_failed_step_says_so() -> None:
    chart = wide(flow(ok=False), published=False)
    assert "failed" in "".join(ET.fromstring(chart).itertext())
    assert drawn(chart, "node bad")


def test_the_summary_tells_the_whole_chart() -> None:
    assert summary(flow(Exit("quarantined", "", 250)), published=True) == (
        "1,000 rows read; 250 put aside by refine; 750 rows published."
    )
    assert summary(flow(), published=False).endswith("nothing published.")


@pytest.mark.parametrize("draw", [wide, tall])
def test_a_chart_has_a_name_and_a_description(draw: object) -> None:
    root = ET.fromstring(draw(flow(), published=True))  # type: ignore[operator]
    ids = {e.get("id") for e in root}
    assert root.get("role") == "img"
    assert set(root.get("aria-labelledby", "").split()) <= ids


@pytest.mark.parametrize("stages", [1, 2, 4, 9])
def test_nothing_is_drawn_outside_of_the_picture(stages: int) -> None:
    steps = tuple(
        Stage(f"step {n}", "refine", 900 - n, (Exit("quarantined", "", 1),), 899 - n, True) for n in range(stages)
    )
    root = ET.fromstring(wide(RowFlow(900, steps), published=True))
    width, height = map(float, root.get("viewBox", "").split()[2:])
    assert all(float(e.get("x", 0)) + 90 <= width for e in root.iter("text"))
    assert all(float(e.get("y", 0)) <= height for e in root.iter("text"))
