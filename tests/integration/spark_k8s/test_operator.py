# SPDX-License-Identifier: Apache-2.0
"""The operator and its trigger against a real API server: successes, failures, deaths, kills, and no secret anywhere but in Secrets."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.integration.spark_k8s.gates import Gates
from tests.integration.spark_k8s.operating import SECRET, arguments, connect, hurry, task_of
from tests.integration.spark_k8s.scanning import Scan
from tests.integration.spark_k8s.watching import kill, leave, pods, running
from tests.services.kube.accounts import Namespace, until
from tests.unit.operators.shell import again, fire

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(180), pytest.mark.usefixtures("image", "scan")]
pytest.importorskip("kubernetes_asyncio", reason="needs it: pip install 'airflow-dataops[kubernetes]'")


@pytest.fixture(autouse=True)
def connected(namespace: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(namespace, monkeypatch)
    hurry(monkeypatch)


def gone(namespace: Namespace) -> None:
    until(lambda: not pods(namespace), 60)


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_program_runs_and_its_result_and_log_are_the_tasks(
    namespace: Namespace, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, deferrable: bool
) -> None:
    found = task_of(namespace, "good.py", deferrable=deferrable).run()
    assert (found["exit_code"], found["result"]["rows"], found["attempt"]) == (0, 7, 1)
    assert found["driver_pod"] == found["application_id"]
    log = capsys.readouterr().out or caplog.text
    assert log.count("begun") == log.count("done") == 1
    gone(namespace)


def test_a_program_that_fails_is_told_in_one_line(namespace: Namespace) -> None:
    from airflow_dataops.core.errors import TransientError

    task = task_of(namespace, "bad.py")
    with pytest.raises(TransientError) as failed:
        task.run()
    assert failed.value.code == "APP_ERROR"
    assert "no such column: tailnum" in str(failed.value).splitlines()[0]
    kept = task.ti.xcom_pull(task_ids="sum", key="dataops_spark_run")
    assert (kept["failure"]["code"], kept["exit_code"]) == ("APP_ERROR", 1)


def test_no_secret_is_in_any_object_but_secrets_and_in_nothing_that_is_told(
    namespace: Namespace, scan: Scan, gates: Gates, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    task = task_of(namespace, "good.py", f"{gates.url}/end")
    trigger = task.begin()
    running(namespace)
    secrets = namespace.api("GET", namespace.path("secrets"))["items"]
    gates.open.add("end")
    task.complete(fire(trigger))
    assert b64encode(SECRET.encode()).decode() in json.dumps(secrets)
    told = capsys.readouterr().out + caplog.text
    scan.look("the task's log", told)
    scan.look_at_task(task, trigger)
    assert "the password is ***" in told


def test_a_trigger_that_dies_is_made_again_and_finds_its_driver(
    namespace: Namespace, gates: Gates, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    task = task_of(namespace, "good.py", f"{gates.url}/end")
    trigger = task.begin()
    leave(trigger, namespace)
    [pod] = pods(namespace)
    gates.open.add("end")
    found = task.complete(fire(again(trigger)))
    assert (found["driver_pod"], found["exit_code"]) == (pod["metadata"]["name"], 0)
    assert (capsys.readouterr().out or caplog.text).count("done") == 1


def test_airflow_itself_runs_it_and_tries_again_with_a_driver_of_its_own(
    namespace: Namespace, scan: Scan, run_dag: Callable[..., Any], airflow_db: Path
) -> None:
    from airflow.providers.common.compat.sdk import DAG

    from airflow_dataops.operators.spark_k8s import SparkKubernetesSubmitOperator

    given = arguments(namespace, "bad.py")
    with DAG("spark_operator", schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC), catchup=False) as dag:
        good = SparkKubernetesSubmitOperator(task_id="good", **arguments(namespace, "good.py"))
        bad = SparkKubernetesSubmitOperator(task_id="bad", **{**given, "retries": 1}, retry_delay=timedelta(0))
        good >> bad
    run = run_dag(dag, datetime(2024, 1, 2, tzinfo=UTC))
    assert run.get_task_instance("good").xcom_pull(task_ids="good")["result"]["rows"] == 7
    assert run.get_task_instance("bad").state == "failed"
    kept = run.get_task_instance("bad").xcom_pull(task_ids="bad", key="dataops_spark_run")
    assert (kept["failure"]["code"], kept["attempt"]) == ("APP_ERROR", 2)
    scan.look_at_files("Airflow's database and logs", airflow_db.rglob("*"))


def test_on_kill_of_the_trigger_deletes_the_driver(namespace: Namespace, gates: Gates) -> None:
    leave(task_of(namespace, "good.py", f"{gates.url}/never").begin(), namespace, killed=True)
    gone(namespace)


def test_on_kill_of_the_task_deletes_the_driver(namespace: Namespace, gates: Gates) -> None:
    kill(task_of(namespace, "good.py", f"{gates.url}/never", deferrable=False), namespace)
    gone(namespace)


def test_a_deferral_that_times_out_ends_with_no_driver(namespace: Namespace, gates: Gates) -> None:
    task = task_of(namespace, "good.py", f"{gates.url}/never")
    task.begin()
    running(namespace)
    with pytest.raises(Exception, match="Trigger timeout"):
        task.break_off()
    assert pods(namespace) == []
