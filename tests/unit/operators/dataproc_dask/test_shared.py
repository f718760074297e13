# SPDX-License-Identifier: Apache-2.0
"""A cluster that tasks share: made once, used by each job, deleted by the run's last task."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_dataops.core.dataproc_dask.observation import ResultView
from airflow_dataops.core.dataproc_dask.spec import DaskJob
from airflow_dataops.core.dataproc_dask.turn import CallKind
from airflow_dataops.core.errors import SpecError
from airflow_dataops.operators.dataproc_dask import (
    DataprocDaskCreateClusterOperator,
    DataprocDaskDeleteClusterOperator,
    DataprocDaskSubmitJobOperator,
    ephemeral_dask_cluster,
)
from tests.unit.core.dataproc_dask.simulator import JobFate
from tests.unit.operators.dataproc_dask.memory import World, arguments
from tests.unit.operators.shell import Shell, Ti, fire

pytestmark = pytest.mark.airflow

CLUSTER, JOB = arguments()["cluster"], arguments()["job"]
RATES = {
    "currency": "USD",
    "machines": {"n2-standard-4": {"vcpus": 4, "hourly": "0.2"}},
    "dataproc_vcpu_hour": "0.01",
    "disk_gb_month": {"pd-balanced": "0.1"},
}


class Run:
    """The tasks of one run."""

    def __init__(self, *, deferrable: bool = True) -> None:
        self.store: dict[Any, Any] = {}
        self.common = {"deferrable": deferrable}

    def create(self, map_index: int = -1) -> Shell:
        operator = DataprocDaskCreateClusterOperator(task_id="create", cluster=CLUSTER, instance="prod", **self.common)
        return Shell(operator, Ti("create", self.store, map_index))

    def submit(self, name: str, map_index: int = -1, **job: Any) -> Shell:
        operator = DataprocDaskSubmitJobOperator(
            task_id=name, cluster_task_id="create", bucket="jobs", job={**JOB, "name": name, **job}, **self.common
        )
        return Shell(operator, Ti(name, self.store, map_index))

    def delete(self, map_index: int = -1, **given: Any) -> Shell:
        operator = DataprocDaskDeleteClusterOperator(task_id="delete", cluster_task_id="create", **given, **self.common)
        return Shell(operator, Ti("delete", self.store, map_index))


@pytest.mark.parametrize("deferrable", [False, True])
def test_two_jobs_run_on_one_cluster_and_the_last_task_deletes_it(world: World, deferrable: bool) -> None:
    run = Run(deferrable=deferrable)
    made = run.create().run()
    first, second = run.submit("first").run(), run.submit("second").run()
    assert first["cluster"]["uuid"] == second["cluster"]["uuid"] == made["cluster"]["uuid"]
    assert {first["job"]["id"], second["job"]["id"]} == set(world.google.jobs)
    assert len(world.google.alive()) == 1
    gone = run.delete(rate_card=RATES).run()
    assert world.google.alive() == []
    assert world.google.count(CallKind.CREATE) == 1
    assert float(gone["cost"]["amount"]) > 0
    assert world.open == 0


@pytest.mark.parametrize("deferrable", [False, True])
def test_the_dashboard_of_a_shared_cluster_is_linked_while_its_jobs_run(world: World, deferrable: bool) -> None:
    run = Run(deferrable=deferrable)
    world.result("done")
    run.create().run()
    address = "https://uuid-1.example/gateway/default/dask/status"
    assert run.store["create", -1, "dataops_dask_dashboard_url"] == address
    job = run.submit("one")
    found = job.begin()
    assert run.store["one", -1, "dataops_dask_dashboard_url"] == address
    if deferrable:
        job.complete(fire(found))
    assert run.store["one", -1, "dataops_dask_dashboard_url"] == address


def test_a_cluster_without_a_gateway_is_linked_to_its_page(world: World) -> None:
    run = Run()
    operator = DataprocDaskCreateClusterOperator(
        task_id="create", cluster={**CLUSTER, "component_gateway": False}, instance="prod"
    )
    Shell(operator, Ti("create", run.store)).run()
    assert "/interfaces?" in run.store["create", -1, "dataops_dask_dashboard_url"]


def test_that_a_shared_cluster_is_not_kept_is_told(
    world: World, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    policy = {"keep_failed_for": "30m"}
    operator = DataprocDaskCreateClusterOperator(task_id="create", cluster=CLUSTER, policy=policy, instance="prod")
    Shell(operator, Ti("create")).run()
    assert "policy.keep_failed_for does nothing here" in caplog.text + capfd.readouterr().out


def test_a_job_that_fails_leaves_the_cluster_to_the_teardown(world: World) -> None:
    run = Run()
    run.create().run()
    failed = ResultView(ok=False, code="FUNCTION_RAISED", message="no luck")
    world.google.job_fates = iter([JobFate(state="ERROR", result=failed)])
    with pytest.raises(Exception, match="FUNCTION_RAISED: no luck"):
        run.submit("first").run()
    assert len(world.google.alive()) == 1
    run.delete().run()
    assert world.google.alive() == []


def test_deleting_finds_the_cluster_by_its_labels_where_the_setup_left_nothing(world: World) -> None:
    run = Run()
    run.create().begin()
    run.store.clear()
    assert len(world.google.alive()) == 1
    run.delete(cluster=CLUSTER, instance="prod").run()
    assert world.google.alive() == []


def test_without_a_cluster_a_job_says_what_to_name(world: World) -> None:
    with pytest.raises(Exception, match="CLUSTER_MISSING: task 'create' of this run left no cluster -> name the task"):
        Run().submit("first").run()
    with pytest.raises(Exception, match="CLUSTER_MISSING"):
        Run().delete().run()


def test_mapped_jobs_of_one_cluster_have_names_of_their_own(world: World) -> None:
    run = Run()
    run.create().run()
    for index in (0, 1):
        run.submit("part", index).run()
    assert len(world.google.jobs) == 2
    assert len(world.google.clusters) == 1


def test_tasks_that_name_no_job_do_not_stop_one_anothers(world: World) -> None:
    run = Run()
    run.create().run()
    common = {"cluster_task_id": "create", "bucket": "jobs", "deferrable": True}
    for name, month in (("january", 1), ("february", 2)):
        job = {"function": "delays.jobs:by_carrier", "args": {"month": month}}
        Shell(DataprocDaskSubmitJobOperator(task_id=name, job=job, **common), Ti(name, run.store)).begin()
    assert len(world.google.jobs) == 2
    assert world.google.count(CallKind.CANCEL) == 0


def test_two_jobs_of_one_name_in_a_group_are_refused_when_the_dag_is_read() -> None:
    from airflow.providers.common.compat.sdk import DAG

    dag = DAG("dask_twice", schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC))
    with dag, ephemeral_dask_cluster("dask", cluster=CLUSTER, bucket="jobs") as dask:
        dask.submit("first", {**JOB, "name": "delays"})
        with pytest.raises(
            SpecError, match=r"'dask\.first' and 'second' share a cluster, and both name their job 'delays'"
        ):
            dask.submit("second", {**JOB, "name": "delays"})


def test_a_job_that_is_a_model_is_named_after_its_task_too() -> None:
    from airflow.providers.common.compat.sdk import DAG

    dag = DAG("dask_model", schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC))
    with dag, ephemeral_dask_cluster("dask", cluster=CLUSTER, bucket="jobs") as dask:
        task = dask.submit("load_it", DaskJob(function="a:b"))
    assert task.job["name"] == "load-it"


def test_each_index_of_a_mapped_group_has_a_cluster_of_its_own(world: World) -> None:
    run = Run()
    made = [run.create(index).run()["cluster"]["name"] for index in (0, 1)]
    assert made[0] != made[1]
    assert run.submit("part", 1).run()["cluster"]["name"] == made[1]
    run.delete(0).run()
    assert [view.name for view in world.google.alive()] == [made[1]]


def test_a_broken_deferral_of_a_job_cancels_it_and_leaves_the_cluster(world: World) -> None:
    run = Run()
    run.create().run()
    task = run.submit("first")
    task.begin()
    assert [job.view.state for job in world.google.jobs.values()] == ["PENDING"]
    with pytest.raises(Exception, match="Trigger timeout"):
        task.break_off()
    assert [job.view.state for job in world.google.jobs.values()] == ["CANCELLED"]
    assert len(world.google.alive()) == 1


def test_a_broken_deferral_of_the_making_deletes_the_cluster(world: World) -> None:
    task = Run().create()
    task.begin()
    with pytest.raises(Exception, match="Trigger timeout"):
        task.break_off()
    assert world.google.alive() == []


def test_the_group_makes_setup_and_teardown_around_its_jobs() -> None:
    from airflow.providers.common.compat.sdk import DAG

    dag = DAG("dask_group", schedule=None, start_date=datetime(2024, 1, 1, tzinfo=UTC))
    with dag, ephemeral_dask_cluster("dask", cluster=CLUSTER, bucket="jobs", retries=2, instance="prod") as dask:
        first, second = dask.submit("load_it", JOB), dask.submit("check", {**JOB, "name": "other"})
        first >> second
    create, delete = dag.get_task("dask.create"), dag.get_task("dask.delete")
    assert create.is_setup
    assert delete.is_teardown
    gone = dag.get_task("dask.gone")
    assert gone.upstream_task_ids == {"dask.check", "dask.delete"}
    assert gone.trigger_rule == "none_failed"
    assert "dask.create" in first.upstream_task_ids
    assert "dask.delete" in second.downstream_task_ids
    assert create.task_id in delete.upstream_task_ids
    assert [first.job["name"], second.job["name"]] == ["load-it", "other"]
    assert (first.cluster_task_id, first.bucket, first.retries) == ("dask.create", "jobs", 2)
