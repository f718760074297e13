# SPDX-License-Identifier: Apache-2.0
"""The ready DAG for upkeep does in Airflow what `dataops maintain` does, and keeps what is still needed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dag_factories.cli import main
from tests.dag_files import dag_bag

pytestmark = [pytest.mark.integration, pytest.mark.airflow]

LOADER = '''"""Upkeep: an airflow dag."""
from dag_factories import load_maintenance

dag = load_maintenance(__file__, schedule=None)
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["new", "bronze_to_silver", "orders"]) == 0
    assert main(["run", "orders.yaml", "--date", "2024-01-05", "--quiet"]) == 0
    (tmp_path / "upkeep.py").write_text(LOADER, encoding="utf-8")
    return tmp_path


def load(folder: Path) -> Any:
    bag = dag_bag(folder / "upkeep.py")
    assert bag.import_errors == {}
    return bag.dags["upkeep"]


def staged(folder: Path, key: str, *, days_old: int) -> Path:
    file = folder / "lake/.dataops/staging/orders" / key / "table/a.parquet"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"x")
    moment = time.time() - days_old * 86_400
    os.utime(file, (moment, moment))
    return file


def test_given_up_staging_goes_and_the_rest_stays(folder: Path, run_dag: Callable[..., Any]) -> None:
    old, fresh = staged(folder, "2024-01-01T000000", days_old=8), staged(folder, "2024-01-06T000000", days_old=1)
    table = sorted((folder / "lake/silver/orders").rglob("*.parquet"))

    assert run_dag(load(folder)).state == "success"

    assert not old.exists()
    assert fresh.exists()
    assert sorted((folder / "lake/silver/orders").rglob("*.parquet")) == table


def test_a_broken_pipeline_file_fails_the_task_before_anything_is_deleted(
    folder: Path, run_dag: Callable[..., Any]
) -> None:
    old = staged(folder, "2024-01-01T000000", days_old=8)
    (folder / "other.yaml").write_text("version: 1\nkind: bronze_to_silver\nname: oter\n", encoding="utf-8")

    assert run_dag(load(folder)).state == "failed"

    assert old.exists()
