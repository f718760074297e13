# SPDX-License-Identifier: Apache-2.0
"""The operator in whole runs: what is made, what is told, what fails, and what a later try takes over."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_dataops.core.errors import TransientError
from airflow_dataops.core.spark_k8s.state import CallKind
from airflow_dataops.triggers.spark_k8s import SparkKubernetesTrigger
from tests.unit.core.spark_k8s.fates import Fate
from tests.unit.operators.shell import fire
from tests.unit.operators.spark_k8s.memory import SECRET, TRACEBACK, World, connect, shell

pytestmark = [pytest.mark.airflow]


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_run_is_told_in_xcom(world: World, deferrable: bool) -> None:
    task = shell(deferrable=deferrable)
    found = task.run()
    pod = world.kube.made[0]
    assert found == {
        "application_id": pod,
        "driver_pod": pod,
        "namespace": "analytics",
        "history_url": f"https://history.example.com/history/{pod}/jobs/",
        "pod_url": f"https://console.example.com/k8s/ns/analytics/pods/{pod}",
        "seconds": found["seconds"],
        "executor_peak": 0,
        "exit_code": 0,
        "attempt": 1,
        "adopted": False,
        "result": {"rows": 3},
    }
    assert set(found["seconds"]) == {"pending", "run"}
    assert world.open == 0
    assert world.kube.ours() == []


@pytest.mark.parametrize("deferrable", [True, False])
def test_the_links_are_there_while_the_task_waits(world: World, deferrable: bool) -> None:
    task = shell(deferrable=deferrable)
    seen: list[Any] = []

    async def look() -> None:
        seen.append(dict(task.ti.store))

    world.on_sleep = look
    found = task.begin()
    if deferrable:
        fire(found)
    assert all(("sum", -1, key) in seen[0] for key in ("dataops_spark_pod_url", "dataops_spark_history_url"))
    pod = world.kube.made[0]
    assert task.ti.xcom_pull(task_ids="sum", key="dataops_spark_pod_url").endswith(f"/{pod}")
    assert task.ti.xcom_pull(task_ids="sum", key="dataops_spark_history_url").endswith(f"/{pod}/jobs/")


def test_the_drivers_lines_are_told_once_through_task_and_trigger(world: World, said: Callable[[], str]) -> None:
    shell().run()
    told = said()
    assert told.count("hello from the driver") == told.count("bye") == 1


def test_what_fails_is_told_in_one_line_with_its_code(world: World, metrics: list[Any]) -> None:
    world.kube.fates = iter([Fate(exit_code=137, reason="OOMKilled")])
    task = shell()
    with pytest.raises(AirflowFailException) as failed:
        task.run()
    assert str(failed.value).startswith("DRIVER_OOM: ")
    assert " -> raise `driver.memory`" in str(failed.value)
    assert "\n" not in str(failed.value)
    kept = task.ti.xcom_pull(task_ids="sum", key="dataops_spark_run")
    assert (kept["failure"]["code"], kept["exit_code"]) == ("DRIVER_OOM", 137)
    [tags] = [tags for name, tags in metrics if name == "dataops.spark_k8s.failed"]
    assert tags == {"dag_id": "d", "task_id": "sum", "code": "DRIVER_OOM"}


def test_what_may_pass_is_retried_with_a_driver_of_its_own(world: World) -> None:
    world.kube.fates = iter([Fate(exit_code=1, log=TRACEBACK)])
    with pytest.raises(TransientError, match="no such column"):
        shell(policy={"attempts": 2}).run()
    found = shell(number=2, policy={"attempts": 2}).run()
    assert (found["attempt"], found["adopted"]) == (3, False)


def test_a_new_try_adopts_the_driver_of_a_task_that_died(world: World) -> None:
    shell().begin()
    found = shell(number=2).run()
    assert world.kube.count(CallKind.CREATE_POD) == 1
    assert (found["adopted"], found["attempt"]) == (True, 1)


def test_a_task_that_is_entered_again_in_the_same_try_adopts(world: World) -> None:
    shell().begin()
    assert shell().run()["attempt"] == 1
    assert world.kube.count(CallKind.CREATE_POD) == 1


def test_in_mode_crd_a_new_try_asks_for_the_same_name(world: World) -> None:
    task = shell(mode="crd")
    task.begin()
    found = shell(number=2, mode="crd").run()
    assert world.kube.count(CallKind.CREATE_APPLICATION) == 1
    assert (found["attempt"], found["application"]) == (1, world.kube.made[0])


def test_no_secret_is_in_what_is_created_told_or_left(world: World, said: Callable[[], str]) -> None:
    world.line = f"the password is {SECRET}"
    task = shell()
    trigger = task.begin()
    assert isinstance(trigger, SparkKubernetesTrigger)
    task.complete(fire(trigger))
    stored = {key[-1]: value for key, value in task.ti.store.items()}
    places = [world.documents, stored, trigger.serialize(), log := said(), repr(world.settings)]
    encoded = b64encode(SECRET.encode()).decode()
    assert world.secrets == {"STORE_PASSWORD": encoded}
    for place in places:
        assert SECRET not in json.dumps(place)
        assert encoded not in json.dumps(place)
    assert "the password is ***" in log


def test_the_connection_of_s3_becomes_properties_and_a_secret(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"endpoint_url": "https://s3.example.com", "region_name": "eu"}
    connect(monkeypatch, "lake", conn_type="aws", login="AKIAFLIGHTS", password="pw-of-the-lake", extra=extra)
    shell(aws_conn_id="lake").run()
    [config] = [one for one in world.documents if one["kind"] == "ConfigMap"]
    assert "spark.hadoop.fs.s3a.endpoint=https\\://s3.example.com" in config["data"]["spark.properties"].replace(
        "endpoint=https:", "endpoint=https\\:"
    )
    assert set(world.secrets) == {"STORE_PASSWORD", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert "pw-of-the-lake" not in json.dumps(world.documents)


def test_the_namespace_is_the_connections_where_none_is_written(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(monkeypatch, "cluster", conn_type="kubernetes", extra={"in_cluster": True, "namespace": "etl"})
    shell(target={}, kubernetes_conn_id="cluster").run()
    assert {one["metadata"]["namespace"] for one in world.documents} == {"etl"}
    assert {one.namespace for one in world.settings} == {"etl"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mode": "standalone", "target": {}}, "needs Spark's master"),
        ({"mode": "crd", "target": {"mode": "direct"}}, "leave one of them out"),
        ({"mode": "fast"}, "SPARK_RUN_INVALID"),
        ({"app": {"main": "local:///a.py", "image": "i", "memory": "1g"}}, "SPARK_RUN_INVALID"),
        ({"app": {"main": "local:///a.py", "image": "i", "conf": {"spark.x.password": "p"}}}, "secret_env"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(world: World, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(AirflowFailException, match=words):
        shell(**changes).run()
    assert world.kube.calls == []


def test_a_secret_that_is_not_there_is_told_by_its_name(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_STORE")
    with pytest.raises((AirflowFailException, TransientError), match="conn:store"):
        shell().run()
    world.settle()
    assert world.works() == 0


@pytest.mark.parametrize("error", ["Trigger timeout", "Trigger failure"])
def test_a_time_out_or_a_broken_trigger_ends_with_no_driver(world: World, error: str) -> None:
    task = shell()
    task.begin()
    assert len(world.kube.ours()) == 1
    with pytest.raises(Exception, match=error):
        task.break_off(error)
    assert world.kube.ours() == []
    assert world.open == 0


def test_a_killed_task_has_deleted_its_driver_and_says_so(world: World) -> None:
    import threading

    there = threading.Event()

    async def look() -> None:
        if world.works():
            world.on_sleep = None
            there.set()
            await asyncio.sleep(3600)

    world.on_sleep = look
    task = shell(deferrable=False)

    def kill() -> None:
        there.wait()
        task.operator.on_kill()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    with pytest.raises(TransientError, match="KILLED"):
        task.run()
    killer.join()
    assert world.kube.count(CallKind.DELETE_POD) == 1
    world.settle()
    assert world.kube.ours() == []
