# SPDX-License-Identifier: Apache-2.0
"""The services that the initialization action writes start a scheduler and a worker, as they stand."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.ports import free_port
from tests.unit.resources.dataproc.machine import Machine

pytestmark = [pytest.mark.integration]
pytest.importorskip("distributed", reason="needs distributed: pip install 'airflow-dataops[dask]'")


def command(folder: Path, role: str, changes: dict[str, str]) -> list[str]:
    """Return the command of a node's service, with the places of this machine in it."""
    folder.mkdir()
    machine = Machine(folder)
    machine.metadata(**{"dataproc-role": role})
    machine.good()
    text = next((machine.root / "etc/systemd/system").glob("*.service")).read_text()
    found = re.search(r"^ExecStart=(.*)$", text, re.MULTILINE)
    assert found is not None
    line = found[1]
    for old, new in changes.items():
        assert old in line
        line = line.replace(old, new)
    return shlex.split(line)


def test_the_services_find_each_other(tmp_path: Path) -> None:
    from distributed import Client

    python, port = "/opt/dataops/env/bin/python", str(free_port())
    scheduler = command(
        tmp_path / "m", "Master", {python: sys.executable, "8786": port, ":8787": f"127.0.0.1:{free_port()}"}
    )
    places = {
        python: sys.executable,
        "cluster-m:8786": f"127.0.0.1:{port}",
        "/var/lib/dataops": str(tmp_path),
        "%H": "node-1",
    }
    worker = command(tmp_path / "w", "Worker", places)
    processes = [
        subprocess.Popen([*line, "--host", "127.0.0.1"], cwd=tmp_path, stderr=subprocess.DEVNULL)
        for line in (scheduler, worker)
    ]
    try:
        with Client(f"tcp://127.0.0.1:{port}", timeout=120) as client:
            client.wait_for_workers(1, timeout=120)
            (found,) = client.scheduler_info()["workers"].values()
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait(60)
    assert found["name"] == "node-1"
    assert 0.5 * total_memory() < found["memory_limit"] < 0.9 * total_memory()


def total_memory() -> int:
    from distributed.system import MEMORY_LIMIT

    return int(MEMORY_LIMIT)
