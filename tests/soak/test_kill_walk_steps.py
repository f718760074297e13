# SPDX-License-Identifier: Apache-2.0
"""Every place of gates and refine at which a process can die.

Three gates: one on its own, one before the refine step, one on the staged table. `make soak AREA=…` chooses by the names of the cases.
"""

from __future__ import annotations

from functools import partial

import pytest

from tests.faults.arming import Plan
from tests.faults.fixtures import WalkOf, all_of
from tests.faults.pipeline import VARIANTS, Variant

STEPS = [
    *(pytest.param(step, id=f"dq_gate-{step}") for step in ("alone", "gate", "silver")),
    pytest.param("refine", id="refine"),
]
# What a table is made of is the publish's business: one delta table shows that the steps before it come to the same places.
OF_STEPS = [variant for variant in VARIANTS if variant.format == "parquet" or variant.slice == "window"]
pytestmark = [pytest.mark.soak, pytest.mark.parametrize("step", STEPS)]


@pytest.mark.parametrize("kind", ["rerun", "anew"])
@pytest.mark.parametrize("variant", OF_STEPS, ids=str)
def test_named_places(walk_of: WalkOf, variant: Variant, step: str, kind: str) -> None:
    walk = walk_of(variant)
    plans = [Plan(point=point, nth=nth) for point, nth in walk.points(step)]
    all_of([(str(plan), partial(walk.kill_and_check, kind, step, plan)) for plan in plans])


@pytest.mark.parametrize("slice_", sorted({variant.slice for variant in VARIANTS}))
def test_the_tables_format_is_all_the_same(walk_of: WalkOf, slice_: str, step: str) -> None:
    parquet, delta = (walk_of(Variant(fmt, slice_)) for fmt in ("parquet", "delta"))
    assert parquet.points(step) == delta.points(step)
    assert parquet.changes(step) == delta.changes(step)
