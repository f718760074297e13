# SPDX-License-Identifier: Apache-2.0
"""What a task tells when it has ended."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from airflow_dataops.core.dataproc_dask import names
from airflow_dataops.core.dataproc_dask.budget import RateCard
from airflow_dataops.core.dataproc_dask.diagnosis import Failure, Reason
from airflow_dataops.core.dataproc_dask.state import Goal
from airflow_dataops.core.dataproc_dask.summary import (
    Summary,
    failure_line,
    metrics_of,
    summarise,
    xcom_of,
)
from tests.unit.core.dataproc_dask.performer import Task
from tests.unit.core.dataproc_dask.samples import IDENTITY, sample
from tests.unit.core.dataproc_dask.simulator import CreateFate, Dataproc

CARD = RateCard.model_validate(
    {
        "currency": "USD",
        "machines": {"n2-standard-4": {"vcpus": 4, "hourly": "0.2"}},
        "dataproc_vcpu_hour": "0.01",
        "disk_gb_month": {"pd-balanced": "0.1"},
    }
)


def ended(google: Dataproc, goal: Goal = Goal.RUN) -> Summary:
    task = Task(google, sample(), goal=goal)
    step = task.follow(task.start())
    return summarise(task.run, step.state, CARD, google.now)


def test_a_clean_run_made_and_deleted_one_cluster() -> None:
    found = ended(Dataproc())
    assert (found.created, found.adopted, found.deleted) == (1, 0, 1)
    assert found.cluster_name == names.base_name(IDENTITY)
    assert found.result_uri == f"gs://code-bucket/specs/{found.job_id}/result.json"
    assert found.failure is None
    assert found.cost is not None
    assert found.cost > 0


def test_two_attempts_are_two_clusters() -> None:
    google = Dataproc()
    google.creates = iter([CreateFate(state="ERROR", detail="strange", after=20)])
    found = ended(google)
    assert (found.created, found.deleted) == (2, 2)
    assert found.cluster_name == f"{names.base_name(IDENTITY)}-g2"


def test_a_second_try_that_finds_the_cluster_has_adopted_it() -> None:
    google = Dataproc()
    task = Task(google, sample())
    task.until(task.start(), "READY")
    google.advance(timedelta(seconds=30))
    step = task.follow(task.start())
    found = summarise(task.run, step.state, CARD, google.now)
    assert (found.created, found.adopted, found.deleted) == (0, 1, 1)


def test_a_cluster_that_stays_has_no_cost_yet() -> None:
    found = ended(Dataproc(), Goal.CLUSTER)
    assert (found.cost, found.deleted, found.result_uri) == (None, 0, None)
    assert "cost" not in xcom_of(found)
    assert "job" not in xcom_of(found)


def test_it_travels_as_json() -> None:
    found = ended(Dataproc())
    assert Summary.model_validate_json(found.model_dump_json()) == found


def test_metrics_have_few_tags_and_no_zeros() -> None:
    found = {
        metric.name.removeprefix("dataops.dataproc_dask."): metric
        for metric in metrics_of(ended(Dataproc()), {"dag_id": "d"})
    }
    assert {"created", "deleted", "cost", "seconds.create", "seconds.total"} <= set(found)
    assert "adopted" not in found
    assert found["cost"].tags == {"dag_id": "d", "currency": "USD"}
    assert found["seconds.total"].kind == "timing"


def test_a_failure_is_counted_by_its_code() -> None:
    summary = ended(Dataproc()).model_copy(
        update={"failure": Failure(code=Reason.TTL, message="m"), "cost": Decimal(0)}
    )
    [failed] = [metric for metric in metrics_of(summary, {}) if metric.name.endswith(".failed")]
    assert failed.tags == {"code": "TTL"}


def test_a_failure_is_one_line_with_what_to_do_and_where_to_read_on() -> None:
    failure = Failure(code=Reason.INIT_ACTION, message="it\n failed", hint="mend\nit", log_uri="gs://b/log")
    assert failure_line(failure) == "INIT_ACTION_FAILED: it failed -> mend it (log: gs://b/log)"
    assert failure_line(failure.model_copy(update={"hint": "see gs://b/log"})).count("gs://b/log") == 1
    assert failure_line(Failure(code=Reason.TTL, message="gone")) == "TTL: gone"
