# SPDX-License-Identifier: Apache-2.0
"""CI's steps: those beside the others run with them, each is told, and one that fails fails the run and stops nothing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.house.tree import ROOT

BESIDE = "# Beside the others: a reason.\n"
MEET = "touch {mine}; for ((i = 0; i < 600; i++)); do [ -e {other} ] && exit; sleep 0.1; done; exit 1\n"


def played(folder: Path, steps: dict[str, str], *names: str) -> tuple[int, list[str]]:
    """Return the exit code and the words of each line of the table."""
    (folder / ".ci/steps").mkdir(parents=True)
    shutil.copy(ROOT / ".ci/run", folder / ".ci/run")
    for name, text in steps.items():
        (folder / f".ci/steps/{name}.sh").write_text(text)
    done = subprocess.run([folder / ".ci/run", *names], cwd=folder, capture_output=True, text=True, check=False)
    _, _, table = done.stdout.rpartition("\n\n")
    return done.returncode, [" ".join(line.split()[:2]) for line in table.splitlines()]


def test_a_step_beside_the_others_runs_with_them(tmp_path: Path) -> None:
    front, behind = MEET.format(mine="front", other="behind"), MEET.format(mine="behind", other="front")
    assert played(tmp_path, {"10-a": front, "20-b": BESIDE + behind}) == (0, ["10-a ok", "20-b ok", "total ok"])


@pytest.mark.parametrize("mark", ["", BESIDE], ids=["front", "beside"])
def test_a_step_that_fails_fails_the_run_and_stops_no_other(tmp_path: Path, mark: str) -> None:
    steps = {"10-a": f"{mark}exit 3\n", "20-b": f"{mark}true\n", "30-c": "true\n"}
    assert played(tmp_path, steps) == (1, ["10-a FAILED", "20-b ok", "30-c ok", "total FAILED"])


def test_steps_are_chosen_by_name_and_an_old_verdict_is_none(tmp_path: Path) -> None:
    (tmp_path / ".ci/.out").mkdir(parents=True)
    (tmp_path / ".ci/.out/10-a.told").write_text("10-a FAILED 1 s\n")
    steps = {"10-a": "exit 1\n", "20-b": BESIDE + "true\n"}
    assert played(tmp_path, steps, "b") == (0, ["20-b ok", "total ok"])


def test_a_name_that_is_no_step_is_told(tmp_path: Path) -> None:
    code, _ = played(tmp_path, {"10-a": "true\n"}, "nowhere")
    assert code == 2
