# SPDX-License-Identifier: Apache-2.0
"""Six of the places at which a job can die, others for each commit; `make soak` walks all."""

from __future__ import annotations

from functools import partial

import pytest

from tests.faults.fixtures import WalkOf, all_of, drawn
from tests.faults.pipeline import Variant
from tests.faults.points import Case
from tests.faults.tally import TALLY

pytestmark = pytest.mark.integration


def _walk(walk_of: WalkOf, case: Case) -> None:
    walk_of(case.variant).case(case)


def test_six_places_drawn_from_the_commit(walk_of: WalkOf, capsys: pytest.CaptureFixture[str]) -> None:
    seed, found = drawn(6)
    with capsys.disabled():
        print(f"\nkilled at, drawn from {seed}:", *found, sep="\n  ")
    all_of([(str(case), partial(_walk, walk_of, case)) for case in found])


@pytest.mark.parametrize("table_format", ["parquet", "delta"])
def test_a_reader_while_many_files_leave_the_table(
    walk_of: WalkOf, table_format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    walk = walk_of(Variant(table_format, "full"))
    TALLY.rename = 0.0
    seen = walk.publish_over(300)
    with capsys.disabled():
        print(
            f"\n{table_format}, 300 files leave: renames {TALLY.rename * 1000:.0f} ms, a reader saw a mix for {seen * 1000:.0f} ms"
        )
    assert (seen > 0) <= (table_format == "parquet")
