# SPDX-License-Identifier: Apache-2.0
"""Every example runs as a user would run it: as a DAG of the Airflow that is installed, and by the command without Airflow."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.dag_files import dag_bag

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "example_dags"
TABLES = sorted(path.stem for path in EXAMPLES.glob("*.yaml") if "kind: bronze_to_silver" in path.read_text("utf-8"))
LEFTOVERS = shutil.ignore_patterns("__pycache__", ".dataops", "archive", "silver", "quarantine")

pytestmark = pytest.mark.integration


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EXAMPLES, tmp_path / "project", ignore=LEFTOVERS))


def results(project: Path, name: str) -> list[dict[str, Any]]:
    """Return the result documents of all runs of a pipeline."""
    found = sorted((project / "lake/.dataops/runs" / name).glob("*/result.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in found]


@pytest.mark.airflow
@pytest.mark.parametrize("name", TABLES)
def test_an_example_runs_as_a_dag(name: str, project: Path, run_dag: Callable[..., Any]) -> None:
    bag = dag_bag(project / f"{name}.py")
    assert bag.import_errors == {}

    for dag in bag.dags.values():
        assert run_dag(dag, datetime(2024, 1, 2, tzinfo=UTC)).state == "success"

    [result] = results(project, name)
    assert result["published"] is True
    assert Path(result["page"]).exists()


@pytest.mark.parametrize("name", TABLES)
def test_an_example_runs_without_airflow_and_gives_the_same_twice(name: str, project: Path) -> None:
    command = [sys.executable, "-m", "dag_factories", "run", f"{name}.yaml", "--json"]
    rows = []
    for _ in range(2):
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        [result] = results(project, name)
        rows.append(result["rows"])

    assert rows[0] == rows[1]


@pytest.mark.airflow
def test_the_operators_without_yaml_publish_a_month(project: Path, run_dag: Callable[..., Any]) -> None:
    from deltalake import DeltaTable

    bag = dag_bag(project / "flights_operators.py")
    assert bag.import_errors == {}

    assert run_dag(bag.dags["flights_operators"], datetime(2024, 1, 2, tzinfo=UTC)).state == "success"

    # 27,004 flights in January, 521 of them without a departure time.
    assert DeltaTable(str(project / "lake/silver/flights_january")).to_pyarrow_table().num_rows == 26_483


@pytest.mark.airflow
def test_metadata_goes_through_all_steps_as_a_dag(project: Path, run_dag: Callable[..., Any]) -> None:
    bag = dag_bag(project / "gpu_metadata.py")
    assert bag.import_errors == {}

    assert run_dag(bag.dags["gpu_metadata"], datetime(2024, 1, 2, tzinfo=UTC)).state == "success"

    [result] = results(project, "gpu_metadata")
    assert (result["verdict"], result["rows"]["read"], result["rows"]["written"]) == ("passed", 122, 122)
    assert "122 events are stored." in Path(result["page"]).read_text(encoding="utf-8")


def test_metadata_is_stored_once_however_often_it_is_run(project: Path) -> None:
    import sqlite3

    shutil.copy(project / "lake/inbox/gpu_metadata/2024-01-01.jsonl", project / "lake/inbox/gpu_metadata/again.jsonl")
    command = [sys.executable, "-m", "dag_factories", "run", "gpu_metadata.yaml", "--target", "local", "--json"]
    for _ in range(2):
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    with sqlite3.connect(project / "lake/.dataops/metadata/gpu_metadata.store.sqlite") as connection:
        assert connection.execute("SELECT count(*) FROM documents").fetchone() == (120,)
