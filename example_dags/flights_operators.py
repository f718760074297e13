# SPDX-License-Identifier: Apache-2.0
"""The operators without YAML: an airflow dag written by hand that gates and publishes one month of flights."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from airflow.providers.common.compat.sdk import DAG

from airflow_dataops.operators.dq_gate import DataQualityGateOperator
from airflow_dataops.operators.refine import RefineTableOperator

LAKE = str(Path(__file__).parent / "lake")
JANUARY = {"path": f"{LAKE}/bronze/flights/2013/01", "format": "parquet"}

with DAG(
    "flights_operators", schedule=None, start_date=datetime(2013, 1, 1, tzinfo=UTC), catchup=False, tags=["example"]
):
    gate = DataQualityGateOperator(
        task_id="gate",
        lake=LAKE,
        source=JANUARY,
        slice={"kind": "full"},
        rules=[{"not_null": "dep_time"}, {"in_set": {"column": "origin", "values": ["EWR", "JFK", "LGA"]}}],
        on_failure="quarantine",
        max_quarantine_ratio=0.05,
    )
    refine = RefineTableOperator(
        task_id="refine",
        lake=LAKE,
        source=JANUARY,
        slice={"kind": "full"},
        exclude=["gate"],
        gates=["gate"],
        clean={"select": ["year", "month", "day", "dep_time", "carrier", "tailnum", "origin", "dest"]},
        masks={"tailnum": {"kind": "sha256"}},
        target={"path": f"{LAKE}/silver/flights_january", "format": "delta"},
    )
    gate >> refine
