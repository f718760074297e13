# SPDX-License-Identifier: Apache-2.0
"""`dataops new`, then `dataops run`: what is on stdout and stderr, exit statuses, and all of it without Airflow."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration]

BLOCK = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "airflow":
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Blocked())
from dag_factories.cli import main
sys.exit(main(sys.argv[1:]))
"""

Dataops = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def dataops(tmp_path: Path) -> Dataops:
    (tmp_path / ".git").mkdir()

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", BLOCK, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )

    assert run("new", "bronze_to_silver", "orders").returncode == 0
    return run


def change(folder: Path, old: str, new: str) -> None:
    path = folder / "orders.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_a_new_pipeline_runs_at_once(dataops: Dataops, tmp_path: Path) -> None:
    done = dataops("run", "orders.yaml")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].endswith(": quarantined")
    assert "rows: read 7, put aside 2" in done.stdout
    assert "gate_bronze: " in done.stderr
    assert list((tmp_path / "lake/silver/orders").rglob("*.parquet"))


def test_json_is_one_result_a_line_and_progress_is_elsewhere(dataops: Dataops) -> None:
    done = dataops("run", "orders.yaml", "--json", "--date", "2024-01-05")
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [result["task"] for result in results] == ["gate_bronze", "refine", "gate_silver", "publish", "report"]
    assert {result["run"]["key"] for result in results} == {"2024-01-05T000000"}
    assert results[-1]["verdict"] == "quarantined"
    assert done.stderr


def test_quiet_is_quiet(dataops: Dataops) -> None:
    assert dataops("run", "orders.yaml", "--quiet").stderr == ""


def test_a_range_of_dates_is_one_run_each(dataops: Dataops, tmp_path: Path) -> None:
    done = dataops("run", "orders.yaml", "--date", "2024-01-01..2024-01-02")
    assert done.returncode == 0, done.stderr
    runs = sorted(path.name for path in (tmp_path / "lake/.dataops/runs/orders").iterdir())
    assert runs == ["2024-01-01T000000", "2024-01-02T000000"]


def test_a_failed_gate_is_1_and_publishes_nothing(dataops: Dataops, tmp_path: Path) -> None:
    change(tmp_path, "max_quarantine_ratio: 0.5", "max_quarantine_ratio: 0.1")
    done = dataops("run", "orders.yaml")
    assert done.returncode == 1
    assert done.stdout.splitlines()[0].endswith(": failed")
    assert not (tmp_path / "lake/silver/orders").exists()


def test_a_broken_file_is_1_and_shows_its_findings(dataops: Dataops, tmp_path: Path) -> None:
    change(tmp_path, "keep: last", "keep: lst")
    done = dataops("run", "orders.yaml")
    assert done.returncode == 1
    assert "did you mean 'last'?" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_an_unknown_date_or_target_is_told_in_one_line(dataops: Dataops) -> None:
    assert "BAD_DATE" in dataops("run", "orders.yaml", "--date", "yesterday").stderr
    done = dataops("run", "orders.yaml", "--target", "gcp")
    assert done.returncode == 2
    assert "UNKNOWN_TARGET" in done.stderr


def test_airflow_is_asked_for_where_it_is_not_installed(dataops: Dataops) -> None:
    done = dataops("run", "orders.yaml", "--airflow")
    assert done.returncode == 1
    assert "pip install 'airflow-dataops[airflow]'" in done.stderr
