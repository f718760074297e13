# SPDX-License-Identifier: Apache-2.0
"""Gates on tables that are larger than the memory of the job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.soak.memory import GIB, common, job, large_table

pytestmark = pytest.mark.soak


@pytest.mark.parametrize("rows", [10_000_000, 20_000_000])
def test_keys_of_numbers_and_texts_are_unique_within_a_gibibyte(tmp_path: Path, rows: int) -> None:
    found = gate(tmp_path, rows, [{"compound_unique": ["event_id", "user_id"]}, {"unique": "event_id"}])
    repeated = rows // 100_000 * 2
    assert [rule["unexpected"] for rule in found["rules"]] == [repeated, repeated]
    assert found["rows"]["read"] == rows
    assert found["rows"]["quarantined"] == repeated


def test_wide_keys_that_nearly_all_differ_stay_within_a_gibibyte(tmp_path: Path) -> None:
    rows = 10_000_000
    found = gate(tmp_path, rows, [{"compound_unique": ["event_id", "sku", "note"]}])
    assert 0 <= found["rules"][0]["unexpected"] <= rows // 100_000 * 2
    assert found["rows"]["read"] == rows


def test_when_every_row_is_bad_they_are_all_written_within_a_gibibyte(tmp_path: Path) -> None:
    rows = 10_000_000
    found = gate(tmp_path, rows, [{"unique": "note"}, {"between": ["amount", -2, -1]}])
    assert found["rows"]["quarantined"] == rows
    assert [rule["unexpected"] for rule in found["rules"]] == [rows, rows]


def gate(folder: Path, rows: int, rules: list[dict[str, Any]]) -> dict[str, Any]:
    """Run a gate with a gibibyte of memory; returns its result once its peak was looked at."""
    limits = {"memory_bytes": GIB, "spill_dir": str(folder / "spill")}
    spec = {
        **common(folder / "lake", "gate", limits),
        "source": {"path": large_table("gate", rows)},
        "rules": rules,
        "on_failure": "quarantine",
    }
    ran = job("dq_gate", spec, folder)
    print(f"{rows} rows, {len(rules)} rules: peak {ran.peak / 2**20:.0f} MiB")
    assert ran.peak <= GIB
    return ran.document
