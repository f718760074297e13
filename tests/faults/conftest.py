# SPDX-License-Identifier: Apache-2.0
"""Tests marked ``own_mounts`` run in a process of their own, whose mounts nobody else sees and which vanish with it."""

from __future__ import annotations

import ctypes
import functools
import multiprocessing
import os
from pathlib import Path

import pytest

from tests.faults.disk import can_mount

_INSIDE = "DATAOPS_TEST_OWN_MOUNTS"
_MARK = "own_mounts: runs in a process with mounts of its own (needs root or CAP_SYS_ADMIN; skipped elsewhere)"
_CLONE_NEWNS, _MS_REC, _MS_PRIVATE = 0x20000, 0x4000, 0x40000


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
    # Forked from a process that has imported what a run needs, which takes longer than most of these tests.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.warm"])
    said = pyfuncitem.funcargs["tmp_path"].with_name(f"{pyfuncitem.funcargs['tmp_path'].name}.said")
    child = context.Process(target=_inside, args=(str(pyfuncitem.config.rootpath), pyfuncitem.nodeid, str(said)))
    child.start()
    child.join()
    if child.exitcode:
        told = said.read_text(errors="replace") if said.exists() else ""
        pytest.fail(f"in a process with its own mounts, which ended with {child.exitcode}:\n{told}", pytrace=False)
    return True


def _inside(root: str, test: str, said: str) -> None:
    """Run one test, with mounts of this process's own; its exit code is that of pytest."""
    os.chdir(root)
    os.environ[_INSIDE] = "1"
    output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(output, 1)
    os.dup2(output, 2)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS) or libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None):
        raise OSError(ctypes.get_errno(), "no mounts of one's own")
    raise SystemExit(
        int(pytest.main(["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--timeout=580", str(Path(test))]))
    )


@functools.cache
def _allowed() -> bool:
    return can_mount()
