# SPDX-License-Identifier: Apache-2.0
"""The client against a real API server, with a token that may do only what Airflow needs."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.clients.spark_k8s.client import SparkKubeClient
from airflow_dataops.clients.spark_k8s.pod_log import PodLog
from airflow_dataops.clients.spark_k8s.settings import KubeSettings
from airflow_dataops.core.machine import Accepted, CallError, Gone
from airflow_dataops.core.spark_k8s.log_cursor import LogCursor
from airflow_dataops.core.spark_k8s.observation import PodView
from airflow_dataops.core.spark_k8s.turn import Step
from tests.integration.spark_k8s.gates import Gates
from tests.integration.spark_k8s.running import Clock, driven, run_of, settings_of
from tests.services.kube.accounts import Namespace, pod
from tests.services.kube.kube_server import KubeServer
from tests.services.kube.podrunner import PodRunner
from tests.services.kube.stand_in import PATTERN, stand_in
from tests.unit.clients.logs import lines_of

PROGRAMS = {
    "good.py": """
import os, sys, time
print("begun by", os.getuid())
time.sleep(float(sys.argv[1]) if sys.argv[1:] else 0)
open("/dev/termination-log", "w").write('{"rows": 7}')
print("done")
""",
    "held.py": """
import sys, time, urllib.request
while True:
    try:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sys.argv[1]).read()
        break
    except OSError:
        time.sleep(0.2)
print("done")
""",
    "bad.py": "print('so far'); raise ValueError('no such column: tailnum')",
    "talk.py": """
import sys, time
for number in range(60):
    print("out", number)
    print("err", number, file=sys.stderr)
    time.sleep(0.02)
""",
}


@pytest.fixture(scope="module", autouse=True)
def image(node: PodRunner, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Make images ``stand-in/*`` of Spark's manner."""
    if not node.isolate:
        pytest.skip("needs root: an image's files are laid over the host's")
    folder: Path = tmp_path_factory.mktemp("image")
    node.images[PATTERN] = stand_in(folder, PROGRAMS)


def test_a_run_is_driven_to_its_end_and_told(namespace: Namespace) -> None:
    outcome, lines, client = asyncio.run(driven(namespace, run_of(namespace, "good.py")))
    assert outcome.failure is None
    assert (outcome.summary.exit_code, outcome.summary.result) == (0, '{"rows": 7}')
    assert lines[-1] == "done"
    assert client.calls["POST pods"] == client.calls["POST configmaps"] == 1


def test_a_program_that_fails_is_told_with_its_own_words(namespace: Namespace) -> None:
    outcome, lines, _ = asyncio.run(driven(namespace, run_of(namespace, "bad.py")))
    assert outcome.failure is not None
    assert (outcome.failure.code, "no such column: tailnum" in outcome.failure.message) == ("APP_ERROR", True)
    assert lines[0] == "so far"


def test_a_run_goes_on_through_a_restart_of_the_api_server(namespace: Namespace, kube: KubeServer) -> None:
    restarted: list[bool] = []
    gates = Gates()

    def at(step: Step) -> None:
        if step.state.runs_since and not restarted:
            restarted.append(True)
            kube.restart("apiserver")
            gates.open.add("end")

    outcome, lines, client = asyncio.run(driven(namespace, run_of(namespace, "held.py", f"{gates.url}/end"), at))
    gates.close()
    assert (outcome.ok, restarted, lines[-1], client.calls["POST pods"]) == (True, [True], "done", 1)


def test_a_quota_is_told_as_that(namespace: Namespace) -> None:
    namespace.quota(requests_cpu="50m", requests_memory="64Mi")
    clock = Clock()

    def at(step: Step) -> None:
        if step.state.told:
            clock.jump(timedelta(hours=1))

    outcome, _, _ = asyncio.run(driven(namespace, run_of(namespace, "good.py"), at, clock=clock))
    assert outcome.failure is not None
    assert outcome.failure.code == "QUOTA_EXCEEDED"


def test_each_line_is_told_once_by_whichever_process_reads(namespace: Namespace, node: PodRunner) -> None:
    namespace.run("p", "python3", "-u", "/opt/app/talk.py", container={"image": "stand-in/spark:3.5"})
    namespace.wait("p", "Running", "Succeeded")
    cursor, told = LogCursor(), []

    async def read() -> list[str]:
        nonlocal cursor
        async with SparkKubeClient(settings_of(namespace)) as client:
            log = PodLog(client, LogCursor.model_validate_json(cursor.model_dump_json()), container="main")
            found = await lines_of(log, "p")
            cursor = log.cursor
            return found

    while namespace.pod("p")["status"]["phase"] == "Running":
        told += asyncio.run(read())
    while found := asyncio.run(read()):
        told += found
    assert [line for line in told if line[:3] == "out"] == [f"out {number}" for number in range(60)]
    assert [line for line in told if line[:3] == "err"] == [f"err {number}" for number in range(60)]


def test_refusals_have_their_names(namespace: Namespace) -> None:
    async def ask() -> list[Any]:
        async with SparkKubeClient(settings_of(namespace)) as client:
            found = [
                await client.create("pods", pod("p", "sleep", "60")),
                await client.create("pods", pod("p", "sleep", "60")),
                await client.create("pods", pod("P_", "true")),
                await client.create("pods", pod("root", "true", securityContext={"runAsUser": 0})),
                await client.get("secrets"),
                await client.get("pods/none"),
                await client.delete("pods", "p", uid="another"),
                await client.delete("pods", "none", uid="another"),
            ]
        fresh = settings_of(namespace)
        namespace.revoke()
        async with SparkKubeClient(fresh) as client:
            return [*found, await client.get("pods")]

    made, *rest = asyncio.run(ask())
    assert isinstance(made, PodView)
    codes = [one.code if isinstance(one, CallError) else type(one) for one in rest]
    assert codes == ["CONFLICT", "INVALID", "FORBIDDEN", "FORBIDDEN", Gone, "CONFLICT", "NOT_FOUND", "UNAUTHORIZED"]


def test_a_kubeconfig_leads_to_the_same_place(namespace: Namespace) -> None:
    pytest.importorskip("kubernetes_asyncio", reason="needs it: pip install 'airflow-dataops[kubernetes]'")

    async def ask() -> list[Any]:
        settings = KubeSettings(namespace=namespace.name, kubeconfig=str(namespace.kubeconfig()))
        async with SparkKubeClient(settings) as client:
            found = await client.create("configmaps", {"metadata": {"name": "c"}})
            return [found, await client.get("secrets")]

    accepted, refused = asyncio.run(ask())
    assert (accepted, refused.code) == (Accepted(), "FORBIDDEN")


def test_a_server_that_hangs_is_given_up_in_time(namespace: Namespace, kube: KubeServer) -> None:
    async def ask() -> Any:
        async with SparkKubeClient(settings_of(namespace)) as client:
            await client.get("pods")
            client.deadline = 0.5
            with kube.pause():
                return await client.get("pods"), client.calls["GET pods"]

    error, calls = asyncio.run(ask())
    assert (error.code, calls) == ("TIMEOUT", 2)
