# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import ryaml
from hypothesis import given
from hypothesis import strategies as st

from airflow_dataops.core.dask_job import DaskJobSpec
from airflow_dataops.core.dataproc_dask.run import DaskRun
from airflow_dataops.core.dataproc_dask.spec import ClusterSpec, Policy
from airflow_dataops.core.errors import SpecError
from airflow_dataops.core.run import RunContext
from dag_factories.explain import explain_plan
from dag_factories.pipeline import load_pipeline, load_project
from dag_factories.plans import plan_of
from dag_factories.plans.model import Plan
from dag_factories.project import Project, ProjectSpec
from dag_factories.resolve import ValueResolver, resolve
from dag_factories.specs.composer_dask import ComposerDaskSpec
from dag_factories.specs.dask import DaskPolicy, Shape, overlaid

EXAMPLES = Path(__file__).parents[4] / "example_dags"
GOLDEN = Path(__file__).parents[3] / "golden" / "plans"
RUN = RunContext(
    pipeline="orders",
    key="k",
    interval_start="2024-01-01T00:00Z",  # type: ignore[arg-type]
    interval_end="2024-01-02T00:00Z",  # type: ignore[arg-type]
)
ONE = """
version: 1
kind: composer_dask
name: orders
jobs:
  - {name: count, function: "work:count", args: {day: "${run.date}", path: "${lake}/x", list: ["${run.key}"]}, workers: 2}
"""
SEVERAL = (
    ONE
    + """\
  - {name: merge, function: "work:merge", after: [count]}
  - {name: other, function: "work:other"}
"""
)
DASK: dict[str, Any] = {
    "project": "my-project",
    "region": "europe-west1",
    "bucket": "bucket",
    "impersonation_chain": "a@p.iam.gserviceaccount.com",
    "code_uris": ["gs://bucket/code.zip"],
    "cluster": {"subnetwork": "projects/p/regions/r/subnetworks/s", "workers": {"count": 3}},
    "shapes": {"default": {}, "large": {"workers": {"machine_type": "n2-standard-8"}}},
    "policy": {"deadlines": {"run": "1h", "create": "20m"}, "budget": 9},
}


def plan(text: str = ONE, target: str = "gcp", dask: dict[str, Any] | None = None) -> Plan:
    gcp = {"engine": "dask", "runner": "dataproc_dask", "lake": "gs://lake", "dask": dask or DASK}
    spec = ProjectSpec.model_validate({"version": 1, "targets": {"local": {}, "gcp": gcp}, "code": ["lib"]})
    home = Project(Path("/project"), spec)
    made = ComposerDaskSpec.model_validate(ryaml.loads(text))
    return plan_of(made, home, home.target(target, environ={}), "dags/orders.yaml")


def ids(made: Plan) -> list[str]:
    return [task.id for task in made.tasks]


def test_the_plan_of_the_example_on_gcp_is_the_golden_one(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = load_pipeline(EXAMPLES / "flights_delays.yaml", target="gcp", project=load_project(EXAMPLES))
    made = pipeline.plan().model_dump(mode="json", exclude_defaults=True)
    golden = GOLDEN / "flights_delays.gcp.json"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(json.dumps(made, indent=2) + "\n")
    assert made == json.loads(golden.read_text())


def test_one_job_is_one_task_that_makes_runs_and_deletes() -> None:
    [task] = plan().tasks
    assert (task.id, task.operator, task.role) == ("count", "dataproc_dask.DataprocDaskJobOperator", "work")


def test_a_cluster_of_googles_is_the_same_task_told_so() -> None:
    [mine], [googles] = plan().tasks, plan(ONE + "lifecycle: google\n").tasks
    assert googles.arguments == {**mine.arguments, "lifecycle": "google"}
    assert googles.operator == mine.operator


def test_the_arguments_are_a_run_that_the_core_takes() -> None:
    arguments = plan().tasks[0].arguments
    resolver = ValueResolver(Path("/project"), RUN, lambda name: f"<{name}>", {})
    run = DaskRun.model_validate({key: resolve(arguments[key], resolver) for key in ("cluster", "job", "policy")})
    assert run.job is not None
    assert run.job.args == {"day": "2024-01-01", "path": "gs://lake/x", "list": ["k"]}
    assert run.job.python_file_uris == ["gs://bucket/code.zip"]


def test_a_shape_is_laid_over_what_all_have_and_the_pipeline_over_both() -> None:
    cluster = plan(ONE + "cluster: {shape: large, workers: {count: 5}}").tasks[0].arguments["cluster"]
    assert cluster["workers"] == {"count": 5, "machine_type": "n2-standard-8"}
    assert cluster["subnetwork"] == DASK["cluster"]["subnetwork"]


def test_the_pipelines_patience_is_laid_over_the_targets() -> None:
    policy = plan(ONE + "deadlines: {run: 30m}\nbudget: 2.5").tasks[0].arguments["policy"]
    assert Policy.model_validate(policy).deadlines.create.total_seconds() == 1200
    assert (policy["deadlines"]["run"], policy["budget"]) == (1800, "2.5")


def test_several_jobs_share_a_cluster_between_setup_and_teardown() -> None:
    made = plan(SEVERAL)
    assert [(task.id, task.role, task.upstream) for task in made.tasks] == [
        ("create_cluster", "setup", []),
        ("count", "work", ["create_cluster"]),
        ("merge", "work", ["count"]),
        ("other", "work", ["create_cluster"]),
        ("delete_cluster", "teardown", ["create_cluster", "count", "merge", "other"]),
        ("cluster_gone", "work", ["count", "merge", "other", "delete_cluster"]),
    ]
    assert {task.group for task in made.tasks} == set(made.groups) == {"ephemeral_dask_cluster"}


def test_jobs_are_ordered_and_keep_their_place_where_they_can() -> None:
    text = SEVERAL.replace("after: [count]", "after: [other]")
    assert ids(plan(text)) == ["create_cluster", "count", "other", "merge", "delete_cluster", "cluster_gone"]


def test_on_a_laptop_each_job_is_a_task_of_its_own_and_nothing_is_made() -> None:
    made = plan(SEVERAL, target="local")
    assert [(task.id, task.operator, task.upstream) for task in made.tasks] == [
        ("count", "dask_job.DaskJobOperator", []),
        ("merge", "dask_job.DaskJobOperator", ["count"]),
        ("other", "dask_job.DaskJobOperator", []),
    ]
    assert made.groups == {}


def test_a_local_job_is_valid_once_it_is_resolved() -> None:
    job = plan(target="local").tasks[0].job
    assert job is not None
    resolver = ValueResolver(Path("/project"), RUN, lambda name: f"<{name}>", {})
    spec = DaskJobSpec.model_validate({**resolve(job.spec, resolver), "run": RUN, "task": "count"})
    assert spec.args == {"day": "2024-01-01", "path": "/project/lake/x", "list": ["k"]}
    assert spec.code == ["/project/dags", "/project", "/project/lib"]
    assert (spec.workers, spec.engine) == (2, "dask")


def test_only_the_prices_of_the_clusters_own_machines_go_along() -> None:
    pipeline = load_pipeline(EXAMPLES / "flights_delays.yaml", target="gcp", project=load_project(EXAMPLES))
    card = pipeline.plan().tasks[0].arguments["rate_card"]
    assert set(card["machines"]) == {"n2-standard-4"}
    assert set(card["disk_gb_month"]) == {"pd-balanced"}


def test_a_target_that_waits_in_the_worker_says_so() -> None:
    assert plan().tasks[0].arguments["deferrable"] is True
    assert plan(dask={**DASK, "deferrable": False}).tasks[0].arguments["deferrable"] is False


def test_another_engine_is_refused() -> None:
    home = Project(
        Path("/p"),
        ProjectSpec.model_validate({"version": 1, "targets": {"k8s": {"engine": "spark", "runner": "spark_k8s"}}}),
    )
    with pytest.raises(SpecError, match="ENGINE_NOT_AVAILABLE"):
        plan_of(ComposerDaskSpec.model_validate(ryaml.loads(ONE)), home, home.target("k8s", environ={}), "x.yaml")


@pytest.mark.parametrize(("ours", "core"), [(Shape, ClusterSpec), (DaskPolicy, Policy)])
def test_what_an_author_may_say_is_what_the_core_knows(ours: Any, core: Any) -> None:
    elsewhere = {"project", "region", "secure"}
    assert set(ours.model_fields) == set(core.model_fields) - elsewhere
    wanted = core.model_validate({"project": "p", "region": "r"} if core is ClusterSpec else {})
    said = ours().model_dump(mode="json")
    assert {name: value for name, value in wanted.model_dump(mode="json").items() if name not in elsewhere} == said


def test_mappings_are_laid_over_one_another_and_lists_replaced() -> None:
    assert overlaid({"a": {"b": 1, "c": [1]}}, {"a": {"c": [2], "d": None}}) == {"a": {"b": 1, "c": [2], "d": None}}


@st.composite
def job_lists(draw: st.DrawFn) -> list[dict[str, Any]]:
    names = draw(
        st.lists(st.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True), min_size=1, max_size=6, unique=True)
    )
    jobs = [
        {
            "name": name,
            "function": "a:b",
            "after": draw(st.lists(st.sampled_from(names[:index]), unique=True)) if index else [],
        }
        for index, name in enumerate(names)
    ]
    return draw(st.permutations(jobs))


@given(job_lists(), st.sampled_from(["gcp", "local"]))
def test_every_task_comes_after_those_it_waits_for_and_the_delete_after_all(
    jobs: list[dict[str, Any]], target: str
) -> None:
    made = plan(json.dumps({"version": 1, "kind": "composer_dask", "name": "orders", "jobs": jobs}), target)
    for index, task in enumerate(made.tasks):
        assert set(task.upstream) <= set(ids(made)[:index])
    assert {job["name"] for job in jobs} <= set(ids(made))
    if target == "gcp" and len(jobs) > 1:
        delete, gone = made.tasks[-2:]
        assert (delete.role, set(delete.upstream)) == ("teardown", set(ids(made)) - {delete.id, gone.id})
        assert set(gone.upstream) == set(ids(made)) - {made.tasks[0].id, gone.id}
        assert [task.id for task in made.tasks if task.role == "setup"] == [made.tasks[0].id]
        assert all(task.upstream for task in made.tasks[1:])


def test_the_author_is_told_what_each_task_is_told() -> None:
    text = explain_plan(plan(SEVERAL))
    assert '"args": {"day": "${run.date}"' in text
    assert "create_cluster: Make the cluster" in text
    assert text.count("teardown: runs whatever happened before") == 1
    assert "code: [" in explain_plan(plan(target="local"))
    assert '"ref"' not in explain_plan(plan(target="local"))


@pytest.mark.parametrize(
    ("schedule", "told"),
    [
        ("null", "not scheduled; each run is triggered: by a person, the API or another DAG"),
        ('"@daily"', "@daily from 2024-01-01 in UTC, catchup off"),
        ('"@daily"\ncatchup: true', "@daily from 2024-01-01 in UTC, catchup on"),
    ],
)
def test_the_author_is_told_when_it_runs(schedule: str, told: str) -> None:
    runs = explain_plan(plan(f"{SEVERAL}schedule: {schedule}\nstart_date: 2024-01-01\n")).splitlines()[1]
    assert runs == f"  runs:   {told}"


def test_a_schedule_without_a_start_does_not_name_one() -> None:
    runs = explain_plan(plan(f'{SEVERAL}schedule: "@daily"\n')).splitlines()[1]
    assert runs == "  runs:   @daily in UTC, catchup off"
