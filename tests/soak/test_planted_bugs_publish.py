# SPDX-License-Identifier: Apache-2.0
"""Random walks can fail: a bug that is planted in the jobs' processes is found by some walk within the size of a soak."""

from __future__ import annotations

import pytest

from tests.faults.machine import KINDS, walk

pytestmark = pytest.mark.soak


def test_a_random_walk_finds_recovery_switched_off() -> None:
    kinds = [kind for kind in KINDS if kind.format == "parquet"]
    with pytest.raises(AssertionError):
        walk(kinds, examples=40, steps=12, aim=True, bug="recovery_is_off", database=None, derandomize=True)
