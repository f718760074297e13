# SPDX-License-Identifier: Apache-2.0
"""Runs of the operator in a real MLflow server."""

from __future__ import annotations

import asyncio
import json
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_dataops.clients.mlflow import MlflowClient, MlflowError
from airflow_dataops.operators.spark_k8s import _mlflow
from airflow_dataops.triggers import _machine
from airflow_dataops.triggers import _mlflow as triggers_mlflow
from tests.services.mlflow_server import mlflow_server, python_with_mlflow
from tests.unit.core.spark_k8s.fates import Fate
from tests.unit.operators.spark_k8s.conftest import world
from tests.unit.operators.spark_k8s.memory import World, shell

__all__ = ["world"]

pytestmark = [pytest.mark.integration, pytest.mark.airflow]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as address:
        yield address


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a server on a busy machine."""
    for module in (_mlflow, triggers_mlflow):
        monkeypatch.setattr(module, "MOST_SECONDS", 60.0)
    monkeypatch.setattr(_machine, "SECONDS_TO_KILL", 60.0)
    monkeypatch.setitem(MlflowClient.__init__.__kwdefaults__, "seconds", 60.0)


def runs(server: str, experiment: str) -> list[dict[str, Any]]:
    """Return what the server has of an experiment's runs, newest first, asked without our client."""
    base = f"{server}/api/2.0/mlflow"
    with urllib.request.urlopen(f"{base}/experiments/get-by-name?experiment_name={experiment}", timeout=20) as answer:
        found = json.load(answer)["experiment"]["experiment_id"]
    body = json.dumps({"experiment_ids": [found], "max_results": 10}).encode()
    asked = urllib.request.Request(f"{base}/runs/search", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked, timeout=20) as answer:
        return list(json.load(answer).get("runs", []))


def values(run: dict[str, Any], kind: str) -> dict[str, Any]:
    return {one["key"]: one["value"] for one in run["data"].get(kind, [])}


def test_runs_are_tracked(world: World, server: str) -> None:
    given = {"tracking_uri": server, "experiment": "sums"}
    shell(mlflow=given).begin()
    found = shell(number=2, mlflow=given).run()
    [run] = runs(server, "sums")
    assert run["info"]["status"] == "FINISHED"
    assert values(run, "params")["main"] == "local:///opt/app/job.py"
    assert values(run, "metrics")["result.rows"] == 3
    assert values(run, "metrics")["seconds.run"] == pytest.approx(found["seconds"]["run"])
    assert values(run, "tags")["dataops.verdict"] == "OK"
    assert values(run, "tags")["airflow.dag_id"] == "d"
    world.kube.fates = iter([Fate(exit_code=137, reason="OOMKilled")])
    with pytest.raises(Exception, match="DRIVER_OOM"):
        shell(mlflow={**given, "experiment": "fails"}, instance="other").run()
    [run] = runs(server, "fails")
    assert (run["info"]["status"], values(run, "tags")["dataops.verdict"]) == ("FAILED", "DRIVER_OOM")


def test_a_deferred_task_that_a_person_ends_closes_its_run(world: World, server: str) -> None:
    trigger = shell(deferrable=True, mlflow={"tracking_uri": server, "experiment": "ended"}).begin()
    [run] = runs(server, "ended")
    assert run["info"]["status"] == "RUNNING"
    asyncio.run(trigger.on_kill())
    [run] = runs(server, "ended")
    assert run["info"]["status"] == "KILLED"
    assert int(run["info"]["end_time"]) >= int(run["info"]["start_time"])


def test_what_a_server_refuses_is_told(server: str) -> None:
    client = MlflowClient(server)
    with pytest.raises(MlflowError, match="HTTP 404"):
        client.end("no-such-run", "FINISHED", 1)
    experiment = client.experiment("odd")
    assert client.experiment("odd") == experiment
    run_id = client.begin(experiment, "ünï", {"a": "b"}, 1)
    client.log(run_id, metrics={"nan": float("nan"), "one": 1.0})
    assert values(runs(server, "odd")[0], "metrics") == {"one": 1.0}


@pytest.mark.soak
def test_the_drivers_own_mlflow_finds_the_run(world: World, server: str, tmp_path: Path) -> None:
    shell(mlflow={"tracking_uri": server, "experiment": "driver"}).begin()
    [pod] = [one for one in world.documents if one["kind"] == "Pod"]
    env = {one["name"]: one["value"] for one in pod["spec"]["containers"][0]["env"] if "value" in one}
    kept = {name: env[name] for name in ("MLFLOW_RUN_ID", "MLFLOW_TRACKING_URI")}
    program = "import mlflow; mlflow.log_metric('from_the_driver', 42); mlflow.log_param('p', 'q')"
    subprocess.run(
        [python_with_mlflow(), "-c", program],
        check=True,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **kept},
        cwd=tmp_path,
        timeout=90,
    )
    [run] = runs(server, "driver")
    assert values(run, "metrics")["from_the_driver"] == 42
