# SPDX-License-Identifier: Apache-2.0
"""A command that dies with the process that asked for it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


def ended(*argv: str) -> tuple[int, str, str]:
    """Run a command to its end; returns the exit code and both outputs."""
    order = json.dumps({"argv": argv, "env": {"PATH": "/usr/bin:/bin", "WORD": "given"}})
    child = subprocess.Popen(
        [sys.executable, "-m", "airflow_dataops.jobs.command"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    with child:
        child.stdin.write(order + "\n")
        child.stdin.flush()
        return child.wait(120), child.stdout.read(), child.stderr.read()


@pytest.mark.parametrize(
    ("argv", "code", "log"),
    [
        (("sh", "-c", "echo $WORD; echo and >&2"), 0, "given\nand\n"),
        (("sh", "-c", "exit 7"), 7, ""),
        (("sh", "-c", "kill -KILL $$"), 137, ""),
        (("/nowhere/spark-submit",), 127, "/nowhere/spark-submit: No such file or directory\n"),
        (("/",), 126, "/: Permission denied\n"),
    ],
)
def test_its_code_is_the_commands_and_all_that_is_written_is_log(argv: tuple[str, ...], code: int, log: str) -> None:
    assert ended(*argv) == (code, "", log)
