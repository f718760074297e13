# SPDX-License-Identifier: Apache-2.0
"""Tests marked ``own_mounts`` run in a process of their own, whose mounts nobody else sees and which vanish with it."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.disk import can_mount

_INSIDE = "DATAOPS_TEST_OWN_MOUNTS"
_MARK = "own_mounts: runs in a process with mounts of its own (needs root or CAP_SYS_ADMIN; skipped elsewhere)"


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line("markers", _MARK)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a marked test in a child that has unshared its mounts; its failure is this test's failure."""
    if pyfuncitem.get_closest_marker("own_mounts") is None or os.environ.get(_INSIDE):
        return None
    if not _allowed():
        pytest.skip(
            "needs a file system of its own: run as root (`unshare -m` and `mount -t tmpfs` are not allowed here)"
        )
    root = pyfuncitem.config.rootpath
    command = [
        "unshare",
        "-m",
        "--propagation",
        "private",
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    command += ["-p", "no:xdist", "--timeout=230", str(Path(pyfuncitem.nodeid))]
    done = subprocess.run(
        command, cwd=root, env={**os.environ, _INSIDE: "1"}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.fail(f"in a process with its own mounts:\n{done.stdout}\n{done.stderr}", pytrace=False)
    return True


@functools.cache
def _allowed() -> bool:
    return can_mount()
