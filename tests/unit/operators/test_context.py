# SPDX-License-Identifier: Apache-2.0
"""Which run a DagRun of either Airflow is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

pytestmark = pytest.mark.airflow
DAY = datetime(2024, 1, 31, tzinfo=UTC)


def key(**fields: Any) -> str:
    from airflow_dataops.operators._context import run_of

    known = {"data_interval_start": DAY, "data_interval_end": DAY + timedelta(days=1), "run_id": "r", **fields}
    return run_of({"dag_run": SimpleNamespace(**known)}, "orders", "UTC").key


def test_manual_scheduled_and_backfill_runs_of_one_interval_are_one_run() -> None:
    now = datetime(2024, 2, 1, 9, 30, 1, tzinfo=UTC)
    runs = [("scheduled", DAY), ("backfill", DAY), ("manual", now), ("operator_triggered", now)]
    assert {key(run_type=kind, logical_date=at) for kind, at in runs} == {"2024-01-31T000000"}


@pytest.mark.parametrize("kind", ["dataset_triggered", "asset_triggered"])
def test_each_run_that_assets_trigger_is_one_of_its_own(kind: str) -> None:
    """Airflow 2 gives such a run the interval of the runs that wrote the assets, and a second event may have the same."""
    from airflow.utils.types import DagRunType

    typed = next((one for one in DagRunType if one.value == kind), kind)
    at = datetime(2024, 2, 1, 9, 30, 1, tzinfo=UTC)
    assert key(run_type=typed, logical_date=at) == "2024-02-01T093001"
    assert key(run_type=typed, logical_date=None, data_interval_start=None, data_interval_end=None) == "r"
