# SPDX-License-Identifier: Apache-2.0
"""Each row of the fault table through the unmodified operator, against a real API server: one driver, the right verdict, the right hint.

CI plays each row on the worker or in the trigger, in turn, and on Airflow 2 the main ones; ``make soak AREA=spark_k8s`` plays the others.
"""

from __future__ import annotations

from collections.abc import Iterator

import airflow
import pytest

from airflow_dataops.core.errors import TransientError
from airflow_dataops.triggers._machine import _MachineTrigger
from tests.integration.spark_k8s.gates import Gates
from tests.integration.spark_k8s.operating import connect, hurry, shell
from tests.integration.spark_k8s.scanning import Scan
from tests.integration.spark_k8s.table import CALLS, CAUSES, ENDINGS, Place, Row
from tests.integration.spark_k8s.walking import most_at_once
from tests.services.kube.accounts import Namespace, until
from tests.services.kube.kube_server import KubeServer
from tests.services.kube.podrunner import PodRunner
from tests.services.kube.proxy import Proxy
from tests.unit.operators.shell import Shell, fire

pytestmark = [pytest.mark.airflow, pytest.mark.usefixtures("image")]
pytest.importorskip("kubernetes_asyncio", reason="needs it: pip install 'airflow-dataops[kubernetes]'")
AIRFLOW_3 = not airflow.__version__.startswith("2.")


@pytest.fixture
def proxy(kube: KubeServer) -> Iterator[Proxy]:
    with Proxy(kube) as made:
        yield made


@pytest.fixture
def place(namespace: Namespace, node: PodRunner, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """Where a row is played: its task reaches the API server through the proxy."""
    connect(namespace, monkeypatch, proxy.url)
    gates = Gates()
    yield Place(namespace, node, gates, hurry(monkeypatch), proxy)
    gates.close()


def _cases(rows: list[Row]) -> list[object]:
    """Return each row on the worker and in the trigger; one of the two is for the soak."""
    found = []
    for number, row in enumerate(rows):
        for deferrable in (False, True):
            turn = row.both or (AIRFLOW_3 and deferrable is not bool(number % 2))
            soak = row.soak or not turn
            name = f"{row}, {'deferred' if deferrable else 'worker'}"
            found.append(pytest.param(row, deferrable, id=name, marks=[pytest.mark.soak] if soak else []))
    return found


def run(task: Shell, scan: Scan) -> dict[str, str]:
    """Run a task to its end; return how it failed: ``code``, ``line`` and ``final``, and nothing for a success."""
    trigger = None
    try:
        found = task.begin()
        if isinstance(found, _MachineTrigger):
            trigger = found
            found = task.complete(fire(trigger))
    except TransientError as error:
        return {"code": error.code, "line": str(error)}
    except Exception as error:
        if type(error).__name__ != "AirflowFailException":
            raise
        return {"code": str(error).partition(":")[0], "line": str(error), "final": "yes"}
    finally:
        scan.look_at_task(task, trigger)
    assert (found["exit_code"], found["result"]) == (0, {"rows": 7})
    return {}


def play(row: Row, deferrable: bool, proxy: Proxy, place: Place, scan: Scan) -> dict[str, str]:
    """Play a row; return how the task failed."""
    faults = row.faults()
    proxy.arm(*faults)
    meanwhile = row.play(place, faults)
    found = run(shell(row.arguments(place, deferrable=deferrable)), scan)
    meanwhile.join(120)
    assert not meanwhile.is_alive()
    assert all(fault.seen >= fault.nth for fault in faults), "the run did not come to the fault"
    return found


@pytest.mark.parametrize(("row", "deferrable"), _cases(CALLS))
def test_a_call_that_fails_changes_nothing(
    row: Row,
    deferrable: bool,
    proxy: Proxy,
    place: Place,
    scan: Scan,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert play(row, deferrable, proxy, place, scan) == {}
    told = capsys.readouterr().out or caplog.text
    scan.look("the task's log", told)
    lines = [f"line {number} of the driver" for number in range(int(row.program[1]))]
    assert [(line, told.count(line)) for line in lines if told.count(line) != 1] == []
    check_drivers(row, scan)
    until(lambda: not place.namespace.api("GET", place.namespace.path("pods"))["items"])


@pytest.mark.parametrize(("row", "deferrable"), _cases([*CAUSES, *ENDINGS]))
def test_a_run_ends_as_it_has_to(row: Row, deferrable: bool, proxy: Proxy, place: Place, scan: Scan) -> None:
    found = play(row, deferrable, proxy, place, scan)
    assert (found.get("code", ""), "final" in found) == (row.code, row.final), found
    assert row.hint in found.get("line", "")
    assert "\n" not in found.get("line", "")
    check_drivers(row, scan)
    if row.id != "somebody else's pod":
        until(lambda: not _own(place.namespace))


def check_drivers(row: Row, scan: Scan) -> None:
    """See to it that there were as many drivers as there should be, each started once, and never two at once."""
    drivers, starts = scan.audit.drivers(), [name for name in scan.starts() if "-exec-" not in name]
    assert len(drivers) == len(set(drivers)) == row.drivers
    assert len(starts) == len(set(starts))
    assert most_at_once(scan.audit.versions("pods")) <= 1


def _own(namespace: Namespace) -> list[str]:
    found = namespace.api("GET", namespace.path("pods"), labelSelector="managed-by=airflow-dataops")["items"]
    return [one["metadata"]["name"] for one in found if "deletionTimestamp" not in one["metadata"]]
