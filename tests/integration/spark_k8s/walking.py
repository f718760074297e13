# SPDX-License-Identifier: Apache-2.0
"""A task of the operator whose processes are killed at one of their calls, and what the next ones make of it.

``try``: the worker waits, its process is killed, and the task's next try goes on. ``resume``: the task is deferred, the triggerer's process
is killed, and another one takes the same trigger. ``complete``: the process is killed that takes the trigger's event, and the next try goes on.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.drawing import drawing
from tests.integration.forking import Walker
from tests.integration.spark_k8s.gates import Gates
from tests.integration.spark_k8s.operating import arguments, environment
from tests.integration.spark_k8s.scanning import Scan, leaks
from tests.services.kube.accounts import Namespace, until
from tests.services.kube.podrunner import PodRunner
from tests.services.kube.proxy import Call, Fault, Proxy

LINES = 6
KINDS = ("try", "resume", "complete")
# Each kind of call that an undisturbed run makes, and those that it makes again: of the waiting worker, and of the trigger.
POINTS: dict[str, list[tuple[str, str, int]]] = {
    "try": [
        ("list", "pods", 1), ("create", "pods", 1), ("list", "pods", 2), ("create", "configmaps", 1), ("create", "secrets", 1),
        ("get", "pods", 1), ("list", "events", 1), ("get", "pods", 2), ("get", "pods/log", 1),
        ("get", "pods/log", 2), ("delete", "pods", 1),
    ],
    "resume": [("get", "pods", 1), ("get", "pods", 2), ("get", "pods/log", 1), ("get", "pods/log", 2)],
    "complete": [("delete", "pods", 1)],
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """Where a process dies.

    Attributes:
        kind: Whose process, and who goes on.
        nth: The call at which it is killed.
        verb: Only calls of this verb are counted; empty for all.
        of: Only calls of this kind of objects; empty for all.
        deed: ``hold``: the call has done its work, and its answer is not there. ``late``: it does its work after the death.
    """

    kind: str
    nth: int
    verb: str = ""
    of: str = ""
    deed: str = "hold"

    def __str__(self) -> str:
        what = f"{self.verb} {self.of}" if self.verb else "call"
        return f"{what} {self.nth}, then {self.kind}" + (", the call comes late" if self.deed == "late" else "")


class Life:
    """One task in a namespace of its own, and the processes that run it, one after another."""

    def __init__(self, forks: Walker, node: PodRunner, proxy: Proxy, namespace: Namespace, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.namespace, self.proxy, self.folder, self.gates = namespace, proxy, folder, Gates()
        self._forks, self._node = forks, node
        self.environment = environment(namespace, proxy.url)
        self.logs: list[Path] = []

    def start(self, do: str, number: int = 1, **told: Any) -> int:
        """Start a process; return its id."""
        self.logs.append(self.folder / f"{len(self.logs)}-{do}.log")
        self.outcome.unlink(missing_ok=True)
        given = arguments(
            self.namespace, "lines.py", str(LINES), "0.1", f"{self.gates.url}/end", deferrable=do != "run"
        )
        order = {"do": do, "try": number, "arguments": given, **told}
        order |= {"log": str(self.logs[-1]), "outcome": str(self.outcome), "environment": self.environment}
        return int(self._forks.ask({"start": order})["pid"])

    def let_end(self) -> None:
        """Let the driver come to its end, which it waits to do, or the run might be over before anybody is killed."""
        self.gates.open.add("end")

    def close(self) -> None:
        """Let go of what it needs."""
        self.proxy.release()
        self.gates.close()

    @property
    def outcome(self) -> Path:
        """File with what the present process came to."""
        return self.folder / "outcome"

    def ended(self, pid: int) -> bool:
        """Tell whether a process has ended."""
        return self._forks.ask({"look": pid})["code"] is not None

    def run(self, do: str, number: int = 1, **told: Any) -> Any:
        """Let a process do its work, to the end; return what it came to."""
        pid = self.start(do, number, **told)
        try:
            until(lambda: self.ended(pid), 300)
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
        assert self.outcome.exists(), "\n".join([*map(str, self.proxy.calls[-20:]), self.logs[-1].read_text()[-3000:]])
        return json.loads(self.outcome.read_text())

    def kill_at(self, case: Case, do: str, **told: Any) -> bool:
        """Start a process and kill it at a call; tell whether it came so far."""
        fault = Fault("late" if case.deed == "late" else "hold", case.verb, case.of, case.nth)
        self.proxy.arm(fault)
        pid = self.start(do, **told)
        over: list[bool] = []

        def held() -> bool:
            over.append(self.ended(pid))
            return over[-1] or self.proxy.holds

        until(held, 300)
        if not over[-1]:
            os.kill(pid, signal.SIGKILL)
            until(lambda: self.ended(pid))
        self.proxy.disarm()
        if case.deed != "late":
            self.proxy.release()
        self.let_end()
        return not over[-1]

    def through(self, case: Case) -> tuple[bool, Any]:
        """Live the task's life with a death in it; return whether it died, and what the task came to."""
        of_the_whole_run = case.verb in ("", "delete")
        if case.kind == "try":
            if of_the_whole_run:
                self.let_end()
            died = self.kill_at(case, "run")
            return died, self.run("run", 2)
        trigger = self.run("begin")
        if of_the_whole_run:
            self.let_end()
        if case.kind == "complete":
            died = self.kill_at(case, "complete", event=self.run("trigger", arguments=trigger))
            return died, self.run("run", 2)
        died = self.kill_at(case, "trigger", arguments=trigger)
        return died, self.run("complete", event=self.run("trigger", arguments=trigger))


def check(life: Life, scan: Scan, case: Case) -> bool:
    """Live through a death, and look at what was made, what is told, and what is left; tell whether there was a death."""
    try:
        died, found = life.through(case)
    finally:
        life.close()
    if not died:
        return False
    said = "".join(f"\n--- {path.name}\n{path.read_text()[-2500:]}" for path in life.logs)
    assert isinstance(found, Mapping), f"{case}: {found}{said}"
    assert (found.get("exit_code"), found.get("result")) == (0, {"rows": 7}), f"{case}: {found}{said}"
    _check_drivers(life, scan, case, said)
    _check_logs(life.logs, case)
    assert leaks(said) == [], case
    return True


def _check_drivers(life: Life, scan: Scan, case: Case, said: str) -> None:
    """See to it that each attempt had one driver, that none was started twice, and that two were never at work at once."""
    drivers, starts = scan.audit.drivers(), scan.starts()
    # Killed when the driver was told to go, and Airflow was not told yet how it ended: the task begins anew.
    again = 2 if _has_deleted(life.proxy.calls) or case.deed == "late" else 1
    assert len(drivers) == len(set(drivers)) <= again, f"{case}: {drivers}{said}"
    assert len(starts) == len(set(starts)) >= 1, f"{case}: {starts}{said}"
    assert set(starts) <= set(drivers)
    assert most_at_once(scan.audit.versions("pods")) == 1, f"{case}: two at work{said}"
    left = life.namespace.api("GET", life.namespace.path("pods"))["items"]
    alive = [pod["metadata"]["name"] for pod in left if pod["status"]["phase"] == "Running"]
    assert [name for name in alive if not _is_going(life.namespace, name)] == [], f"{case}{said}"


def _is_going(namespace: Namespace, name: str) -> bool:
    pod = namespace.pod(name)
    return pod is None or "deletionTimestamp" in pod["metadata"]


def _has_deleted(calls: Sequence[Call]) -> bool:
    """Tell whether the process was killed when it had told its driver to go."""
    held = next((call.number for call in calls if {"hold", "late"} & set(call.deeds)), 0)
    return any(call.verb == "delete" for call in calls[:held])


def _check_logs(logs: Sequence[Path], case: Case) -> None:
    """See to it that no process told a line of the driver twice, and that the last try, or those that shared one, told them all."""
    texts = [path.read_text() for path in logs]
    lines = [f"line {number} of the driver" for number in range(LINES)]
    for text in texts:
        assert [line for line in lines if text.count(line) > 1] == [], f"{case}: told twice\n{text[-3000:]}"
    last = texts[-1] if logs[-1].name.endswith("run.log") else "".join(texts)
    assert [line for line in lines if line not in last] == [], f"{case}: lost\n{last[-3000:]}"


def most_at_once(versions: Sequence[Mapping[str, Any]]) -> int:
    """Return how many drivers were ``Running`` at once, by what the API server showed."""
    phases: dict[str, str] = {}
    most = 0
    for pod in versions:
        if pod["metadata"].get("labels", {}).get("spark-role") == "driver":
            phases[pod["metadata"]["uid"]] = pod["status"].get("phase", "")
            most = max(most, sum(phase == "Running" for phase in phases.values()))
    return most


def drawn(count: int) -> tuple[str, list[Case]]:
    """Return the commit's hash, or a fixed text where there is no git, and cases drawn from it."""
    seed, draw = drawing()
    return seed, draw.sample([Case(kind, nth, verb, of) for kind in KINDS for verb, of, nth in POINTS[kind]], count)
