# SPDX-License-Identifier: Apache-2.0
"""Tables that are larger than the memory of the job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.soak.memory import GIB, common, job, large_table, script

pytestmark = pytest.mark.soak

CLEAN: dict[str, Any] = {
    "cast": {"ordered_at": "timestamp", "dep_time": "integer"},
    "drop_nulls": ["dep_time"],
    "keep_if": ["amount > 1"],
    "derive": {"price": "amount / quantity"},
    "dedup": {"keys": ["order_id"], "order_by": ["ordered_at"]},
}


@pytest.mark.parametrize(("rows", "memory"), [(10_000_000, GIB), (20_000_000, GIB)])
@pytest.mark.parametrize("fmt", ["parquet", "delta"])
def test_ten_million_rows_are_cleaned_within_a_gibibyte(tmp_path: Path, rows: int, memory: int, fmt: str) -> None:
    source, lake = large_table("orders", rows), tmp_path / "lake"
    target = {"path": f"{lake}/silver", "format": fmt, "partition_by": ["region"]}
    masks = {"email": {"kind": "sha256", "salt": {"secret": "env:SALT"}}}
    limits = {"memory_bytes": memory, "spill_dir": str(tmp_path / "spill")}
    spec = {**common(lake, "refine", limits), "source": {"path": source}, "clean": CLEAN, "masks": masks}
    refined = job("refine", {**spec, "target": target}, tmp_path)
    published = job("publish", {**common(lake, "publish", limits), "target": target}, tmp_path)
    print(f"{rows} rows, {fmt}: peak {refined.peak / 2**20:.0f} MiB and {published.peak / 2**20:.0f} MiB")
    assert max(refined.peak, published.peak) <= memory
    counts = refined.document["rows"]
    assert counts["read"] == rows
    assert counts["read"] == sum(counts["dropped"].values()) + counts["deduplicated"] + counts["written"]
    script("floor_refine.py", source, str(tmp_path / "by_hand"), fmt, "dedup")
    tables = (target["path"], str(tmp_path / "by_hand"))
    ours, by_hand = (script("floor_refine.py", table, "checksum", fmt) for table in tables)
    assert ours == by_hand
    assert ours["rows"] == str(counts["written"])


def test_a_partition_a_day_and_wide_keys_stay_within_a_gibibyte(tmp_path: Path) -> None:
    rows = 10_000_000
    source, lake = large_table("orders", rows), tmp_path / "lake"
    clean = {
        "cast": {"ordered_at": "timestamp"},
        "derive": {"day": "cast(ordered_at as date)"},
        "dedup": {"keys": ["order_id", "email", "note"], "order_by": ["ordered_at"]},
    }
    limits = {"memory_bytes": GIB, "spill_dir": str(tmp_path / "spill")}
    spec = {**common(lake, "refine", limits), "source": {"path": source}, "clean": clean}
    refined = job("refine", {**spec, "target": {"path": f"{lake}/silver", "partition_by": ["day"]}}, tmp_path)
    print(f"{rows} rows, a partition a day: peak {refined.peak / 2**20:.0f} MiB")
    assert refined.peak <= GIB
    assert refined.document["rows"]["written"] == rows - refined.document["rows"]["deduplicated"]
    assert refined.document["files"] >= 365


def test_most_rows_may_be_duplicates(tmp_path: Path) -> None:
    rows = 10_000_000
    source, lake = large_table("orders", rows), tmp_path / "lake"
    clean = {"cast": {"ordered_at": "timestamp"}, "dedup": {"keys": ["email"], "order_by": ["ordered_at"]}}
    limits = {"memory_bytes": GIB, "spill_dir": str(tmp_path / "spill")}
    spec = {**common(lake, "refine", limits), "source": {"path": source}, "clean": clean}
    refined = job("refine", {**spec, "target": {"path": f"{lake}/silver"}}, tmp_path)
    print(f"{rows} rows of 100000 keys: peak {refined.peak / 2**20:.0f} MiB")
    assert refined.peak <= GIB
    assert refined.document["rows"]["written"] == 100_000
