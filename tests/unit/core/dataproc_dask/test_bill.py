# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from decimal import Decimal

from airflow_dataops.core.dataproc_dask.bill import cost, seconds_by_phase
from airflow_dataops.core.dataproc_dask.state import Goal
from airflow_dataops.core.machine import CallError
from tests.unit.core.dataproc_dask.performer import Task
from tests.unit.core.dataproc_dask.samples import CARD, sample
from tests.unit.core.dataproc_dask.simulator import CreateFate, Dataproc, JobFate


def test_the_phases_of_a_run_add_up() -> None:
    one = Task(Dataproc(), sample())
    state = one.follow(one.start()).state
    seconds = seconds_by_phase(state, one.google.now)
    assert set(seconds) == {"create", "queue", "run", "delete", "total"}
    assert 250 <= seconds["run"] <= 300
    assert abs(sum(seconds.values()) - 2 * seconds["total"]) <= 15


def test_a_job_that_has_ended_before_it_was_seen_to_run_has_its_phases_too() -> None:
    google = Dataproc()
    google.job_fates = iter([JobFate(after=12)])
    one = Task(google, sample(poll="5m"))
    state = one.follow(one.start()).state
    seconds = seconds_by_phase(state, google.now)
    assert set(seconds) == {"create", "queue", "run", "delete", "total"}
    assert seconds["queue"] == 10


def test_a_phase_that_was_not_reached_is_missing() -> None:
    google = Dataproc()
    google.creates = iter([CreateFate(refuse=CallError("INVALID_ARGUMENT", "x"))])
    one = Task(google, sample())
    state = one.follow(one.start()).state
    assert set(seconds_by_phase(state, google.now)) == {"total"}
    assert cost(one.run, state, CARD, google.now) == 0


def test_every_cluster_of_the_run_is_paid_for_until_it_is_gone() -> None:
    google = Dataproc()
    google.creates = iter([CreateFate(error=CallError("INTERNAL", "x"), after=600)])
    google.job_fates = iter([JobFate(after=3000)])
    one = Task(google, sample())
    state = one.follow(one.start()).state
    hours = (
        Decimal(str(sum((life.gone_at - life.asked_at).total_seconds() for life in state.lives if life.gone_at))) / 3600
    )
    paid = cost(one.run, state, CARD, google.now)
    assert abs(paid - hours * Decimal("0.75")) < Decimal("0.0002")
    assert hours > 1


def test_a_cluster_that_stays_is_paid_for_until_now() -> None:
    one = Task(Dataproc(), sample(), Goal.CLUSTER)
    state = one.follow(one.start()).state
    assert cost(one.run, state, CARD, one.google.now) > 0
