# SPDX-License-Identifier: Apache-2.0
"""A task whose supervisor is gone ends its job; one whose shell is gone goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_dataops.operators._job import supervised

pytestmark = pytest.mark.airflow


def _seen_by_the_child(answer: Path, *, parent_leads: bool) -> str:
    """Start a parent, and a child of it that asks before and after the parent was killed.

    In a process of its own: one in which other tests have used gRPC cannot fork any more.
    """
    call = f"from {__name__} import see; from pathlib import Path; see(Path({str(answer)!r}), {parent_leads})"
    subprocess.run([sys.executable, "-c", call], check=True, timeout=300, cwd=Path(__file__).parents[3])
    return answer.read_text()


def see(answer: Path, parent_leads: bool) -> None:
    """Do what :func:`_seen_by_the_child` says; the answer is a file."""
    ready, go = os.pipe(), os.pipe()
    parent = os.fork()
    if parent == 0:
        if parent_leads:
            os.setsid()
        if os.fork() == 0:
            wanted = supervised()
            before = wanted()
            os.write(ready[1], b"x")
            os.read(go[0], 1)
            answer.write_text(f"{before} {wanted()}")
            os.write(ready[1], b"x")
            os._exit(0)
        signal.pause()
    os.read(ready[0], 1)
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    os.write(go[1], b"x")
    os.read(ready[0], 1)


def test_a_task_is_not_wanted_once_its_supervisor_is_gone(tmp_path: Path) -> None:
    assert _seen_by_the_child(tmp_path / "answer", parent_leads=False) == "True False"


def test_a_task_that_outlives_the_shell_that_started_it_goes_on(tmp_path: Path) -> None:
    assert _seen_by_the_child(tmp_path / "answer", parent_leads=True) == "True True"
