# SPDX-License-Identifier: Apache-2.0
"""Six of the places at which a job can die, others for each commit; `make soak` walks all."""

from __future__ import annotations

from functools import partial

import pytest

from tests.faults.fixtures import WalkOf, all_of, drawn
from tests.faults.points import Case

pytestmark = pytest.mark.integration


def _walk(walk_of: WalkOf, case: Case) -> None:
    walk_of(case.variant).case(case)


def test_six_places_drawn_from_the_commit(walk_of: WalkOf, capsys: pytest.CaptureFixture[str]) -> None:
    seed, found = drawn(6)
    with capsys.disabled():
        print(f"\nkilled at, drawn from {seed}:", *found, sep="\n  ")
    all_of([(str(case), partial(_walk, walk_of, case)) for case in found])
