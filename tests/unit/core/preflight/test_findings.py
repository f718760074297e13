# SPDX-License-Identifier: Apache-2.0
"""Which findings are bad enough, and in which order they are told."""

from __future__ import annotations

import pytest

from airflow_dataops.core.preflight.findings import Finding, Level, as_bad_as

FOUND = [
    Finding(check=f"{level.value}.{number}", level=level, message="") for number in (1, 2) for level in reversed(Level)
]


@pytest.mark.parametrize(
    ("level", "wanted"),
    [
        (Level.PROBLEM, ["problem.1", "problem.2"]),
        (Level.UNKNOWN, ["problem.1", "problem.2", "unknown.1", "unknown.2"]),
        (Level.WARNING, ["problem.1", "problem.2", "unknown.1", "unknown.2", "warning.1", "warning.2"]),
    ],
)
def test_the_worst_come_first_and_else_the_order_stays(level: Level, wanted: list[str]) -> None:
    assert [finding.check for finding in as_bad_as(FOUND, level)] == wanted
