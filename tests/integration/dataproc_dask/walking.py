# SPDX-License-Identifier: Apache-2.0
"""A run that is killed at one of its calls, and what a successor makes of it."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.drawing import drawing
from tests.integration import forking
from tests.integration.dataproc_dask.driving import HELD, SPEED, Driven, driven, let_end, settings
from tests.integration.forking import Walker
from tests.services.dataproc_fake.running import ROOTS, FakeDataproc

# A new try of the task; a trigger that goes on with the last state that was kept; or nobody at all.
KINDS = ("try", "resume", "nobody")
BY = ("client", "operator")
POLL = 5.0
CREATE = 600.0
# Each kind of call that a clean run makes, and those that it makes again.
POINTS = [
    ("ListClusters", 1), ("ListJobs", 1), ("CreateCluster", 1), ("GetOperation", 1), ("GetOperation", 2), ("GetCluster", 1),
    ("SubmitJob", 1), ("GetJob", 1), ("GetJob", 2), ("DeleteCluster", 1), ("ListClusters", 2),
]  # fmt: skip


@dataclass(frozen=True)
class Case:
    """Where a run dies.

    Attributes:
        kind: Who goes on.
        nth: The call at which it is killed: its effect is there, its answer is not.
        method: Only calls of this method are counted; empty for all.
        fault: What goes wrong besides.
        clusters: How many clusters are made in all.
        by: Who makes the calls: the ``client`` or the ``operator``.
    """

    kind: str
    nth: int
    method: str = ""
    fault: str = ""
    clusters: int = 1
    by: str = "client"

    def __str__(self) -> str:
        return f"{self.method or 'call'} {self.nth} of the {self.by}, then {self.kind}" + (
            f", with {self.fault}" if self.fault else ""
        )


@contextmanager
def walker(module: str = "walker") -> Iterator[Walker]:
    """Start a server that forks; the module beside this one says what its children do."""
    with forking.walker(f"tests.integration.dataproc_dask.{module}") as server:
        yield server


class Lived:
    """One run and the processes that drive it, one after another: the client's performer here, see ``walker.py``."""

    def __init__(self, walker: Walker, fake: FakeDataproc, folder: Path, fault: str = "") -> None:
        self.project = fake.project(dask_workers=0, speed=SPEED, create=CREATE, delete=10)
        if fault:
            self.project.arm(fault)
        self.folder, self._walker, self.tries = folder, walker, 0
        self._may_come = self._may_end = False
        self._since = 0
        self.prepare()

    def prepare(self) -> None:
        """Write down what is to be run."""
        self.driven: Driven = driven(self.project, HELD, poll=POLL)
        self.idle = self.driven.run.cluster.idle_delete_ttl

    def ready(self, kind: str) -> None:
        """Come to where the first process begins."""

    def told(self, kind: str) -> dict[str, Any]:
        """Return what the next process is told, if it begins as the kind of a case says."""
        given, states = settings(self.project), self.folder / "states"
        return {
            "run": self.driven.run.model_dump(mode="json"),
            "identity": self.driven.identity.model_dump(mode="json"),
            "credentials": self.project.fake.credential_document(),
            "endpoint": given.dataproc_endpoint,
            "storage": given.storage_endpoint,
            "environment": {ROOTS: str(self.project.fake.authority)},
            "try_number": self.tries,
            "states": str(states),
            "state": states.read_text().splitlines()[-1] if kind == "resume" and states.exists() else None,
        }

    def judge(self, kind: str, outcome: Any) -> Any:
        """Return the failure that a process left behind; None for a success."""
        return outcome

    def start(self, kind: str) -> int:
        """Start a process; return its id."""
        self.tries += 1
        self._since = len(self.project.calls())
        clock = self.project.clock
        (self.folder / "outcome").unlink(missing_ok=True)
        told = self.told(kind) | {"clock": [clock.real, clock.virtual, clock.speed]}
        told |= {name: str(self.folder / name) for name in ("log", "outcome")}
        return int(self._walker.ask({"start": told})["pid"])

    def ended(self, pid: int) -> bool:
        """Tell whether a process has ended."""
        return self._walker.ask({"look": pid})["code"] is not None

    def let_end(self) -> None:
        """Let the job end."""
        if not self._may_end:
            self._may_end = True
            let_end(self.project)

    def let_come(self) -> None:
        """Let the cluster come up."""
        if not self._may_come:
            self._may_come = True
            self.project.configure(advance=CREATE)

    def _looked_twice(self) -> None:
        """Let the cluster come up, and the job end, once the present process has looked at it for the second time."""
        looks = Counter(call["method"] for call in self.project.calls()[self._since :])
        if max(looks["GetOperation"], looks["GetCluster"]) > 1:
            self.let_come()
        if looks["GetJob"] > 1:
            self.let_end()

    def kill_at(self, case: Case) -> bool:
        """Start a process and kill it at its n-th call, of one method or of all; return whether it came so far."""
        self.ready(case.kind)
        self.project.arm("reply_held", nth=case.nth, **({"method": case.method} if case.method else {}))
        pid = self.start(case.kind)
        over: list[bool] = []

        def held() -> bool:
            self._looked_twice()
            over.append(self.ended(pid))
            return over[-1] or any("reply_held" in call["faults"] for call in self.project.calls())

        self.project.wait(held, 300)
        if not over[-1]:
            os.kill(pid, signal.SIGKILL)
            self.project.wait(lambda: self.ended(pid))
        if case.kind == "nobody":
            self.let_come()
            self.let_end()
        return not over[-1]

    def finish(self, kind: str) -> Any:
        """Let a successor go on to the end; return the failure, None for a success."""
        pid = self.start(kind)

        def over() -> bool:
            self._looked_twice()
            return self.ended(pid)

        self.project.wait(over, 300)
        outcome = self.folder / "outcome"
        assert outcome.exists(), (self.folder / "log").read_text()[-3000:]
        return self.judge(kind, json.loads(outcome.read_text()))


def check(lived: Lived, case: Case) -> float | None:
    """Kill a run, let a successor finish it, and look at what was made, what is left, and what was billed.

    Returns:
        Seconds, by the project's clock, that were billed because nobody had said that the cluster is to go: from the job's end, or from the
        successor's first call where that came later. None where the run ended before it could be killed.
    """
    if not lived.kill_at(case):
        return None
    before = len(lived.project.calls())
    if case.kind == "nobody":
        return _left_alone(lived, case, before)
    failure = lived.finish(case.kind)
    assert failure is None, f"{case}: {failure}"
    bill, (job,) = lived.project.bill(), lived.project.fake.ask("jobs", project=lived.project.id)
    assert len(bill["clusters"]) == case.clusters, f"{case}: {bill}"
    assert lived.project.billing() == [], f"{case}: {bill}"
    own = lived.project.calls()[before:]
    since = max(job["ended"], own[0]["time"])
    late = [call for call in own if call["time"] > since]
    looks = [call["method"] for call in late]
    # It deletes at the first look after the end: no second look at the job, nor at anything else, comes before.
    until = looks.index("DeleteCluster") if "DeleteCluster" in looks else 0
    assert looks[:until].count("GetJob") <= 1, f"{case}: {looks}"
    assert until <= 4, f"{case}: {looks}"
    return float(late[until]["time"] - since) if until else 0.0


def _left_alone(lived: Lived, case: Case, before: int) -> float:
    """Let the cluster's idle time to live pass with nobody there; return how long it was billed after its last work."""
    project, fake = lived.project, lived.project.fake
    project.wait(lambda: all(job["ended"] for job in fake.ask("jobs", project=project.id)))
    project.wait(lambda: not [one for one in project.billing() if one["state"] == "CREATING"])
    busy = [job["ended"] for job in fake.ask("jobs", project=project.id)] or [project.refresh().timestamp()]
    project.pass_time(lived.idle)
    project.wait(lambda: not project.billing())
    assert len(project.calls()) == before, f"{case}: somebody called"
    made = project.bill()["clusters"]
    assert len(made) <= case.clusters, f"{case}: {made}"
    return max([cluster["gone"] - max(busy) for cluster in made], default=0.0)


def points(by: str, kind: str) -> list[tuple[str, int]]:
    """Return where such a process can be killed: a task that is deferred has asked for its cluster before."""
    return [point for point in POINTS if (by, kind, point[0]) != ("operator", "resume", "CreateCluster")]


def drawn(count: int) -> tuple[str, list[Case]]:
    """Return the commit's hash, or a fixed text where there is no git, and cases drawn from it."""
    seed, draw = drawing()
    return seed, draw.sample(
        [Case(kind, nth, method, by=by) for by in BY for kind in KINDS for method, nth in points(by, kind)], count
    )
