# SPDX-License-Identifier: Apache-2.0
"""The same run twice at once: one try waits at each place of each step while another does all of the run."""

from __future__ import annotations

from functools import partial

import pytest

from tests.faults.fixtures import WalkOf, all_of
from tests.faults.pipeline import Variant
from tests.faults.points import points_of

pytestmark = pytest.mark.soak


@pytest.mark.parametrize("variant", [Variant("parquet", "window"), Variant("delta", "merge")], ids=str)
@pytest.mark.parametrize("step", ["gate", "refine", "silver", "publish"])
def test_one_try_waits_while_another_does_all(walk_of: WalkOf, variant: Variant, step: str) -> None:
    walk = walk_of(variant)
    points = points_of(step, variant)
    all_of([(str(point), partial(walk.twice_at_once, step, point.value)) for point in points])
