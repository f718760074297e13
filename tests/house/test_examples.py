# SPDX-License-Identifier: Apache-2.0
"""Every file of example_dags loads as Airflow loads it, safe mode on, and every pipeline there passes its own check."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.dag_files import dag_bag
from tests.house.tree import ROOT

FOLDER = ROOT / "example_dags"


@pytest.mark.airflow
@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.name)
def test_an_example_loads(airflow_db: Path, path: Path) -> None:
    bag = dag_bag(path)
    assert bag.import_errors == {}
    assert bag.dags


@pytest.mark.parametrize(
    "path", sorted(path for path in FOLDER.glob("*.yaml") if path.name != "dataops.yaml"), ids=lambda path: path.name
)
def test_a_pipeline_passes_its_check(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dag_factories", "check", str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
