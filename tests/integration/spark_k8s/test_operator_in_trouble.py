# SPDX-License-Identifier: Apache-2.0
"""The unmodified operator against a real API server: tokens that end, names that are too long, and kills that come at a bad moment."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import airflow
import pytest

from airflow_dataops.core.errors import TransientError
from airflow_dataops.operators.spark_k8s import SparkKubernetesSubmitOperator
from tests.integration.spark_k8s.gates import Gates
from tests.integration.spark_k8s.operating import arguments, connect, hurry, task_of
from tests.integration.spark_k8s.scanning import Scan
from tests.integration.spark_k8s.table import Place
from tests.services.kube.accounts import Namespace, until
from tests.services.kube.kube_server import KubeServer
from tests.services.kube.podrunner import PodRunner
from tests.services.kube.proxy import ALWAYS, Fault, Proxy
from tests.unit.operators.shell import Shell, Ti

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(180), pytest.mark.usefixtures("image")]
if airflow.__version__.startswith("2."):
    pytestmark.append(pytest.mark.soak)  # once is enough for CI
pytest.importorskip("kubernetes_asyncio", reason="needs it: pip install 'airflow-dataops[kubernetes]'")


@pytest.fixture
def proxy(kube: KubeServer) -> Iterator[Proxy]:
    with Proxy(kube) as made:
        yield made


@pytest.fixture
def place(namespace: Namespace, node: PodRunner) -> Place:
    return Place(namespace, node)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


def meanwhile(do: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=do, daemon=True)
    thread.start()
    return thread


def expired(token: str) -> Fault:
    return Fault("answer", times=ALWAYS, token=token, status=401, message="Unauthorized")


def follows(proxy: Proxy, since: int = 0) -> None:
    """Wait until the client that stays has read the driver's log: a task that defers leaves before its driver has one."""
    until(lambda: any((call.kind, call.status) == ("pods/log", 200) for call in proxy.calls[since:]), 120)


def through(gates: Gates, wait: Callable[[], Any]) -> threading.Thread:
    """Let the driver end once something was waited for; in any case, so that the test comes to its own verdict."""

    def open_it() -> None:
        try:
            wait()
        finally:
            gates.open.add("end")

    return meanwhile(open_it)


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_token_that_ends_is_read_anew_from_its_file(
    place: Place,
    proxy: Proxy,
    scan: Scan,
    gates: Gates,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    deferrable: bool,
) -> None:
    first, second, file = place.namespace.token(), place.namespace.token(), tmp_path / "token"
    file.write_text(first)
    connect(place.namespace, monkeypatch, proxy.url, token_file=file)

    def renew() -> None:
        follows(proxy)
        file.write_text(second)
        proxy.arm(expired(first))
        until(lambda: any(call.status == 401 for call in proxy.calls), 120)

    other = through(gates, renew)
    found = task_of(place.namespace, "waits.py", f"{gates.url}/end", deferrable=deferrable).run()
    other.join(30)
    assert (found["exit_code"], found["attempt"], len(scan.audit.drivers())) == (0, 1, 1)
    assert any(call.status == 401 for call in proxy.calls)


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_token_that_ends_for_good_leaves_the_driver_to_the_next_try(
    place: Place, proxy: Proxy, scan: Scan, gates: Gates, monkeypatch: pytest.MonkeyPatch, deferrable: bool
) -> None:
    first, program = place.namespace.token(), ("waits.py", f"{gates.url}/end")
    connect(place.namespace, monkeypatch, proxy.url, token=first)

    def end() -> None:
        follows(proxy)
        proxy.arm(expired(first))

    other = meanwhile(end)
    with pytest.raises(TransientError, match="renew the token") as failed:
        task_of(place.namespace, *program, deferrable=deferrable).run()
    other.join(30)
    assert failed.value.code == "UNAUTHORIZED"
    connect(place.namespace, monkeypatch, proxy.url)
    heard = len(proxy.calls)
    other = through(gates, lambda: follows(proxy, heard))
    found = task_of(place.namespace, *program, number=2, deferrable=deferrable).run()
    other.join(30)
    assert (found["exit_code"], found["adopted"], found["attempt"]) == (0, True, 1)
    assert len(scan.audit.drivers()) == len(scan.starts()) == 1


def test_names_may_be_as_long_as_airflows(
    place: Place, proxy: Proxy, scan: Scan, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(place.namespace, monkeypatch, proxy.url)
    operator = SparkKubernetesSubmitOperator(task_id="s" * 250, **arguments(place.namespace, "lines.py", "1", "0"))
    task = Shell(operator, Ti("s" * 250))
    task.ti.dag_id, task.ti.run_id, task.ti.max_tries = "d" * 250, f"scheduled__{'é' * 200}", 3
    assert task.run()["exit_code"] == 0
    [driver] = {pod["metadata"]["uid"]: pod for pod in scan.audit.versions("pods")}.values()
    assert driver["metadata"]["annotations"]["dataops/dag-id"] == "d" * 250
    assert "é" * 200 in driver["metadata"]["annotations"]["dataops/run-id"]
    objects = [one["metadata"] for kind in ("pods", "configmaps") for one in scan.audit.versions(kind)]
    assert max(len(meta["name"]) for meta in objects) <= 63


@pytest.mark.parametrize("deed", ["lose", "answer"])
def test_on_kill_of_the_trigger_gets_through_though_calls_fail(
    place: Place, proxy: Proxy, scan: Scan, gates: Gates, monkeypatch: pytest.MonkeyPatch, deed: Any
) -> None:
    connect(place.namespace, monkeypatch, proxy.url)
    trigger = task_of(place.namespace, "waits.py", f"{gates.url}/never").begin()

    async def kill() -> None:
        run = asyncio.create_task(trigger.run().__anext__())
        await asyncio.to_thread(place.driver)
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        proxy.arm(Fault(deed, "delete", "pods", times=2))
        await trigger.on_kill()
        await trigger.cleanup()

    asyncio.run(kill())
    until(lambda: not place.namespace.api("GET", place.namespace.path("pods"))["items"], 60)
    assert len(scan.audit.drivers()) == 1


def test_on_kill_between_a_create_and_its_answer_leaves_no_driver(
    place: Place, proxy: Proxy, scan: Scan, gates: Gates, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(place.namespace, monkeypatch, proxy.url)
    proxy.arm(Fault("hold", "create", "pods"))
    task = task_of(place.namespace, "waits.py", f"{gates.url}/never", deferrable=False)

    def kill() -> None:
        until(lambda: proxy.holds)
        task.operator.on_kill()
        proxy.release()

    other = meanwhile(kill)
    with pytest.raises(TransientError, match="KILLED"):
        task.run()
    other.join(60)
    until(lambda: not place.namespace.api("GET", place.namespace.path("pods"))["items"], 60)
    assert (len(scan.audit.drivers()), scan.starts()) == (1, [])


@pytest.mark.soak
def test_an_account_that_is_deleted_leaves_the_driver_to_the_next_try(
    place: Place, proxy: Proxy, scan: Scan, gates: Gates, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(place.namespace, monkeypatch, proxy.url)

    def end() -> None:
        follows(proxy)
        place.namespace.revoke()

    other = meanwhile(end)
    with pytest.raises(TransientError) as failed:
        task_of(place.namespace, "waits.py", f"{gates.url}/end").run()
    other.join(30)
    assert failed.value.code == "UNAUTHORIZED"
    assert place.name()
