# SPDX-License-Identifier: Apache-2.0
"""A run of the operator while MLflow is away, slow, broken or misnamed: it ends as it would without, with one warning."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_dataops.core.errors import GateFailed
from airflow_dataops.core.spark_k8s.state import CallKind
from airflow_dataops.operators.spark_k8s import _mlflow
from airflow_dataops.triggers import _mlflow as triggers_mlflow
from tests.services.rest import RestServer
from tests.unit.core.spark_k8s.fates import Fate
from tests.unit.operators.shell import fire
from tests.unit.operators.spark_k8s import step
from tests.unit.operators.spark_k8s.memory import World, connect, shell

pytestmark = [pytest.mark.airflow]

TOKEN = "a-token-of/mlflow"


class Server(RestServer):
    """Answers as MLflow does, or as it is told to."""

    def __init__(self) -> None:
        self.runs: list[str] = []
        self.experiments: list[str] = []
        self.status = 200
        self.refused = ""  # end of the path of what is answered with 400
        super().__init__()

    def answer(self, path: str) -> tuple[int, Any]:
        if self.status != 200:
            return self.status, {"error_code": "INTERNAL_ERROR", "message": "broken today"}
        if "get-by-name" in path:
            known = [{"experiment": {"experiment_id": one}} for one in self.experiments]
            return (200, known[0]) if known else (404, {"error_code": "RESOURCE_DOES_NOT_EXIST"})
        if self.refused and path.endswith(self.refused):
            self.experiments.append("6")
            return 400, {"error_code": "INVALID_PARAMETER_VALUE"}
        if path.endswith("experiments/create"):
            return 200, {"experiment_id": "7"}
        if path.endswith("runs/search"):
            return 200, {"runs": [{"info": {"run_id": one}} for one in self.runs]}
        if path.endswith("runs/create"):
            self.runs.append("r1")
            return 200, {"run": {"info": {"run_id": "r1"}}}
        return 200, {}

    def sent(self, path: str) -> list[Any]:
        return [json.loads(body or b"{}") for seen, body, _ in self.seen if seen.endswith(path)]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("URI", "USERNAME", "PASSWORD", "TOKEN"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    made = Server()
    connect(monkeypatch, "mlflow", conn_type="http", host=made.url, password=TOKEN)
    yield made
    made.close()


def containers(world: World) -> dict[str, Any]:
    [pod] = [one for one in world.documents if one["kind"] == "Pod"]
    return {entry["name"]: entry for entry in pod["spec"]["containers"][0]["env"]}


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_run_is_begun_told_and_ended(world: World, server: Server, deferrable: bool) -> None:
    found = shell(deferrable=deferrable, mlflow={"conn_id": "mlflow", "experiment": "sums"}).run()
    [end] = server.sent("runs/update")
    assert (end["run_id"], end["status"]) == ("r1", "FINISHED")
    first, last = server.sent("runs/log-batch")
    assert {"key": "image", "value": "registry.example.com/spark:3.5.7"} in first["params"]
    numbers = {one["key"]: one["value"] for one in last["metrics"]}
    assert (numbers["result.rows"], numbers["exit_code"]) == (3, 0)
    assert numbers["seconds.run"] == found["seconds"]["run"]
    assert {"key": "dataops.verdict", "value": "OK"} in last["tags"]
    assert {authorization for _, _, authorization in server.seen} == {f"Bearer {TOKEN}"}
    assert server.sent("experiments/create")[0] == {"name": "sums"}


def test_the_driver_gets_the_run_and_the_token_by_its_secret(world: World, server: Server) -> None:
    shell(mlflow={"conn_id": "mlflow"}).run()
    env = containers(world)
    assert env["MLFLOW_RUN_ID"]["value"] == "r1"
    assert env["MLFLOW_TRACKING_URI"]["value"] == server.url
    assert "secretKeyRef" in env["MLFLOW_TRACKING_TOKEN"]["valueFrom"]
    assert TOKEN not in json.dumps(world.documents)
    assert "MLFLOW_TRACKING_TOKEN" in world.secrets


def test_a_failure_is_told(world: World, server: Server) -> None:
    world.kube.fates = iter([Fate(exit_code=137, reason="OOMKilled")])
    with pytest.raises(AirflowFailException, match="DRIVER_OOM"):
        shell(mlflow={"conn_id": "mlflow"}).run()
    assert [one["status"] for one in server.sent("runs/update")] == ["FAILED"]
    assert {"key": "dataops.verdict", "value": "DRIVER_OOM"} in server.sent("runs/log-batch")[-1]["tags"]


@pytest.mark.parametrize("deferrable", [True, False])
def test_a_step_tells_rows_seconds_and_its_verdict(world: World, server: Server, deferrable: bool) -> None:
    step.ends(world, {**step.GATED, "rows": {"read": 5, "written": 4}})
    step.shell(step.GATE, deferrable=deferrable, mlflow={"conn_id": "mlflow"}).run()
    first, last = server.sent("runs/log-batch")
    asked = {one["key"]: one["value"] for one in first["params"]}
    assert (asked["step.job"], asked["step.source"]) == ("dq_gate", "s3://lake/b/2024-01-02")
    numbers = {one["key"]: one["value"] for one in last["metrics"]}
    assert (numbers["result.step.rows.read"], numbers["result.step.seconds.total"]) == (5, 1.0)
    assert {"key": "dataops.step.verdict", "value": "passed"} in last["tags"]


def test_a_step_that_did_not_pass_tells_its_own_code(world: World, server: Server) -> None:
    step.ends(world, GateFailed("2 rules failed"))
    with pytest.raises(AirflowFailException, match="2 rules failed"):
        step.shell(step.GATE, mlflow={"conn_id": "mlflow"}).run()
    assert [one["status"] for one in server.sent("runs/update")] == ["FAILED"]
    tags = {one["key"]: one["value"] for one in server.sent("runs/log-batch")[-1]["tags"]}
    assert (tags["dataops.verdict"], tags["dataops.message"]) == (GateFailed("x").code, "2 rules failed")


def test_without_the_switch_nobody_is_asked(world: World, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
    shell().run()
    assert server.seen == []
    assert "MLFLOW_RUN_ID" not in containers(world)


def test_true_takes_the_environment(world: World, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"URI": server.url, "USERNAME": "kim", "PASSWORD": "of-kim/1"}.items():
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", value)
    shell(mlflow=True).run()
    assert {str(authorization).partition(" ")[0] for _, _, authorization in server.seen} == {"Basic"}
    env = containers(world)
    assert env["MLFLOW_TRACKING_USERNAME"]["value"] == "kim"
    assert "secretKeyRef" in env["MLFLOW_TRACKING_PASSWORD"]["valueFrom"]


def down(server: Server, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return {"tracking_uri": f"http://127.0.0.1:{port}"}


def slow(server: Server, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(_mlflow, "MOST_SECONDS", 0.3)
    hung = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setattr(server, "hung", hung, raising=False)  # closed with the test
    return {"tracking_uri": f"http://127.0.0.1:{hung.getsockname()[1]}"}


def broken(server: Server, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    server.status = 500
    return {"conn_id": "mlflow"}


def elsewhere(server: Server, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    server.status = 302
    return {"conn_id": "mlflow"}


def unknown_connection(server: Server, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"conn_id": "nobody"}


def misspelt(server: Server, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"connection": "mlflow"}


def of_another_kind(server: Server, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"tracking_uri": "sqlite:///mlflow.db"}


@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.parametrize("trouble", [down, slow, broken, elsewhere, unknown_connection, misspelt, of_another_kind])
def test_whatever_is_wrong_with_it_the_run_is_the_same(
    world: World,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    said: Callable[[], str],
    trouble: Callable[[Server, pytest.MonkeyPatch], dict[str, Any]],
    deferrable: bool,
) -> None:
    wanted = {"exit_code": 0, "result": {"rows": 3}, "attempt": 1}
    found = shell(deferrable=deferrable, mlflow=trouble(server, monkeypatch)).run()
    assert {name: found[name] for name in wanted} == wanted
    text = said()
    assert text.count("MLflow: could not") == text.count("MLflow: could not begin the run") == 1
    assert TOKEN not in text
    assert "MLFLOW_RUN_ID" not in containers(world)


def test_a_failed_task_fails_as_it_would(world: World, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    task = shell(mlflow=broken(server, monkeypatch), app={"main": "local:///x.py"})
    with pytest.raises(AirflowFailException, match="image"):
        task.run()
    assert server.seen == []


def test_a_driver_is_taken_over_whether_or_not_the_server_answers_meanwhile(world: World, server: Server) -> None:
    shell(mlflow={"conn_id": "mlflow"}).begin()
    server.status = 500
    found = shell(number=2, mlflow={"conn_id": "mlflow"}).run()
    assert world.kube.count(CallKind.CREATE_POD) == 1
    assert found["adopted"]


def test_the_run_of_a_try_that_died_is_gone_on_with(world: World, server: Server) -> None:
    shell(mlflow={"conn_id": "mlflow"}).begin()
    shell(number=2, mlflow={"conn_id": "mlflow"}).run()
    assert len(server.sent("runs/create")) == 1
    assert [one["status"] for one in server.sent("runs/update")] == ["FINISHED"]


def test_a_task_that_is_killed_closes_its_run(world: World, server: Server) -> None:
    task = shell(deferrable=False, mlflow={"conn_id": "mlflow"})

    async def kill() -> None:
        world.on_sleep = None
        task.operator.on_kill()

    world.on_sleep = kill
    with pytest.raises(Exception, match="killed"):
        task.run()
    assert [one["status"] for one in server.sent("runs/update")] == ["KILLED"]


def ended_by_hand(task: Any, while_deferred: Callable[[], Any] = lambda: None) -> None:
    """Begin a task that defers, and let a person end it."""
    trigger = task.begin()
    while_deferred()
    asyncio.run(trigger.on_kill())


def test_a_deferred_task_that_a_person_ends_closes_its_run(world: World, server: Server) -> None:
    ended_by_hand(shell(deferrable=True, mlflow={"conn_id": "mlflow"}))
    [end] = server.sent("runs/update")
    assert (end["run_id"], end["status"]) == ("r1", "KILLED")
    assert server.seen[-1][2] == f"Bearer {TOKEN}"
    assert world.kube.count(CallKind.DELETE_POD) == 1


def test_the_trigger_holds_no_secret_of_the_server(world: World, server: Server) -> None:
    trigger = shell(deferrable=True, mlflow={"conn_id": "mlflow"}).begin()
    [_, arguments] = trigger.serialize()
    assert arguments["mlflow"]["server"]["token"] == "conn:mlflow.password"
    assert TOKEN not in json.dumps(arguments)


@pytest.mark.parametrize("mlflow", [False, {"tracking_uri": "sqlite:///mlflow.db"}])
def test_a_deferred_task_without_a_run_is_ended_without_asking_anybody(
    world: World, server: Server, mlflow: Any
) -> None:
    ended_by_hand(shell(deferrable=True, mlflow=mlflow))
    assert server.seen == []
    assert world.kube.count(CallKind.DELETE_POD) == 1


@pytest.mark.parametrize("trouble", ["hangs", "refuses", "secret"])
def test_whatever_is_wrong_with_it_the_driver_of_a_task_that_a_person_ends_goes(
    world: World, server: Server, monkeypatch: pytest.MonkeyPatch, said: Callable[[], str], trouble: str
) -> None:
    monkeypatch.setattr(triggers_mlflow, "MOST_SECONDS", 0.3)

    def begins() -> None:
        if trouble == "secret":
            monkeypatch.delenv("AIRFLOW_CONN_MLFLOW")
        elif trouble == "refuses":
            server.status = 500
        else:
            monkeypatch.setattr(triggers_mlflow, "_close", lambda _: time.sleep(3600))

    ended_by_hand(shell(deferrable=True, mlflow={"conn_id": "mlflow"}), begins)
    assert world.kube.count(CallKind.DELETE_POD) == 1
    text = said()
    assert text.count("MLflow: could not close the run") == 1
    assert TOKEN not in text


def test_a_secret_that_the_triggerer_has_not_is_named_with_the_place_where_it_is_wanted(
    world: World, server: Server, monkeypatch: pytest.MonkeyPatch, said: Callable[[], str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", TOKEN)
    task = shell(deferrable=True, mlflow={"tracking_uri": server.url})
    ended_by_hand(task, lambda: monkeypatch.delenv("MLFLOW_TRACKING_TOKEN"))
    assert world.kube.count(CallKind.DELETE_POD) == 1
    [line] = [one for one in said().splitlines() if "could not close" in one]
    assert "run r1, which may stay RUNNING" in line
    assert "env:MLFLOW_TRACKING_TOKEN is not set" in line
    assert "of the triggerers" in line


def test_a_hung_server_does_not_hold_the_triggerers_loop(
    world: World, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(triggers_mlflow, "MOST_SECONDS", 0.5)
    monkeypatch.setattr(triggers_mlflow, "_close", lambda _: time.sleep(3600))
    trigger = shell(deferrable=True, mlflow={"conn_id": "mlflow"}).begin()

    async def beside() -> int:
        killing = asyncio.create_task(trigger.on_kill())
        turns = 0
        while not killing.done():
            turns += 1
            await asyncio.sleep(0.01)
        return turns

    assert asyncio.run(beside()) > 5


def test_a_server_that_goes_away_meanwhile_changes_nothing(
    world: World, server: Server, said: Callable[[], str]
) -> None:
    task = shell(mlflow={"conn_id": "mlflow"})
    trigger = task.begin()
    server.status = 503
    assert task.complete(fire(trigger))["exit_code"] == 0
    assert said().count("MLflow: could not write down how the run ended") == 1


def test_numbers_that_are_refused_leave_no_run_that_goes_on_for_ever(world: World, server: Server) -> None:
    task = shell(mlflow={"conn_id": "mlflow"})
    trigger = task.begin()
    server.refused = "runs/log-batch"
    task.complete(fire(trigger))
    assert [one["status"] for one in server.sent("runs/update")] == ["FINISHED"]


def test_parameters_that_are_refused_leave_none_either(world: World, server: Server) -> None:
    server.refused = "runs/log-batch"
    shell(mlflow={"conn_id": "mlflow"}).run()
    assert [one["status"] for one in server.sent("runs/update")] == ["FAILED"]


def test_a_secret_that_is_not_set_leaves_none_either(
    world: World, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_STORE")
    with pytest.raises(AirflowFailException, match="SECRET_MISSING"):
        shell(mlflow={"conn_id": "mlflow"}).run()
    assert [one["status"] for one in server.sent("runs/update")] == ["FAILED"]


def test_a_deferral_that_timed_out_leaves_none_either(world: World, server: Server) -> None:
    task = shell(mlflow={"conn_id": "mlflow"})
    task.begin()
    with pytest.raises(Exception, match="Trigger timeout"):
        task.break_off()
    assert [one["status"] for one in server.sent("runs/update")] == ["FAILED"]


def test_of_two_that_make_an_experiment_at_once_both_have_it(world: World, server: Server) -> None:
    server.refused = "experiments/create"
    shell(mlflow={"conn_id": "mlflow"}).run()
    assert [one["experiment_id"] for one in server.sent("runs/create")] == ["6"]
