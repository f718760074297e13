# SPDX-License-Identifier: Apache-2.0
"""What a job's process does at its fault points, by order of a test: see :mod:`tests.integration.airflow_kill.orders`.

Python imports this file by its name in every process whose PYTHONPATH has its folder; a copy of it lies in the test's own folder, with the
orders beside it, since a job's environment is too clean to carry an address.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
LONGEST = 1500.0  # a test waits less long


def parent_of(process: int) -> int:
    """Return the parent's process id."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def spec_in_sight() -> Any:
    """Return the job's spec from the frames of those who called; a fault point tells its name only."""
    frame = sys._getframe(1)
    while frame is not None:
        spec = frame.f_locals.get("spec")
        if hasattr(spec, "run"):
            return spec
        frame = frame.f_back  # type: ignore[assignment]
    return None


class Orders:
    """Looks for an order at each point, and carries it out; each order once."""

    def __init__(self) -> None:
        self.pipeline: str | None = None
        self.task = ""

    def __call__(self, point: str) -> None:
        """Do what is ordered for this pipeline and point; a process that was to die here does not come back."""
        if self.pipeline is None:
            spec = spec_in_sight()
            self.pipeline, self.task = spec.run.pipeline, spec.task
        order = HERE / "orders" / f"{self.pipeline}@{point}"
        if not order.exists():
            return
        taken = HERE / "taken" / order.name
        act = order.read_text()
        order.rename(HERE / "orders" / f".{order.name}")
        task = os.getppid()
        found = {"act": act, "step": self.task, "job": os.getpid(), "task": task, "supervisor": parent_of(task)}
        draft = taken.with_name(f".{taken.name}")
        draft.write_text(json.dumps(found))
        draft.rename(taken)
        if act != "hold":
            os.kill(found[act], signal.SIGKILL)
        until = time.monotonic() + LONGEST
        while time.monotonic() < until:
            if act == "hold" and (HERE / "go" / order.name).exists():
                return
            time.sleep(0.02)
        (HERE / "survived" / order.name).touch()
        os._exit(99)


if any(word.startswith("airflow_dataops.jobs.") for word in sys.orig_argv):
    from airflow_dataops.core import faults

    _armed = faults.armed(Orders())
    _armed.__enter__()
