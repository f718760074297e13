# SPDX-License-Identifier: Apache-2.0
"""Large tables, jobs as processes of their own, and the highest resident size that the kernel has seen of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
GIB = 2**30


@dataclass(frozen=True)
class Ran:
    """A process that has ended: the document that it printed, and its highest resident size in bytes."""

    document: dict[str, Any]
    peak: int


def large_table(kind: str, rows: int) -> str:
    """Return the path of a table of the benchmarks (``gate`` or ``orders``), made where it is not there yet."""
    command = [sys.executable, str(ROOT / "benchmarks/tables.py"), kind, str(rows)]
    return subprocess.check_output(command, text=True).strip()


def script(name: str, *arguments: str) -> dict[str, Any]:
    """Run a script of the benchmarks and return what it prints."""
    return _ran([sys.executable, str(ROOT / "benchmarks" / name), *arguments]).document


def job(stem: str, spec: dict[str, Any], folder: Path) -> Ran:
    """Run a job as its own process."""
    file = folder / f"{stem}.json"
    file.write_text(json.dumps(spec))
    return _ran([sys.executable, "-P", "-m", f"airflow_dataops.jobs.{stem}", "--spec", str(file)])


def common(lake: Path, task: str, resources: dict[str, Any]) -> dict[str, Any]:
    """Return what the specs of all jobs of a run share."""
    run = {"pipeline": "large", "key": "one"}
    return {"task": task, "lake": str(lake), "run": run, "slice": {"kind": "full"}, "resources": resources}


def _ran(command: list[str]) -> Ran:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SALT": "pepper"}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as log:
        child = subprocess.Popen(command, stdout=out, stderr=log, env=environment)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        log.seek(0)
        printed, logged = out.read().decode(), log.read().decode()
    if child.returncode:
        raise AssertionError(f"{command} failed: {printed}\n{logged[-2000:]}")
    return Ran(json.loads(printed), usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))
