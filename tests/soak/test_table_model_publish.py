# SPDX-License-Identifier: Apache-2.0
"""Long random walks of every kind of table, against the model."""

from __future__ import annotations

import pytest

from tests.faults.machine import KINDS, walk
from tests.faults.model import Kind

pytestmark = pytest.mark.soak


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_many_random_days(kind: Kind) -> None:
    walk([kind], examples=12, steps=25)
