# SPDX-License-Identifier: Apache-2.0
"""The operator's process, or its triggerer's, is killed at its first, second, … call; whoever follows makes nothing twice and leaves nothing.

Each call has done its work on a real API server, and its answer is held back until the process is dead: the worst moment, as the effect is
there and nobody knows. Eight moments are drawn from the commit (three on Airflow 2); ``make soak AREA=spark_k8s`` walks them all, also with calls that come true
only after the death.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import airflow
import pytest

from tests.faults.fixtures import all_of
from tests.integration.forking import Walker, walker
from tests.integration.spark_k8s.elsewhere import MODULE
from tests.integration.spark_k8s.scanning import Scan
from tests.integration.spark_k8s.walking import KINDS, POINTS, Case, Life, check, drawn
from tests.services.kube.accounts import Namespace, until
from tests.services.kube.kube_server import KubeServer
from tests.services.kube.podrunner import PodRunner
from tests.services.kube.proxy import Proxy

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(0), pytest.mark.usefixtures("image")]
pytest.importorskip("kubernetes_asyncio", reason="needs it: pip install 'airflow-dataops[kubernetes]'")

Walk = Callable[[Path, Case], bool]
AIRFLOW_3 = not airflow.__version__.startswith("2.")
AT_ONCE = 3  # they wait most of the time


@pytest.fixture(scope="module")
def forks() -> Iterator[Walker]:
    """A server that forks tasks and triggers."""
    with walker(MODULE) as server:
        yield server


@pytest.fixture
def walk(kube: KubeServer, node: PodRunner, forks: Walker) -> Walk:
    """Return what lives a task's life in a namespace of its own, with a death in it."""

    def walked(folder: Path, case: Case) -> bool:
        namespace = Namespace(kube, node.api)
        try:
            with Proxy(kube) as proxy, Scan(namespace, node) as scan:
                return check(Life(forks, node, proxy, namespace, folder), scan, case)
        finally:
            namespace.remove()

    return walked


@pytest.mark.parametrize("kind", KINDS)
def test_an_undisturbed_run_comes_to_each_point_of_the_walk(
    kube: KubeServer, node: PodRunner, forks: Walker, namespace: Namespace, tmp_path: Path, kind: str
) -> None:
    with Proxy(kube) as proxy:
        life = Life(forks, node, proxy, namespace, tmp_path / "life")
        before = 0
        trigger = None
        if kind != "try":
            trigger = life.run("begin")
            before = len(proxy.calls)
        looks = [point for point in POINTS[kind] if point[0] == "get"]
        threading.Thread(target=_end_after, args=(life, before, looks), daemon=True).start()
        if trigger is None:
            assert life.run("run")["exit_code"] == 0
        else:
            assert life.run("complete", event=life.run("trigger", arguments=trigger))["exit_code"] == 0
        life.close()
        found = [(call.verb, call.kind) for call in proxy.calls[before:]]
    missed = [(verb, of, nth) for verb, of, nth in POINTS[kind] if found.count((verb, of)) < nth]
    assert missed == [], found


def _end_after(life: Life, before: int, looks: Sequence[tuple[str, str, int]]) -> None:
    """Let the driver end when there has been time for all looks."""

    def there() -> bool:
        found = [(call.verb, call.kind) for call in life.proxy.calls[before:]]
        return all(found.count((verb, of)) >= nth for verb, of, nth in looks)

    until(there)
    life.let_end()


def test_calls_drawn_from_the_commit(walk: Walk, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seed, found = drawn(8 if AIRFLOW_3 else 3)
    with capsys.disabled():
        print(f"\nkilled at, drawn from {seed}:", *found, sep="\n  ")

    def walked(case: Case) -> Callable[[], object]:
        def result() -> None:
            assert running[case].result(), f"{case}: the run did not come to this call"

        return result

    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = {case: pool.submit(walk, tmp_path / str(number), case) for number, case in enumerate(found)}
        all_of([(str(case), walked(case)) for case in found])


@pytest.mark.soak
@pytest.mark.parametrize("deed", ["hold", "late"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_call_of_spark_k8s(
    walk: Walk, tmp_path: Path, kind: str, deed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    failed: list[str] = []
    for nth in itertools.count(1):
        try:
            if not walk(tmp_path / str(nth), Case(kind, nth, deed=deed)):
                break
        except AssertionError as error:
            failed.append(str(error)[:2000])
    with capsys.disabled():
        print(f"\n{nth - 1} calls walked, {deed}, then {kind}: {len(failed)} failed")
    assert failed == []
    assert nth > len({point[:2] for point in POINTS[kind]})
