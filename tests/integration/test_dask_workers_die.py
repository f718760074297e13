# SPDX-License-Identifier: Apache-2.0
"""A worker that is killed in the middle of a step takes its rows with it; the step ends with the same table all the same."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_dataops.core import faults
from airflow_dataops.core.faults import FaultPoint
from airflow_dataops.core.layout import RunLayout
from airflow_dataops.core.refine.spec import RefineSpec, StageManifest
from airflow_dataops.engines.dask_client import use_client
from airflow_dataops.jobs import refine
from tests.dask_cluster import many_parts

distributed: Any = pytest.importorskip("distributed")
__all__ = ["many_parts"]


@pytest.fixture(scope="module")
def processes() -> Iterator[Any]:
    """Two workers as processes; gives their client."""
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


def refined(source: Path, lake: Path, engine: str, client: Any) -> list[str]:
    clean = {"dedup": {"keys": ["id"], "order_by": ["f"]}, "drop_nulls": ["f"]}
    spec = RefineSpec.model_validate(
        {
            "task": "refine", "lake": str(lake), "run": {"pipeline": "p", "key": "k"}, "engine": engine, "clean": clean,
            "slice": {"kind": "full"}, "source": {"path": str(source)}, "target": {"path": f"{lake}/silver"},
        }
    )  # fmt: skip
    with use_client(client):
        refine.run(spec, progress=lambda _: None)
    layout = RunLayout(str(lake), "p", "k")
    manifest = StageManifest.model_validate_json(Path(layout.manifest).read_bytes())
    return sorted(
        repr(row) for f in manifest.files for row in pq.read_table(f"{layout.staged_table}/{f.path}").to_pylist()
    )


@pytest.mark.parametrize("point", [FaultPoint.REFINE_COUNTED, FaultPoint.REFINE_DEDUPLICATED])
def test_the_table_is_whole_when_a_worker_dies(
    processes: Any, many_parts: None, tmp_path: Path, point: FaultPoint
) -> None:
    (tmp_path / "source").mkdir()
    for number in range(4):
        rows = [{"id": n % 150, "f": None if n % 50 == 0 else n / 2} for n in range(number * 60, number * 60 + 60)]
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "source" / f"{number}.parquet")
    killed = []

    def hook(now: FaultPoint) -> None:
        if now is point:
            victim = next(iter(processes.run(os.getpid).values()))
            os.kill(victim, signal.SIGKILL)
            killed.append(victim)

    with faults.armed(hook):
        found = refined(tmp_path / "source", tmp_path / "dask", "dask", processes)
    assert len(killed) == 1
    assert found == refined(tmp_path / "source", tmp_path / "duckdb", "duckdb", processes)
