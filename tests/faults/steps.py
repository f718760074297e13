# SPDX-License-Identifier: Apache-2.0
"""The steps of a run, one after the other in one process of their own, which dies or waits at a place that a test has chosen."""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airflow_dataops.core import faults
from airflow_dataops.core.faults import FaultPoint
from airflow_dataops.core.tables import JobSpec
from airflow_dataops.jobs import dq_gate, maintain, process, publish, refine, report
from tests.faults.planted import plant

_JOBS: dict[str, Any] = {
    "dq_gate": dq_gate.run, "refine": refine.run, "publish": publish.run, "report": report.run, "maintain": maintain.run,
}  # fmt: skip
# Whoever waits while it holds the lease of a table makes all others wait for it.
_WITHOUT_LEASE = {"job", "gate", "refine", "report"}
_PATIENCE = 300.0


@dataclass(frozen=True)
class Stop:
    """Where a process stops.

    Attributes:
        at: The place: its number, from 0, of those that it comes to, or its name.
        go: File for which it waits there; None: it is killed there.
        far: It works on another host, as far as its leases tell, and renews none of them: whoever waits for it takes the table over.
    """

    at: int | str
    go: str | None = None
    far: bool = False


@dataclass
class Running:
    """A run in a process of its own."""

    child: Any
    folder: Path
    stop: Stop | None

    def ended(self) -> Ended:
        """Wait for its end."""
        self.child.join(400)
        assert self.child.exitcode is not None, f"still at {_lines(self.folder / 'trace')[-1:]}"
        found = _lines(self.folder / "results")
        killed = self.child.exitcode == -signal.SIGKILL
        assert killed or self.child.exitcode == 0, (self.folder / "said").read_text()
        return Ended(killed, [json.loads(line) for line in found], _lines(self.folder / "trace"))

    def wait_until_it_waits(self) -> bool:
        """Return True once it waits, False if it ended without."""
        deadline = time.monotonic() + _PATIENCE
        while not (self.folder / "waits").exists():
            if self.child.exitcode is not None:
                return False
            assert time.monotonic() < deadline
            time.sleep(0.002)
        return True

    def go_on(self) -> None:
        """Let it go on."""
        assert self.stop is not None
        assert self.stop.go is not None
        Path(self.stop.go).touch()


@dataclass(frozen=True)
class Ended:
    """What became of a run.

    Attributes:
        killed: Whether it was killed.
        results: Result documents of its steps, as far as it came.
        trace: Places that it came to.
    """

    killed: bool
    results: list[dict[str, Any]] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)

    def result(self, task: str) -> dict[str, Any] | None:
        """Return the result of a step; None where it left none."""
        return next((one for one in self.results if one["task"] == task), None)

    @property
    def codes(self) -> list[str]:
        """Codes of the errors of its steps."""
        return [one["error"]["code"] for one in self.results if one["error"]]

    @property
    def published(self) -> bool:
        """Whether the publish step ended well."""
        result = self.result("publish")
        return result is not None and result["status"] == "ok"


def start(specs: list[JobSpec], folder: Path, stop: Stop | None = None, bug: str | None = None) -> Running:
    """Start a run; a step that fails ends it, except for the report. ``bug``: see :mod:`tests.faults.planted`."""
    folder.mkdir(parents=True)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.faults.preload"])
    steps = [(spec.job, spec.model_dump_json()) for spec in specs]
    child = context.Process(target=_work, args=(steps, str(folder), stop, bug))
    child.start()
    return Running(child, folder, stop)


def _work(steps: list[tuple[str, str]], folder: str, stop: Stop | None, bug: str | None) -> None:
    said = os.open(f"{folder}/said", os.O_WRONLY | os.O_CREAT, 0o644)
    os.dup2(said, 1)
    os.dup2(said, 2)
    plant(bug)
    if stop is not None and stop.far:
        _go_far_away()
    failed = False
    with faults.armed(_hook(folder, stop)), open(f"{folder}/results", "w", encoding="utf-8") as out:
        for job, text in steps:
            if failed and job != "report":
                continue
            kind = process_spec(job)
            result = process.execute(kind.model_validate_json(text), _JOBS[job], {}, lambda _line: None)
            failed = failed or result.status != "ok" or getattr(result, "verdict", None) == "failed"
            out.write(result.model_dump_json() + "\n")
            out.flush()


def _go_far_away() -> None:
    """Hold leases as a process does that another host has put to sleep: nobody here can ask for it, and it renews nothing."""
    lease: Any = importlib.import_module("airflow_dataops.clients.lease")
    here, alive = lease._host(), lease._alive
    lease._host = lambda: "another host"
    lease._alive = lambda holder, asker: alive(holder, asker.model_copy(update={"host": here}))
    lease.Lease._renew = lambda _lease: None
    lease.Lease.__init__.__kwdefaults__["seconds"] = 0.05


def process_spec(job: str) -> Any:
    """Return the model of a job's spec."""
    from airflow_dataops.core.dq_gate.spec import GateSpec
    from airflow_dataops.core.refine.maintain import MaintainSpec
    from airflow_dataops.core.refine.spec import PublishSpec, RefineSpec, ReportSpec

    kinds: dict[str, Any] = {
        "dq_gate": GateSpec, "refine": RefineSpec, "publish": PublishSpec, "report": ReportSpec, "maintain": MaintainSpec,
    }  # fmt: skip
    return kinds[job]


def _hook(folder: str, stop: Stop | None) -> faults.Hook:
    trace = os.open(f"{folder}/trace", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    seen = -1

    def hook(point: FaultPoint) -> None:
        nonlocal seen
        os.write(trace, f"{point.value}\n".encode())
        if stop is None or (
            stop.go is not None and not stop.far and point.value.partition(".")[0] not in _WITHOUT_LEASE
        ):
            return
        seen += 1
        if stop.at not in (seen, point.value) or Path(folder, "waits").exists():
            return
        if stop.go is None:
            os.kill(os.getpid(), signal.SIGKILL)
        Path(folder, "waits").touch()
        deadline = time.monotonic() + _PATIENCE
        while not os.path.exists(stop.go or "") and time.monotonic() < deadline:
            time.sleep(0.002)

    return hook


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


__all__ = ["Ended", "Running", "Stop", "start"]
