# SPDX-License-Identifier: Apache-2.0
"""Four of the places at which a job can die while its lake lies in S3, others for each commit; `make soak AREA=in_s3` walks all."""

from __future__ import annotations

from functools import partial

import pytest

from tests.faults.fixtures import WalkOf, all_of, drawn_of_each_format
from tests.faults.points import Case


def _walk(walk_of: WalkOf, case: Case) -> None:
    walk_of(case.variant).case(case)


def test_four_places_drawn_from_the_commit(walk_in_s3: WalkOf, capsys: pytest.CaptureFixture[str]) -> None:
    seed, found = drawn_of_each_format(2)
    with capsys.disabled():
        print(f"\nin S3, killed at, drawn from {seed}:", *found, sep="\n  ")
    all_of([(str(case), partial(_walk, walk_in_s3, case)) for case in found])
