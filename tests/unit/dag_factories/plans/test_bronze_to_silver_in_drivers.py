# SPDX-License-Identifier: Apache-2.0
"""bronze_to_silver on a target with Spark drivers: the local runner's steps, each in a driver, and no secret among its arguments."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import ryaml

from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.run import RunContext
from airflow_dataops.core.spark_k8s.run import faults_of
from airflow_dataops.core.spark_k8s.step import step_app
from airflow_dataops.jobs.steps import spec_of
from dag_factories.pipeline import load_pipeline, load_project
from dag_factories.plans import plan_of
from dag_factories.plans.model import Plan
from dag_factories.project import Project, ProjectSpec
from dag_factories.resolve import ValueResolver, resolve
from dag_factories.run import require_here
from dag_factories.specs.bronze_to_silver import BronzeToSilverSpec
from tests.unit.dag_factories.plans.orders import STEPS, TEXT

EXAMPLES = Path(__file__).parents[4] / "example_dags"
GOLDEN = Path(__file__).parents[3] / "golden" / "plans"
RUN = RunContext(pipeline="orders", key="k")
SPARK: dict[str, Any] = {
    "image": "registry.example.com/spark:3.5.7",
    "namespace": "analytics",
    "driver": {"memory": "1g"},
    "secret_env": {"SALT": {"name": "salts", "key": "of-mails"}},
    "s3": {"endpoint_url": "https://s3.example.com", "secret": "lake-keys"},
    "policy": {"run_timeout": "1h"},
}


def plan(spark: dict[str, Any] | None = SPARK, *, runner: str = "spark_k8s", engine: str = "spark") -> Plan:
    where = {"engine": engine, "runner": runner, "lake": "s3://lake", "report_base_url": "https://pages"}
    document = {"version": 1, "targets": {"local": {}, "onprem": where | ({"spark": spark} if spark else {})}}
    home = Project(Path("/project"), ProjectSpec.model_validate(document | {"alerts": {"chat": {"notifier": "log"}}}))
    spec = BronzeToSilverSpec.model_validate(ryaml.loads(TEXT))
    return plan_of(spec, home, home.target("onprem", environ={}), "orders.yaml")


def test_the_plan_of_the_example_on_premises_is_the_golden_one() -> None:
    pipeline = load_pipeline(EXAMPLES / "flights.yaml", target="onprem", project=load_project(EXAMPLES))
    made = pipeline.plan().model_dump(mode="json", exclude_defaults=True)
    golden = GOLDEN / "flights.onprem.json"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(json.dumps(made, indent=2) + "\n")
    assert made == json.loads(golden.read_text())


def test_the_steps_are_those_of_the_local_runner() -> None:
    made = plan()
    assert [task.id for task in made.tasks] == STEPS
    assert {task.operator for task in made.tasks} == {"spark_k8s.SparkKubernetesStepOperator"}
    assert [(task.role, task.tells_verdict) for task in made.tasks][-1] == ("teardown", True)
    assert made.tasks[3].outlets == made.assets


@pytest.mark.parametrize("engine", ["spark", "duckdb"])
@pytest.mark.parametrize("step", STEPS)
def test_each_driver_is_told_a_step_that_its_program_takes(step: str, engine: str) -> None:
    [task] = [one for one in plan(engine=engine).tasks if one.id == step]
    resolver = ValueResolver(Path("/project"), RUN, lambda name: f"<{name}>", {})
    given = resolve(task.arguments, resolver)
    assert (given["timezone"], given["report_base_url"], given["deferrable"]) == ("Europe/Paris", "https://pages", True)
    document = {**given["step"], "run": RUN.model_dump(mode="json"), "task": step}
    assert document.pop("engine") == engine
    assert spec_of(document, engine="duckdb").lake == "s3://lake"
    app = step_app(given["app"], document, mode="direct")
    assert faults_of({"app": app, "target": given["target"], "policy": given["policy"]}) == []
    assert app["secret_env"] == {
        "SALT": {"name": "salts", "key": "of-mails"},
        "AWS_ACCESS_KEY_ID": {"name": "lake-keys", "key": "AWS_ACCESS_KEY_ID"},
        "AWS_SECRET_ACCESS_KEY": {"name": "lake-keys", "key": "AWS_SECRET_ACCESS_KEY"},
    }
    assert given["s3"] == {"endpoint_url": "https://s3.example.com"}


def test_a_master_of_its_own_has_the_worker_wait() -> None:
    made = plan({"master": "spark://master:7077", "aws_conn_id": "lake"}, runner="spark_standalone")
    given = made.tasks[0].arguments
    assert given["target"] == {"master": "spark://master:7077", "mode": "standalone"}
    assert (given["app"], given["aws_conn_id"], "deferrable" in given, "policy" in given) == ({}, "lake", False, False)


@pytest.mark.parametrize("runner", ["spark_k8s", "spark_standalone"])
@pytest.mark.parametrize("mlflow", [True, {"conn_id": "mlflow", "experiment": "orders"}])
def test_each_step_is_tracked_where_the_target_says(mlflow: Any, runner: str) -> None:
    made = plan(SPARK | {"mlflow": mlflow}, runner=runner)
    assert [task.arguments["mlflow"] for task in made.tasks] == [mlflow] * len(STEPS)
    assert not [task for task in plan(runner=runner).tasks if "mlflow" in task.arguments]


def test_without_a_section_it_is_told_what_to_add() -> None:
    with pytest.raises(SpecError) as caught:
        plan(None)
    assert caught.value.code == "SPARK_TARGET_MISSING"


def test_an_engine_that_no_driver_runs_is_refused() -> None:
    with pytest.raises(SpecError) as caught:
        plan(engine="dask")
    assert caught.value.code == "ENGINE_NOT_AVAILABLE"


def test_it_runs_in_airflow_alone() -> None:
    with pytest.raises(SpecError) as caught:
        require_here(plan())
    assert caught.value.code == "RUNS_IN_AIRFLOW"
