# SPDX-License-Identifier: Apache-2.0
"""Every place of gates and refine at which a process can die, and every change of the file system.

Three gates: one on its own, one before the refine step, one on the staged table. `make soak AREA=…` chooses by the names of the cases.
"""

from __future__ import annotations

from functools import partial

import pytest

from tests.faults.arming import Plan
from tests.faults.fixtures import WalkOf, all_of
from tests.faults.pipeline import DENSE, VARIANTS, Variant

STEPS = [
    *(pytest.param(step, id=f"dq_gate-{step}") for step in ("alone", "gate", "silver")),
    pytest.param("refine", id="refine"),
]
pytestmark = [
    pytest.mark.soak,
    pytest.mark.parametrize("step", STEPS),
    pytest.mark.parametrize("kind", ["rerun", "anew"]),
]


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_named_places(walk_of: WalkOf, variant: Variant, step: str, kind: str) -> None:
    walk = walk_of(variant)
    plans = [Plan(point=point, nth=nth) for point, nth in walk.points(step)]
    all_of([(str(plan), partial(walk.kill_and_check, kind, step, plan)) for plan in plans])


@pytest.mark.parametrize("variant", DENSE, ids=str)
def test_every_change_of_the_file_system(walk_of: WalkOf, variant: Variant, step: str, kind: str) -> None:
    walk = walk_of(variant)
    plans = [Plan(change=number) for number in range(1, walk.changes(step) + 1)]
    all_of([(str(plan), partial(walk.kill_and_check, kind, step, plan)) for plan in plans])
