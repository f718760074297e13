# SPDX-License-Identifier: Apache-2.0
"""Denser than the named places: killed before every single change of the file system, in every step.

The longest of all; `make soak AREA=dense`. What lies between two named places is nothing that a process could leave half done, and this shows it.
"""

from __future__ import annotations

from functools import partial

import pytest

from tests.faults.arming import Plan
from tests.faults.fixtures import WalkOf, all_of
from tests.faults.pipeline import DENSE, STEPS, Variant

pytestmark = pytest.mark.soak
_MATTERS = {"publish": ["rerun", "anew"], "report": ["rerun"], "maintain": ["rerun"]}


@pytest.mark.parametrize(
    ("step", "kind"), [(step, kind) for step in (*STEPS, "maintain") for kind in _MATTERS.get(step, ["rerun", "anew"])]
)
@pytest.mark.parametrize("variant", DENSE, ids=str)
def test_every_change_of_the_file_system(walk_of: WalkOf, variant: Variant, step: str, kind: str) -> None:
    walk = walk_of(variant)
    plans = [Plan(change=number) for number in range(1, walk.changes(step) + 1)]
    all_of([(str(plan), partial(walk.kill_and_check, kind, step, plan)) for plan in plans])
