# SPDX-License-Identifier: Apache-2.0
"""kustomize and promtool, from the PATH or from the cache of ``tools/edge_tools.sh``."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
EDGE = ROOT / "infra" / "edge"
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "airflow-dataops" / "edge"


def program(name: str) -> str:
    """Return a program's path; skips the test where it is not there."""
    found = shutil.which(name, path=os.pathsep.join([str(_CACHE), os.environ.get("PATH", "")]))
    if found is None:
        pytest.skip(f"needs {name}: tools/edge_tools.sh {name}")
    return found


def run(name: str, *arguments: str, folder: Path = EDGE) -> subprocess.CompletedProcess[str]:
    """Run one of them, and return what it did."""
    return subprocess.run(
        [program(name), *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )


@cache
def built(folder: str) -> tuple[dict[str, Any], ...]:
    """Return the objects that kustomize makes of a folder below ``infra/edge``."""
    yaml = pytest.importorskip("yaml")
    done = run("kustomize", "build", folder)
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))
