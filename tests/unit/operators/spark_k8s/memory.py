# SPDX-License-Identifier: Apache-2.0
"""Kubernetes in memory behind the client's own interface: the machine's simulator, whose clock the performer's waits move."""

from __future__ import annotations

import json
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from airflow_dataops.clients.spark_k8s.documents import document_of, values_of
from airflow_dataops.core.machine import Gone
from airflow_dataops.core.spark_k8s.log_cursor import LogSource
from airflow_dataops.core.spark_k8s.observation import DRIVER_CONTAINER, Look, Observation, Reply
from airflow_dataops.core.spark_k8s.spec import RunParts
from airflow_dataops.core.spark_k8s.state import CallKind, State
from airflow_dataops.core.spark_k8s.turn import Call
from airflow_dataops.operators.spark_k8s import SparkKubernetesSubmitOperator
from tests.unit.core.spark_k8s.simulator import Kube
from tests.unit.operators.shell import Shell

TRACEBACK = 'Traceback (most recent call last):\n  File "/opt/app/job.py", line 3, in <module>\nValueError: no such column: tailnum\n'
SECRET = "s3cr3t/of+the=store"


class World:
    """What a test sees: the cluster, what was created in it, and how many clients are open."""

    def __init__(self) -> None:
        self.kube = Kube(RunParts.model_validate({"app": {}}))
        self.open = 0
        self.settings: list[Any] = []
        self.documents: list[Any] = []
        self.secrets: dict[str, str] = {}
        self.on_sleep: Any = None
        self.line = "hello from the driver"

    def patch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put this world in the place of a cluster."""
        from airflow_dataops.clients import drive as shared
        from airflow_dataops.clients.spark_k8s import client, drive

        async def sleep(seconds: float) -> None:
            self.kube.advance(timedelta(seconds=seconds))
            if self.on_sleep is not None:
                await self.on_sleep()

        monkeypatch.setattr(client, "SparkKubeClient", lambda settings, secrets: Client(self, settings, secrets))
        monkeypatch.setattr(shared, "utcnow", lambda: self.kube.now)
        timed = partial(drive.perform, clock=lambda: self.kube.now, sleep=sleep, jitter=lambda: 0.5)
        monkeypatch.setattr(drive, "perform", timed)

    def works(self) -> int:
        """Count the drivers whose program runs."""
        return sum(pod.works and pod.deleting is None for pod in self.kube.pods.values())

    def settle(self) -> None:
        """Let what is told to go be gone."""
        self.kube.advance(timedelta(seconds=60))


class Client:
    """The client's interface over the simulator."""

    def __init__(self, world: World, settings: Any, secrets: Any) -> None:
        self._world, self._secrets, self.deadline = world, secrets, 0.0
        self.calls: Counter[str] = Counter()
        self._used = False
        world.settings.append(settings)

    async def send(self, run: RunParts, state: State, call: Call) -> Reply:
        self._use()
        kube = self._world.kube
        kube.run, kube.identity = run, state.identity
        if call.kind not in (CallKind.DELETE_POD, CallKind.DELETE_APPLICATION):
            self._world.documents.append(document_of(run, state.identity, call))
        if call.kind is CallKind.CREATE_SECRET:
            found = self._secrets(values_of(run, state.identity, call))
            self._world.secrets |= {name: b64encode(value.encode()).decode() for name, value in found.items()}
        return kube.perform(call)

    async def observe(self, run: RunParts, state: State, look: frozenset[Look], reply: Reply | None) -> Observation:
        self._use()
        kube = self._world.kube
        kube.run, kube.identity = run, state.identity
        return kube.observe(state, look, reply)

    def source(self, pod: str) -> LogSource | None:
        found = self._world.kube.pods.get(pod)
        if found is None:
            return None
        instance = f"i-{found.uid}" if found.began else ""
        return LogSource(pod, found.uid, DRIVER_CONTAINER, instance, ended=found.over is not None)

    async def get(self, path: str, query: Mapping[str, str] | None = None, *, group: str = "v1") -> Any:
        found = self._world.kube.pods.get(path.removeprefix("pods/"))
        if found is None:
            return Gone()
        instance = f"i-{found.uid}" if found.began else ""
        state = {"terminated": {"containerID": instance}} if found.over else {"running": {}}
        status = {"name": DRIVER_CONTAINER, "containerID": instance, "state": state}
        spec = {"containers": [{"name": DRIVER_CONTAINER}]}
        metadata = {"name": found.name, "uid": found.uid}
        return {"metadata": metadata, "spec": spec, "status": {"containerStatuses": [status]}}

    async def stream(self, path: str, query: Mapping[str, str]) -> AsyncIterator[bytes]:
        pod = self._world.kube.pods[path.split("/")[1]]
        assert pod.began is not None
        stamp = pod.began.strftime("%Y-%m-%dT%H:%M:%S")
        yield f"{stamp}.1Z {self._world.line}\n".encode()
        if pod.over is not None:
            yield f"{pod.over.strftime('%Y-%m-%dT%H:%M:%S')}.1Z bye\n".encode()

    async def aclose(self) -> None:
        if self._used:
            self._world.open -= 1
        self._used = False

    def _use(self) -> None:
        if not self._used:
            self._world.open += 1
        self._used = True


def arguments(**policy: Any) -> dict[str, Any]:
    """Return arguments of the operator."""
    return {
        "app": {
            "main": "local:///opt/app/job.py",
            "image": "registry.example.com/spark:3.5.7",
            "event_log": "s3a://logs/events",
            "secret_env": {"STORE_PASSWORD": "conn:store.password"},
        },
        "target": {
            "namespace": "analytics",
            "history_server": "https://history.example.com",
            "console": "https://console.example.com",
        },
        "policy": {"poll": "10s", **policy},
        "instance": "prod",
    }


def connect(monkeypatch: pytest.MonkeyPatch, conn_id: str, **fields: Any) -> None:
    """Make a connection of Airflow's."""
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))


def shell(*, deferrable: bool = True, number: int = 1, **changes: Any) -> Shell:
    made = Shell(SparkKubernetesSubmitOperator(task_id="sum", deferrable=deferrable, **{**arguments(), **changes}))
    made.ti.try_number = number
    made.ti.max_tries = made.operator.retries = 5
    return made
