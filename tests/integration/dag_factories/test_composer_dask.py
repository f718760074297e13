# SPDX-License-Identifier: Apache-2.0
"""The example's function on a real Dask of this machine: by the command, by Airflow, and counted again with pandas."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dag_factories.scaffold import scaffold
from tests.dag_files import dag_bag

EXAMPLES = Path(__file__).resolve().parents[3] / "example_dags"
LEFTOVERS = shutil.ignore_patterns("__pycache__", ".dataops", "silver", "gold", "quarantine")
KEYS = ["year", "month", "carrier"]

pytestmark = [pytest.mark.integration]
pytest.importorskip("distributed", reason="needs the extra `dask`")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EXAMPLES, tmp_path / "project", ignore=LEFTOVERS))


def command(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "dag_factories", *arguments]
    return subprocess.run(line, cwd=cwd, capture_output=True, text=True, check=False)


def expected(project: Path) -> pd.DataFrame:
    """Return the statistics as pandas has them from all rows at once."""
    rows = pd.read_parquet(sorted((project / "lake/bronze/flights").rglob("*.parquet")))
    groups = rows.groupby(KEYS)
    delay = groups["arr_delay"]
    arrived = delay.count()
    late = rows.assign(late=rows["arr_delay"] > 15).groupby(KEYS)["late"].sum()
    made = pd.DataFrame(
        {
            "flights": groups.size(),
            "cancelled": groups.size() - arrived,
            "late_share": late / arrived,
            "mean_delay": delay.mean(),
            "median_delay": delay.quantile(0.5, interpolation="lower"),
        }
    )
    return made.reset_index()


def check_table(project: Path) -> None:
    table = pd.read_parquet(project / "lake/gold/flights_delays/delays.parquet")
    wanted = expected(project)
    both = table.sort_values(KEYS).reset_index(drop=True)[list(wanted)]
    pd.testing.assert_frame_equal(both, wanted.sort_values(KEYS).reset_index(drop=True), check_dtype=False)
    assert int(table["flights"].sum()) == 336_776


def test_the_example_runs_and_its_table_is_what_pandas_makes(project: Path) -> None:
    done = command("run", "flights_delays.yaml", "--target", "local", cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 of 12 files counted" in done.stderr
    assert "dashboard http://127.0.0.1:" in done.stderr
    assert '"flights": 336776' in done.stdout
    check_table(project)
    [record] = (project / "lake/.dataops/runs/flights_delays").rglob("delays.result.json")
    assert json.loads(record.read_text())["value"]["rows"] == 185


def test_a_new_pipeline_runs_at_once(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    scaffold("composer_dask", "orders", tmp_path)
    assert command("check", ".", cwd=tmp_path).returncode == 0
    done = command("run", "orders.yaml", "--date", "2024-01-31", "--json", "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    [line] = done.stdout.splitlines()
    assert json.loads(line)["value"] == {
        "words": 15,
        "different": 11,
        "output": f"{tmp_path}/lake/orders_2024-01-31.json",
    }
    assert (tmp_path / "lake/orders_2024-01-31.json").exists()


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("raise ValueError('no such month')", "FUNCTION_RAISED", "ValueError: no such month"),
        ("return object()", "RESULT_NOT_JSON", "builtins.object"),
        ("return 'x' * 70_000", "RESULT_TOO_LARGE", "65,536"),
        ("import os; os._exit(3)", "JOB_CRASHED", "exit code 3"),
    ],
)
def test_a_function_that_fails_says_why(body: str, code: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "dataops.yaml").write_text("version: 1\n")
    (tmp_path / "work.py").write_text(f"def go(client):\n    {body}\n")
    (tmp_path / "orders.yaml").write_text(
        'version: 1\nkind: composer_dask\nname: orders\njobs:\n  - {name: a, function: "work:go", workers: 1}\n'
        '  - {name: b, function: "work:go", after: a}\n'
    )
    done = command("run", "orders.yaml", cwd=tmp_path)
    assert done.returncode == 1
    assert f"{code}: " in done.stdout
    assert said in done.stdout
    assert "b: skipped, a task before it failed" in done.stderr


def test_nothing_of_the_laptops_environment_reaches_the_function(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "hunter2")
    (tmp_path / "dataops.yaml").write_text("version: 1\n")
    (tmp_path / "work.py").write_text(
        "import os\ndef go(client):\n    return client.submit(os.getenv, 'MY_TOKEN').result()\n"
    )
    (tmp_path / "orders.yaml").write_text(
        'version: 1\nkind: composer_dask\nname: orders\njobs: [{name: a, function: "work:go", workers: 1}]\n'
    )
    done = command("run", "orders.yaml", "--json", "--quiet", cwd=tmp_path)
    assert json.loads(done.stdout)["value"] is None


@pytest.mark.airflow
def test_the_example_runs_as_a_dag_of_this_airflow(project: Path, run_dag: Callable[..., Any]) -> None:
    bag = dag_bag(project / "flights_delays.py")
    assert bag.import_errors == {}
    dag_run = run_dag(bag.dags["flights_delays"])
    assert dag_run.state == "success"
    check_table(project)


def test_a_cluster_is_not_made_from_a_laptop_by_mistake(project: Path) -> None:
    done = command("run", "flights_delays.yaml", "--target", "gcp", cwd=project)
    assert done.returncode == 1
    assert "RUNS_IN_AIRFLOW" in done.stdout + done.stderr
    assert "--target local" in done.stdout + done.stderr
