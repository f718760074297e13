# SPDX-License-Identifier: Apache-2.0
"""Limits that need no file system of one's own: how large a file may get, and a spill folder that is too small."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.bad_day import BAD_DAY, DAY_BEFORE, SALT, SALT_NAME, Lab, orders
from tests.faults.disk import Disk

ROOT = Path(__file__).resolve().parents[2]
_LIMITED = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000)); "
_LIMITED += "from dag_factories.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.mark.integration
@pytest.mark.parametrize("table_format", ["parquet", "delta"])
def test_a_limit_on_the_size_of_files_is_a_full_disk(tmp_path: Path, table_format: str) -> None:
    lab = Lab(tmp_path / "p", table_format)
    lab.put("a.parquet", orders(count=50))
    assert lab.run(DAY_BEFORE).status == 0
    before = lab.files()
    lab.put("a.parquet", orders(count=5000))
    command = [sys.executable, "-c", _LIMITED, "run", str(lab.root / "orders.yaml"), "--date", BAD_DAY]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, SALT_NAME: SALT}, capture_output=True, text=True, check=False
    )
    printed = done.stdout + done.stderr
    assert done.returncode == 1, printed
    assert "DISK_FULL" in printed
    assert "File too large" in printed
    assert "UNEXPECTED" not in printed
    assert SALT not in printed
    assert lab.files() == before
    assert lab.run().status == 0
    assert len(lab.rows()) == 4500


@pytest.mark.integration
@pytest.mark.own_mounts
def test_a_spill_folder_that_is_too_small(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "spill", size=2 * 2**20)
    more = f"resources: {{memory: 160MiB, threads: 1, spill_dir: {disk.path}}}"
    lab = Lab(tmp_path / "p", more=more)
    lab.put("a.parquet", orders(count=50))
    assert lab.run(DAY_BEFORE).status == 0
    before = lab.files()
    lab.put("a.parquet", orders(count=1_500_000))
    day = lab.run()
    assert day.error["code"] in {"SPILL_FULL", "OUT_OF_MEMORY"}, day.error
    assert "resources.spill_dir" in day.error["hint"]
    assert (day.status, lab.files()) == (1, before)
    assert not [path for path in disk.path.rglob("*") if path.is_file()], "what was spilled is gone"
    disk.remount("size=2g")
    day = lab.run()
    assert day.status == 0, day.printed
