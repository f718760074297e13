# SPDX-License-Identifier: Apache-2.0
"""Every place at which a process can die while its lake lies in S3: of all steps with a window, of publish and upkeep with each kind of table."""

from __future__ import annotations

from functools import partial

import pytest

from tests.faults.fixtures import WalkOf, all_of
from tests.faults.pipeline import VARIANTS, Variant
from tests.faults.points import Case, cases

pytestmark = pytest.mark.soak
TODO = [case for case in cases() if case.step in ("publish", "maintain") or case.variant.slice == "window"]


def _walk(walk_of: WalkOf, case: Case) -> None:
    walk_of(case.variant).case(case)


@pytest.mark.parametrize("kind", sorted({case.kind for case in TODO}))
@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_in_s3(walk_in_s3: WalkOf, variant: Variant, kind: str) -> None:
    found = [case for case in TODO if (case.variant, case.kind) == (variant, kind)]
    all_of([(str(case), partial(_walk, walk_in_s3, case)) for case in found])
