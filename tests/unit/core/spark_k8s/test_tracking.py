# SPDX-License-Identifier: Apache-2.0
"""Where MLflow is, and what it is told."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.spark_k8s.run import parse
from airflow_dataops.core.spark_k8s.step import step_app
from airflow_dataops.core.spark_k8s.tracking import (
    MlflowServer,
    MlflowSettings,
    measured,
    params_of,
    server_of,
    verdict,
)

APP = {"main": "local:///job.py", "image": "i", "args": ["--day", 1], "conf": {f"spark.x.{n}": "y" for n in range(200)}}


@pytest.mark.parametrize(
    ("connection", "wanted"),
    [
        ({"host": "https://m.example.com/"}, MlflowServer("https://m.example.com")),
        ({"host": "m", "port": 5000}, MlflowServer("http://m:5000")),
        ({"host": "m", "schema": "https", "password": "x"}, MlflowServer("https://m", token="conn:c.password")),
        ({"host": "m", "login": "kim", "password": "x"}, MlflowServer("http://m", "kim", "conn:c.password")),
    ],
)
def test_a_connection_names_a_server(connection: dict[str, Any], wanted: MlflowServer) -> None:
    assert server_of(MlflowSettings(conn_id="c"), connection, {"MLFLOW_TRACKING_TOKEN": "other"}) == wanted


def test_the_environment_names_one() -> None:
    environ = {"MLFLOW_TRACKING_URI": "http://m:5000/base/", "MLFLOW_TRACKING_TOKEN": "t"}
    assert server_of(MlflowSettings(), None, environ) == MlflowServer(
        "http://m:5000/base", token="env:MLFLOW_TRACKING_TOKEN"
    )
    given = server_of(MlflowSettings(tracking_uri="https://other"), None, environ)
    assert given.uri == "https://other"


@pytest.mark.parametrize(
    "address", ["", "sqlite:///x", "databricks", "http://", "http://kim:pw@m", "http://m?token=x", "file:///x"]
)
def test_what_is_no_server_is_refused_and_not_shown(address: str) -> None:
    with pytest.raises(SpecError, match="not given as http") as refused:
        server_of(MlflowSettings(tracking_uri=address), None, {})
    assert "pw" not in str(refused.value)


def test_parameters_are_texts_and_a_hundred() -> None:
    found = params_of(parse({"app": APP}))
    assert len(found) == 100
    assert (found["args"], found["executors"], found["executor.memory"]) == ("--day 1", "2", "1024Mi")
    assert all(isinstance(value, str) and len(value) <= 500 for value in found.values())


def test_numbers_of_the_result_are_measured_and_nothing_else() -> None:
    kept = {
        "seconds": {"run": 2.5},
        "exit_code": 0,
        "executor_peak": None,
        "result": {"rows": 3, "ok": True, "a": {"b": 1, "c": "x"}},
    }
    wanted = {"seconds.run": 2.5, "exit_code": 0, "result.rows": 3, "result.ok": 1, "result.a.b": 1}
    assert measured(kept) == wanted
    assert measured({"result": "a text"}) == {}


STEP = {
    "job": "refine",
    "task": "refine",
    "engine": "spark",
    "run": {"pipeline": "orders", "key": "2024-01-02"},
    "source": {"path": "s3://l/b"},
    "masks": {"mail": {"kind": "sha256", "salt": {"secret": "env:SALT"}}},
}


@pytest.mark.parametrize("mode", ["direct", "crd"])
def test_of_a_packed_step_people_see_what_it_is(mode: str) -> None:
    found = params_of(parse({"app": step_app({"image": "i"}, STEP, mode=mode), "target": {"mode": mode}}))
    assert {name.removeprefix("step."): found[name] for name in found if name.startswith("step.")} == {
        "job": "refine",
        "task": "refine",
        "engine": "spark",
        "pipeline": "orders",
        "run_key": "2024-01-02",
        "source": "s3://l/b",
    }
    assert "args" not in found


def test_another_program_of_that_name_keeps_its_arguments() -> None:
    found = params_of(parse({"app": {"image": "i", "main": "local:///mine/step.py", "args": ["--day", "1"]}}))
    assert found["args"] == "--day 1"


def test_a_steps_rows_and_seconds_are_measured() -> None:
    step = {"job": "refine", "status": "ok", "rows": {"read": 5, "written": 4}, "seconds": {"total": 1.5}}
    found = measured({"result": {"step": step}})
    assert found == {"result.step.rows.read": 5, "result.step.rows.written": 4, "result.step.seconds.total": 1.5}


def test_a_steps_own_verdict_and_failure_are_told() -> None:
    assert verdict({"result": {"step": {"status": "ok", "verdict": "passed"}}}) == {
        "dataops.verdict": "OK",
        "dataops.step.status": "ok",
        "dataops.step.verdict": "passed",
    }
    said = {"error": {"code": "GATE_FAILED", "message": "2 rules failed"}}
    assert verdict({"failure": {"code": "DRIVER_FAILED", "message": "exit 1"}, "result": said}) == {
        "dataops.verdict": "GATE_FAILED",
        "dataops.message": "2 rules failed",
    }


def test_the_verdict() -> None:
    assert verdict({"driver_pod": "p"}) == {"dataops.verdict": "OK", "dataops.driver_pod": "p"}
    failure = {"code": "DRIVER_OOM", "message": "x" * 600}
    assert verdict({"failure": failure}) == {"dataops.verdict": "DRIVER_OOM", "dataops.message": "x" * 500}


def test_numbers_have_names_that_mlflow_takes_and_are_not_too_many() -> None:
    numbers = measured({"result": {"rows (total)": 3, "a/b": 1, "x" * 300: 2} | {f"n{at}": at for at in range(2000)}})
    assert (numbers["result.rows _total_"], numbers["result.a_b"]) == (3, 1)
    assert max(map(len, numbers)) == 250
    assert len(numbers) == 500
