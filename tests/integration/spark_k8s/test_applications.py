# SPDX-License-Identifier: Apache-2.0
"""Mode ``crd`` of the operator and its trigger against a real API server, with a stand-in for each of the two operators of SparkApplications."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.core.errors import TransientError
from airflow_dataops.core.spark_k8s.spec import ApplicationApi
from tests.integration.spark_k8s.applied import applications, arguments_of, gone, spark_operators, task_of
from tests.integration.spark_k8s.gates import Gates
from tests.integration.spark_k8s.operating import SECRET, connect, hurry
from tests.integration.spark_k8s.watching import kill, leave, pods, running
from tests.services.kube import spark_crds
from tests.services.kube.accounts import Namespace, until
from tests.services.kube.api import MERGE
from tests.services.kube.controllers import Operators
from tests.services.kube.proxy import Proxy
from tests.unit.operators.shell import again, fire

__all__ = ["spark_operators"]
pytestmark = [pytest.mark.airflow]
pytest.importorskip("kubernetes_asyncio", reason="needs it: pip install 'airflow-dataops[kubernetes]'")

KUBEFLOW, APACHE = ApplicationApi.KUBEFLOW, ApplicationApi.APACHE
BOTH = pytest.mark.parametrize("kind", [KUBEFLOW, APACHE], ids=["kubeflow", "apache"])


def _mostly(one: ApplicationApi, other: ApplicationApi) -> pytest.MarkDecorator:
    """Run a test with one of the two, and with the other one where there is time."""
    ids = [kind.value.partition("/")[0] for kind in (one, other)]
    return pytest.mark.parametrize("kind", [one, pytest.param(other, marks=pytest.mark.soak)], ids=ids)


MOSTLY_KUBEFLOW, MOSTLY_APACHE = _mostly(KUBEFLOW, APACHE), _mostly(APACHE, KUBEFLOW)
SECOND_WORKER = """
import json, sys
from tests.integration.spark_k8s.elsewhere import work
work(json.loads(sys.argv[1]))
"""


@pytest.fixture(autouse=True)
def connected(spark_operators: Operators, namespace: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(namespace, monkeypatch)
    hurry(monkeypatch)


@BOTH
@pytest.mark.parametrize("deferrable", [True, False])
def test_a_program_runs_and_its_result_and_log_are_the_tasks(
    namespace: Namespace,
    kind: ApplicationApi,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    deferrable: bool,
) -> None:
    found = task_of(namespace, kind, "good.py", deferrable=deferrable).run()
    assert (found["exit_code"], found["result"]["rows"], found["attempt"]) == (0, 7, 1)
    assert found["driver_pod"].endswith("-driver")
    assert found["application_id"]
    log = capsys.readouterr().out or caplog.text
    assert (log.count("begun"), log.count("done"), SECRET in log) == (1, 1, False)
    gone(namespace, kind)


@BOTH
def test_a_program_that_fails_is_told_in_one_line(namespace: Namespace, kind: ApplicationApi) -> None:
    task = task_of(namespace, kind, "bad.py")
    with pytest.raises(TransientError) as failed:
        task.run()
    assert failed.value.code == "APP_ERROR"
    assert "no such column: tailnum" in str(failed.value).splitlines()[0]
    kept = task.ti.xcom_pull(task_ids="sum", key="dataops_spark_run")
    assert (kept["failure"]["code"], kept["exit_code"]) == ("APP_ERROR", 1)


@BOTH
def test_an_operator_that_starts_a_driver_anew_is_followed(
    namespace: Namespace, kind: ApplicationApi, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with gates() as asked:
        threading.Thread(target=open_after, args=(asked, 2), daemon=True).start()
        found = task_of(namespace, kind, "later.py", f"{asked.url}/end", application=again_for(kind, 20)).run()
    assert (found["exit_code"], found["attempt"]) == (0, 1)
    assert (capsys.readouterr().out or caplog.text).count("begun") >= 2


@contextmanager
def gates() -> Iterator[Gates]:
    """Where drivers ask whether they may end."""
    made = Gates()
    try:
        yield made
    finally:
        made.close()


def open_after(asked: Gates, times: int) -> None:
    """Let drivers end well once so many have asked in vain."""
    until(lambda: len(asked.seen) >= times)
    asked.open.add("end")


@MOSTLY_APACHE
def test_an_operator_that_gives_up_starting_anew_is_believed(
    namespace: Namespace, kind: ApplicationApi, caplog: pytest.LogCaptureFixture
) -> None:
    """An operator deletes the pod of a driver that failed before it starts the next one, and with it what nobody has read."""
    printed = io.StringIO()

    def told() -> int:
        return (printed.getvalue() or caplog.text).count("Traceback (most recent call last)")

    with gates() as asked, redirect_stdout(printed):
        threading.Thread(target=open_each, args=(asked, told, 2), daemon=True).start()
        task = task_of(namespace, kind, "bad_once_told.py", asked.url, application=again_for(kind, 1))
        with pytest.raises(TransientError, match="no such column: tailnum"):
            task.run()
        drivers = {path for path, *_ in asked.seen}
    assert (told(), len(drivers)) == (2, 2)


def open_each(asked: Gates, told: Callable[[], int], drivers: int) -> None:
    """Let each driver end once what it has written is told."""
    for number in range(1, drivers + 1):
        until(partial(_have_told, asked, told, number))
        asked.open.update(path.strip("/") for path, *_ in asked.seen)


def _have_told(asked: Gates, told: Callable[[], int], drivers: int) -> bool:
    return told() >= drivers and len({path for path, *_ in asked.seen}) >= drivers


def again_for(kind: ApplicationApi, times: int) -> dict[str, Any]:
    """Return a SparkApplication of the user's that starts a failed driver anew so many times, a second later."""
    if kind is KUBEFLOW:
        policy = {"type": "OnFailure", "onFailureRetries": times, "onFailureRetryInterval": 1}
        return {"spec": {"restartPolicy": policy}}
    restart = {"restartPolicy": "OnFailure", "maxRestartAttempts": times, "restartBackoffMillis": 1000}
    return {"spec": {"applicationTolerations": {"restartConfig": restart}}}


@BOTH
def test_a_driver_that_may_not_be_made_is_told_in_the_clusters_words(
    namespace: Namespace, kind: ApplicationApi
) -> None:
    with pytest.raises(Exception, match=r"SCC_DENIED.*violates PodSecurity"):
        task_of(namespace, kind, "good.py", profile="plain").run()
    assert pods(namespace) == []


@MOSTLY_APACHE
def test_a_submission_that_fails_is_told_in_the_operators_words(namespace: Namespace, kind: ApplicationApi) -> None:
    task = task_of(namespace, kind, "good.py")
    task.operator.target["service_account"] = "nobody"
    with pytest.raises(Exception, match=r"REQUEST_REFUSED: the operator could not start the driver.*nobody"):
        task.run()


@MOSTLY_KUBEFLOW
def test_a_kind_that_is_not_installed_is_told_with_a_way_out(
    namespace: Namespace, kind: ApplicationApi, spark_operators: Operators
) -> None:
    spark_crds.remove(spark_operators.api, kind)
    try:
        with pytest.raises(Exception, match=r"OPERATOR_MISSING.*mode: direct"):
            task_of(namespace, kind, "good.py").run()
    finally:
        spark_crds.install(spark_operators.api, kind)


@MOSTLY_APACHE
def test_a_kind_that_comes_while_the_task_looks_for_it_is_waited_for(
    namespace: Namespace, kind: ApplicationApi, spark_operators: Operators, monkeypatch: pytest.MonkeyPatch
) -> None:
    spark_crds.remove(spark_operators.api, kind)

    def come() -> None:
        until(lambda: [call for call in proxy.calls if (call.kind, call.status) == ("sparkapplications", 404)])
        spark_crds.install(spark_operators.api, kind)

    try:
        with Proxy(namespace.kube) as proxy:
            connect(namespace, monkeypatch, proxy.url)
            later = threading.Thread(target=come, daemon=True)
            later.start()
            assert task_of(namespace, kind, "good.py", policy={"backoff": "40s"}).run()["exit_code"] == 0
            later.join(120)
    finally:
        spark_crds.install(spark_operators.api, kind)


@MOSTLY_KUBEFLOW
def test_an_operator_that_is_slow_is_waited_for_and_one_that_never_comes_is_told(
    namespace: Namespace, kind: ApplicationApi, spark_operators: Operators
) -> None:
    spark_operators.pause()
    later = threading.Timer(4.0, spark_operators.go_on)
    try:
        with pytest.raises(Exception, match=r"OPERATOR_MISSING.*no operator has touched"):
            task_of(namespace, kind, "good.py", policy={"start_timeout": "2s"}).run()
        assert applications(namespace, kind) == []
        later.start()
        assert task_of(namespace, kind, "good.py", number=2).run()["exit_code"] == 0
    finally:
        spark_operators.go_on()
        later.cancel()


@BOTH
def test_an_application_that_is_deleted_by_hand_is_never_a_success(namespace: Namespace, kind: ApplicationApi) -> None:
    task = task_of(namespace, kind, "good.py", "600")
    trigger = task.begin()
    running(namespace)
    [one] = applications(namespace, kind)
    place = namespace.path("sparkapplications", one["metadata"]["name"], group=kind.value)
    namespace.api("DELETE", place)
    with pytest.raises(TransientError) as failed:
        task.complete(fire(trigger))
    assert failed.value.code == "DRIVER_DELETED"
    gone(namespace, kind)


@pytest.mark.soak
@BOTH
def test_a_word_that_is_not_known_does_not_end_a_driver_that_runs(
    namespace: Namespace, kind: ApplicationApi, spark_operators: Operators, caplog: pytest.LogCaptureFixture
) -> None:
    trigger = (task := task_of(namespace, kind, "good.py", "5", policy={"start_timeout": "3s"})).begin()
    running(namespace)
    spark_operators.pause()
    [one] = applications(namespace, kind)
    place = namespace.path("sparkapplications", f"{one['metadata']['name']}/status", group=kind.value)
    word = {"applicationState": {"state": "PONDERING"}, "currentState": {"currentStateSummary": "PONDERING"}}
    namespace.api("PATCH", place, {"status": word}, MERGE)
    try:
        with pytest.raises(Exception, match=r"STATE_UNKNOWN: .* is PONDERING, .* is Succeeded"):
            task.complete(fire(trigger))
    finally:
        spark_operators.go_on()
    gone(namespace, kind)


@MOSTLY_KUBEFLOW
def test_on_kill_of_the_trigger_deletes_the_application(namespace: Namespace, kind: ApplicationApi) -> None:
    leave(task_of(namespace, kind, "good.py", "600").begin(), namespace, killed=True)
    gone(namespace, kind)


@MOSTLY_APACHE
def test_on_kill_of_the_task_deletes_the_application(namespace: Namespace, kind: ApplicationApi) -> None:
    kill(task_of(namespace, kind, "good.py", "600", deferrable=False), namespace)
    gone(namespace, kind)


@pytest.mark.soak
@BOTH
def test_a_worker_that_is_killed_leaves_its_application_and_the_next_try_adopts_it(
    namespace: Namespace, kind: ApplicationApi, tmp_path: Path
) -> None:
    outcome = str(tmp_path / "outcome.json")
    given = arguments_of(namespace, kind, "good.py", "8", deferrable=False)
    told = json.dumps({"do": "run", "arguments": given, "try": 1, "outcome": outcome})
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    worker = subprocess.Popen([sys.executable, "-c", SECOND_WORKER, told], env=environment)
    pod = running(namespace)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    found = task_of(namespace, kind, "good.py", "8", number=2).run()
    assert (found["adopted"], found["attempt"], found["driver_pod"]) == (True, 1, pod["metadata"]["name"])
    gone(namespace, kind)


@MOSTLY_KUBEFLOW
def test_a_trigger_that_dies_is_made_again_and_finds_its_application(
    namespace: Namespace, kind: ApplicationApi
) -> None:
    with gates() as asked:
        task = task_of(namespace, kind, "waits.py", f"{asked.url}/end")
        trigger = task.begin()
        leave(trigger, namespace)
        [pod] = pods(namespace)
        asked.open.add("end")
        found = task.complete(fire(again(trigger)))
    assert (found["driver_pod"], found["exit_code"]) == (pod["metadata"]["name"], 0)
