# SPDX-License-Identifier: Apache-2.0
"""The lanes of the integration tests: what fails there fails, and what fails only beside others is named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.house.tree import ROOT

MARKED = "from pytest import mark\npytestmark = [getattr(mark, 'integration')]\n\n"
GOOD = MARKED + "def test_it():\n    pass\n"
BAD = MARKED + "def test_it():\n    assert False\n"
UNSTEADY = MARKED + (
    "from pathlib import Path\n\n"
    "def test_it():\n"
    "    been = Path(__file__).with_suffix('.been')\n"
    "    first = not been.exists()\n"
    "    been.touch()\n"
    "    assert not first\n"
)


def played(folder: Path, *texts: str, lanes: int = 2) -> tuple[int, str]:
    parts = []
    for number, text in enumerate(texts):
        file = folder / f"test_{number}.py"
        file.write_text(text)
        parts.append(f"{sys.executable}:{file}")
    given = [str(ROOT / "tools/parts.sh"), str(lanes), "-p no:cacheprovider", *parts]
    done = subprocess.run(given, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_parts_that_pass_pass(tmp_path: Path) -> None:
    code, said = played(tmp_path, GOOD, GOOD)
    assert (code, said.count(": ok in")) == (0, 2)
    assert "UNSTEADY" not in said


def test_a_part_that_fails_twice_fails_and_the_others_are_played(tmp_path: Path) -> None:
    code, said = played(tmp_path, BAD, GOOD)
    assert (code, said.count(": FAILED in"), said.count(": ok in")) == (1, 2, 1)
    assert "UNSTEADY" not in said


def test_a_part_that_fails_only_beside_others_is_named_at_the_end(tmp_path: Path) -> None:
    code, said = played(tmp_path, UNSTEADY, GOOD)
    assert (code, said.count(": FAILED in"), said.count(": ok in")) == (0, 1, 2)
    last = said.splitlines()[-1]
    assert "UNSTEADY" in last
    assert "test_0.py" in last


def test_three_of_them_are_more_than_bad_luck(tmp_path: Path) -> None:
    code, said = played(tmp_path, *[UNSTEADY] * 3)
    assert (code, said.count(": FAILED in")) == (1, 3)


def test_alone_from_the_start_there_is_no_second_time(tmp_path: Path) -> None:
    code, said = played(tmp_path, UNSTEADY, lanes=1)
    assert (code, said.count(": FAILED in")) == (1, 1)
