# SPDX-License-Identifier: Apache-2.0
"""A task of the local runner whose lake is in a bucket of Google's: its job's process has a clean environment, and reaches it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airflow_dataops.clients.storage import storage_for

pytestmark = [pytest.mark.integration, pytest.mark.airflow, pytest.mark.soak]


def test_a_task_reaches_the_lake_by_the_workers_environment(
    lake: str, tmp_path: Path, run_dag: Callable[..., Any]
) -> None:
    from airflow.providers.common.compat.sdk import DAG

    from airflow_dataops.operators.refine import RefineTableOperator

    pq.write_table(pa.table({"id": [1, 2, 3], "name": ["a", "b", None]}), tmp_path / "part.parquet")
    storage_for(lake).write_bytes(f"{lake}/bronze/part.parquet", (tmp_path / "part.parquet").read_bytes())
    with DAG("gcs_by_environment", schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC)) as dag:
        RefineTableOperator(
            task_id="refine",
            lake=lake,
            source={"path": f"{lake}/bronze"},
            slice={"kind": "full"},
            target={"path": f"{lake}/silver"},
            clean={"drop_nulls": ["name"]},
        )
    assert run_dag(dag, datetime(2024, 1, 2, tzinfo=UTC)).state == "success"
    storage = storage_for(lake)
    [silver] = [file.path for file in storage.find(f"{lake}/silver") if file.path.endswith(".parquet")]
    assert sorted(pq.read_table(pa.BufferReader(storage.read_bytes(silver)))["id"].to_pylist()) == [1, 2]
