# SPDX-License-Identifier: Apache-2.0
"""Every place of publish, report and upkeep at which a process can die."""

from __future__ import annotations

from functools import partial

import pytest

from tests.faults.arming import Plan
from tests.faults.fixtures import WalkOf, all_of
from tests.faults.pipeline import VARIANTS, Variant
from tests.faults.points import cut_short

pytestmark = pytest.mark.soak
of_variants = pytest.mark.parametrize("variant", VARIANTS, ids=str)


@of_variants
@pytest.mark.parametrize("step", ["publish", "report", "maintain"])
def test_the_step_is_done_again(walk_of: WalkOf, variant: Variant, step: str) -> None:
    walk = walk_of(variant)
    plans = [Plan(point=point, nth=nth) for point, nth in walk.points(step)]
    all_of([(str(plan), partial(walk.kill_and_check, "rerun", step, plan)) for plan in plans])


@of_variants
@pytest.mark.parametrize("kind", ["other", "anew"])
def test_something_else_happens_before_the_publish_is_done_again(walk_of: WalkOf, variant: Variant, kind: str) -> None:
    walk = walk_of(variant)
    plans = [Plan(point=point, nth=nth) for point, nth in walk.points("publish")]
    all_of([(str(plan), partial(walk.kill_and_check, kind, "publish", plan)) for plan in plans])


@of_variants
@pytest.mark.parametrize("kind", ["recovery", "taken_back"])
def test_the_next_publish_is_killed_while_it_recovers(walk_of: WalkOf, variant: Variant, kind: str) -> None:
    walk = walk_of(variant)
    todo = []
    for first in cut_short(variant):
        plan = Plan(point=first.value)
        for second, nth in walk.points_of_recovery(kind, plan):
            again = Plan(point=second, nth=nth)
            name = f"{first}, then {second} {nth}"
            todo.append((name, partial(walk.kill_and_check, kind, "publish", plan, again)))
    all_of(todo)
