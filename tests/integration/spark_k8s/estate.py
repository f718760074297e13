# SPDX-License-Identifier: Apache-2.0
"""A real Airflow with one DAG for each death, all of them in one namespace of a real Kubernetes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.integration.airflow_kill.estate import PATIENCE, RUN, A, Runs, airflow_with
from tests.integration.airflow_kill.stack import wait_for
from tests.integration.spark_k8s.gates import Gates
from tests.integration.spark_k8s.operating import arguments, environment
from tests.integration.spark_k8s.scanning import Scan
from tests.services.kube.accounts import Namespace


@dataclass
class Estate(Runs[A]):
    """An Airflow, and the namespace of its drivers.

    Attributes:
        begun: Names of the DAGs that run, or have run.
    """

    namespace: Namespace
    scan: Scan
    gates: Gates
    begun: set[str] = field(default_factory=set)

    def begin(self, *names: str) -> None:
        """Start the runs of DAGs that have not been started yet."""
        for name in names:
            if name not in self.begun:
                self.begun.add(name)
                self.airflow.trigger(name, RUN)

    def drivers(self, name: str) -> list[str]:
        """Return the names of all drivers that a DAG ever had."""
        versions = self.scan.audit.versions("pods")
        found = [one["metadata"] for one in versions if _dag_of(one) == name]
        return list({meta["uid"]: meta["name"] for meta in found}.values())

    def at_work(self, name: str) -> list[Any]:
        """Return a DAG's drivers that are there."""
        found = self.namespace.api("GET", self.namespace.path("pods"))["items"]
        return [one for one in found if _dag_of(one) == name]

    def wait_until_gone(self, name: str) -> None:
        """Wait until there is no driver of a DAG."""
        wait_for(f"the end of the drivers of {name}", lambda: not self.at_work(name), PATIENCE)

    def running(self, name: str) -> None:
        """Wait until the driver of a DAG runs, and its log is told: whoever waits for it knows it."""
        self._wait_for_line(name, "*.log")

    def deferred(self, name: str) -> None:
        """Wait until the task of a DAG is deferred, and the trigger tells the driver's log."""
        self.wait_for_deferral(name)
        self._wait_for_line(name, "*.trigger.*.log")

    def lines(self, name: str) -> Counter[int]:
        """Return how often each line of a DAG's driver is in the task's log."""
        return _lines(self.log(name))

    def written(self, name: str) -> int:
        """Return how many lines a DAG's driver has written: it asks at its gate after each."""
        return [path for path, *_ in self.gates.seen].count(f"/{name}")

    def finish(self, name: str) -> str:
        """Let the drivers of a DAG go on, and return how its run ended."""
        self.gates.open.add(name)
        return self.ended(name)

    def check_one_driver(self, name: str) -> None:
        """See to it that there was one driver, which was started once, and is gone."""
        drivers = self.drivers(name)
        assert len(drivers) == self.scan.starts().count(drivers[0]) == 1
        self.wait_until_gone(name)

    def _wait_for_line(self, name: str, pattern: str) -> None:
        logs = self.airflow.home / "logs"

        def look() -> bool:
            return any(_lines(file.read_text()) for file in logs.glob(f"**/dag_id={name}/**/{pattern}"))

        wait_for(f"the driver's lines in {pattern} of {name}", look, PATIENCE)


def _lines(log: str) -> Counter[int]:
    return Counter(int(number) for number in re.findall(r"line (\d+) of the driver", log))


def _dag_of(pod: Mapping[str, Any]) -> str:
    return str(pod["metadata"].get("annotations", {}).get("dataops/dag-id", ""))


@contextmanager
def estate_of(
    kind: type[A], namespace: Namespace, scan: Scan, folder: Path, deferred: Mapping[str, bool]
) -> Iterator[Estate[A]]:
    """An Airflow that knows all DAGs; their drivers write a line each half second until they may end.

    Args:
        kind: Which Airflow.
        namespace: Where their drivers are.
        scan: Of the namespace.
        folder: For everything.
        deferred: Name of a DAG -> whether its task waits in the triggerer.
    """
    policy = {"poll": "2s", "keep_failed_for": None}
    gates = Gates()
    given = {
        name: arguments(namespace, "waits.py", f"{gates.url}/{name}", deferrable=in_trigger, policy=policy)
        for name, in_trigger in deferred.items()
    }
    operator = "airflow_dataops.operators.spark_k8s.SparkKubernetesSubmitOperator"
    try:
        with airflow_with(kind, folder, operator, given, environment(namespace)) as airflow:
            yield Estate(airflow, folder, namespace, scan, gates)
    finally:
        gates.close()
