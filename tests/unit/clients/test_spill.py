# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_dataops.clients.spill import private_folder
from tests.sample_jobs import ROOT

HOLD = """
import sys, time
from pathlib import Path
from airflow_dataops.clients.spill import private_folder
with private_folder(sys.argv[1]) as folder:
    Path(folder, "spilled").write_bytes(b"x" * 1000)
    print(folder, flush=True)
    time.sleep(60)
"""


def holder(parent: Path) -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(parent)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_the_folder_is_there_and_gone_afterwards(tmp_path: Path) -> None:
    with private_folder(str(tmp_path / "new")) as folder:
        Path(folder, "a").write_text("spilled")
        assert Path(folder).parent == tmp_path / "new"
    assert list((tmp_path / "new").iterdir()) == []


def test_it_is_gone_after_an_error_too(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="on purpose"), private_folder(str(tmp_path)):
        raise ValueError("on purpose")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_job_left_is_removed_by_the_next(tmp_path: Path) -> None:
    process, left = holder(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (left / "spilled").exists()
    with private_folder(str(tmp_path)) as folder:
        assert [entry.name for entry in tmp_path.iterdir() if entry.is_dir()] == [os.path.basename(folder)]


def test_what_a_living_job_holds_stays(tmp_path: Path) -> None:
    process, held = holder(tmp_path)
    with private_folder(str(tmp_path)):
        assert (held / "spilled").exists()
    assert (held / "spilled").exists()
    end(process)


def test_other_hosts_and_other_files_are_left_alone(tmp_path: Path) -> None:
    others = [tmp_path / "dataops-spill-otherhost-1", tmp_path / "mine"]
    for other in others:
        other.mkdir()
    (tmp_path / "dataops-spill-otherhost-1.lock").write_text("")
    with private_folder(str(tmp_path)):
        pass
    assert all(other.is_dir() for other in others)
