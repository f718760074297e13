# SPDX-License-Identifier: Apache-2.0
"""Parts of a scan hold each of its rows once, in its order, whatever their size; and every part looks like the whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_dataops.core.tables import SOURCE_FILE, SOURCE_ROW, SourceSpec
from airflow_dataops.engines.dask_parts import parts_of
from airflow_dataops.engines.duckdb import DuckDBEngine
from airflow_dataops.engines.duckdb_scan import Part


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """Partition folders whose names look like numbers but for one, files with and without a column, small and large."""
    for number, (name, rows) in enumerate([("01", 40), ("02", 3), ("x", 7), ("x", 90), ("02", 1)]):
        there = tmp_path / f"k={name}"
        there.mkdir(exist_ok=True)
        columns: dict[str, Any] = {"i": list(range(rows))} | ({"s": ["é" * 9] * rows} if number % 2 else {})
        pq.write_table(pa.table(columns), there / f"{number}.parquet", row_group_size=11)
    return str(tmp_path)


@pytest.mark.parametrize("part_bytes", [1, 600, 1500, 10**9])
def test_each_row_is_in_one_part_and_in_its_place(folder: str, part_bytes: int) -> None:
    with DuckDBEngine() as engine:
        info = engine.open_source(SourceSpec(path=folder), "t", decoded=f"{folder}/none")
        scan = engine.scans["t"]
        sizes = {path: Path(path).stat().st_size for path in info.files}
        parts = parts_of(engine.session, scan, sizes, 2, part_bytes)
        place = f"ORDER BY {SOURCE_FILE}, {SOURCE_ROW}"
        whole = engine.session.run(f"{scan.query()} {place}")
        found = [row for part in parts for row in engine.session.run(f"{scan.query(part)} {place}")]
        kinds = [engine.session.types(scan.query(part)) for part in [*parts, Part(())]]
        assert found == whole
        assert all(kind == engine.session.types(scan.query()) for kind in kinds)
        assert engine.session.run(scan.query(Part(()))) == []
    assert (len(parts) == 1) == (part_bytes == 10**9)
    assert part_bytes != 1 or len(parts) == 16  # 4 row groups, 1, 1, 9 and 1


def test_the_size_of_parts_follows_the_threads(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_dataops.engines.dask_parts._LEAST", 1)
    with DuckDBEngine() as engine:
        info = engine.open_source(SourceSpec(path=folder), "t", decoded=f"{folder}/none")
        sizes = {path: Path(path).stat().st_size for path in info.files}
        few, many = (parts_of(engine.session, engine.scans["t"], sizes, threads) for threads in (1, 100))
    assert 2 <= len(few) < len(many)
