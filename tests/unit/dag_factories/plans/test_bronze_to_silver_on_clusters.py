# SPDX-License-Identifier: Apache-2.0
"""bronze_to_silver on a target with clusters: the local runner's steps as jobs on one cluster, and no secret among their arguments."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import ryaml

from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.run import RunContext
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
DASK: dict[str, Any] = {
    "project": "my-project",
    "region": "europe-west1",
    "bucket": "bucket",
    "cluster": {"subnetwork": "projects/my-project/regions/europe-west1/subnetworks/s"},
}


def plan(target: str = "gcp", text: str = TEXT, dask: dict[str, Any] | None = DASK) -> Plan:
    gcp = {"engine": "dask", "runner": "dataproc_dask", "lake": "gs://lake", "report_base_url": "https://pages"}
    local = {"lake": "gs://lake", "report_base_url": "https://pages"}
    document = {"targets": {"local": local, "gcp": {**gcp, **({"dask": dask} if dask else {})}}}
    home = Project(
        Path("/project"), ProjectSpec.model_validate({"version": 1, "alerts": {"chat": {"notifier": "log"}}} | document)
    )
    spec = BronzeToSilverSpec.model_validate(ryaml.loads(text))
    return plan_of(spec, home, home.target(target, environ={}), "orders.yaml")


def test_the_plan_of_the_example_on_gcp_is_the_golden_one() -> None:
    pipeline = load_pipeline(EXAMPLES / "flights.yaml", target="gcp", project=load_project(EXAMPLES))
    made = pipeline.plan().model_dump(mode="json", exclude_defaults=True)
    golden = GOLDEN / "flights.gcp.json"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(json.dumps(made, indent=2) + "\n")
    assert made == json.loads(golden.read_text())


def test_the_steps_stand_between_setup_and_teardown_and_the_last_task_hears_of_failures() -> None:
    made = plan()
    assert [(task.id, task.role, task.upstream) for task in made.tasks] == [
        ("create_cluster", "setup", []),
        ("gate_bronze", "work", ["create_cluster"]),
        ("refine", "work", ["gate_bronze"]),
        ("gate_silver", "work", ["refine"]),
        ("publish", "work", ["gate_silver"]),
        ("report", "teardown", ["create_cluster", "publish"]),
        ("delete_cluster", "teardown", ["create_cluster", *STEPS]),
        ("cluster_gone", "work", ["gate_bronze", "refine", "gate_silver", "publish", "delete_cluster"]),
    ]
    assert {task.group for task in made.tasks} == set(made.groups) == {"ephemeral_dask_cluster"}


def test_a_pipeline_without_gates_begins_with_what_it_has() -> None:
    bare = TEXT[: TEXT.index("quality:")]
    made = plan(text=bare)
    assert [task.id for task in made.tasks] == [
        "create_cluster",
        "refine",
        "publish",
        "report",
        "delete_cluster",
        "cluster_gone",
    ]
    assert made.task("refine").upstream == ["create_cluster"]


@pytest.mark.parametrize("step", STEPS)
def test_a_step_is_told_what_the_local_runner_tells_it_without_an_engine(step: str) -> None:
    here, there = plan("local").task(step), plan().task(step)
    assert here.job is not None
    said = dict(here.job.spec)
    del said["engine"]
    job = there.arguments["job"]
    assert job["args"] == {"job": here.job.stem, **said}
    assert (job["name"], job["function"]) == (step.replace("_", "-"), "airflow_dataops.jobs.on_dask:run_step")
    kept = ("task_args", "outlets", "tells_verdict", "role", "doc", "trigger_rule")
    assert [getattr(there, name) for name in kept] == [getattr(here, name) for name in kept]
    assert (there.arguments["timezone"], there.arguments["report_base_url"]) == ("Europe/Paris", "https://pages")


@pytest.mark.parametrize("step", STEPS)
def test_resolved_arguments_are_a_spec_and_a_run_that_the_core_takes(step: str) -> None:
    made = plan()
    create, arguments = made.task("create_cluster").arguments, made.task(step).arguments
    resolver = ValueResolver(Path("/project"), RUN, lambda name: f"<{name}>", {})
    job = resolve(arguments["job"], resolver)
    spec = spec_of({**job["args"], "run": RUN.model_dump(mode="json"), "task": step}, engine="dask")
    assert (spec.engine, spec.lake, spec.task) == ("dask", "gs://lake", step)
    DaskRun.model_validate({"cluster": create["cluster"], "policy": create.get("policy", {}), "job": job})


def test_a_secret_is_named_and_a_run_reference_is_left_to_the_run() -> None:
    args = plan().task("refine").arguments["job"]["args"]
    assert args["masks"]["mail"]["salt"] == {"ref": "secret", "secret": "env:SALT"}
    assert args["source"]["path"] == {"ref": "run", "template": "gs://lake/bronze/${run.key}"}


def test_a_target_that_does_not_say_where_is_refused() -> None:
    with pytest.raises(SpecError, match="DASK_TARGET_MISSING"):
        plan(dask=None)


def test_shapes_without_a_default_are_refused_with_the_key_to_write() -> None:
    with pytest.raises(SpecError, match=r"(?s)UNKNOWN_SHAPE.*shapes: \{default: \{\}\}"):
        plan(dask={**DASK, "shapes": {"small": {}, "large": {}}})


def test_it_runs_in_airflow_alone() -> None:
    with pytest.raises(SpecError, match="RUNS_IN_AIRFLOW"):
        require_here(plan())
