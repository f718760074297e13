# SPDX-License-Identifier: Apache-2.0
"""Executors as processes of their own: rows that were counted along a write, while one of them was lost or slow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.services.spark_master import spark_master
from tests.spark.jars import ROOT
from tests.spark.losing import ROWS

pyspark = pytest.importorskip("pyspark", reason="engine spark has environments of its own: make test-spark")


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = Path(pyspark.__file__).parent
    with spark_master(home, tmp_path_factory.mktemp("master"), hosts=("127.0.0.1", "127.0.0.2")) as address:
        yield address


def count(master: str, folder: Path, case: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.spark.losing", master, str(folder), case]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.soak
def test_rows_of_two_executors_are_counted(master: str, tmp_path: Path) -> None:
    found = count(master, tmp_path, "well")
    assert found == {"told": {"counted": {"rows": ROWS}}, "counted": ROWS, "lost": False, "lines": 10}


@pytest.mark.parametrize(
    "case", [pytest.param("lost within a stage", marks=pytest.mark.soak), "lost between two stages"]
)
def test_no_count_is_told_of_rows_that_were_made_again_after_an_executor_was_lost(
    master: str, tmp_path: Path, case: str
) -> None:
    found = count(master, tmp_path, case)
    assert (found["lost"], found["counted"] > ROWS, found["lines"]) == (True, True, 10)
    assert found["told"] is None


@pytest.mark.soak
def test_no_count_is_told_of_a_slow_task_whose_copy_was_quicker(master: str, tmp_path: Path) -> None:
    found = count(master, tmp_path, "slow")
    assert found["lines"] == 10
    assert (tmp_path / "ran-counted-0-1").exists()  # the copy; the task itself still waits
    assert found["told"] is None
